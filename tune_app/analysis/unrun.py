"""Conditions that have not been run: of those that --only leaves out, tables say one sentence and no rows."""

from collections.abc import Set

from tune_app.analysis.labels import build_rows
from tune_app.records.results import Results
from tune_app.study.once import once


@once
def find_unrun(results: Results) -> Set[str]:
    """The labels of conditions none of whose fits has been run, failed ones counting; empty where nothing has."""
    folds = results.records.folds
    rows = build_rows(results.study)
    begun = {row.label for row in rows for spec in row.trials if any((spec.id, n) in folds for n in range(spec.folds))}
    return frozenset(row.label for row in rows if row.label not in begun) if begun else frozenset()


def describe_unrun(results: Results) -> list[str]:
    """A sentence on them; none where there are none."""
    count, every = len(find_unrun(results)), len(build_rows(results.study))
    if not count:
        return []
    return [f"{count} of the {every} conditions {'has' if count == 1 else 'have'} not been run, and no row here."]
