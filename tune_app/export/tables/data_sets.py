"""The conditions of a study over several data sets, a column for each of them."""

from typing import Any

import pandas as pd

from tune_app.export.tables.model import Column, Estimate, Group, Kind, Row, Table, list_records
from tune_app.export.tables.notes import build_notes, share_reasons
from tune_app.records.results import Results

SCOPE = "Ranks, p and mean effects speak of other data sets like these."
HIERARCHICAL = (
    "Mean effect: over data sets of the kind, with its 95% credible interval. P(worse), P(equal) and P(better): how "
    "probable it is that this is the likeliest on a new data set, equal meaning within ±{:g} (hierarchical test, "
    "Corani et al. 2017)."
)


def build_data_set_table(results: Results, frame: pd.DataFrame) -> Table:
    """A row for each row of data_sets.csv; below, in how many data sets each condition is better."""
    names = results.study.data.names
    columns = [Column("condition", "condition", wraps=True)]
    columns += [Column(name, name, Kind.NUMBER) for name in names]
    columns += [Column("average_rank", "average rank", Kind.NUMBER, decimals=2)]
    columns += [Column(name, name, Kind.COUNT) for name in ("wins", "ties", "losses")]
    columns += [Column("p_holm", "p (Holm)", Kind.P_VALUE)]
    columns += [
        Column("effect", "mean effect", Kind.ESTIMATE, signed=True),
        Column("effect", "95% interval", Kind.INTERVAL, signed=True),
        Column("p_worse", "P(worse)", Kind.PROBABILITY),
        Column("p_equivalent", "P(equal)", Kind.PROBABILITY),
        Column("p_better", "P(better)", Kind.PROBABILITY),
    ]
    records = list_records(frame)
    rows = tuple(Row(record | {"effect": _find_effect(record)}) for record in records)
    title = f"{results.study.primary.replace('_', ' ').capitalize()} by data set"
    return Table("data-sets", title, tuple(columns), (Group("", rows),), _build_notes(frame, records), SCOPE)


def _find_effect(record: dict[str, Any]) -> Estimate:
    return Estimate(record.get("mean_effect"), record.get("ci95_low"), record.get("ci95_high"))


def _build_notes(frame: pd.DataFrame, records: list[dict[str, Any]]) -> tuple[str, ...]:
    """The summary in sentences; what the hierarchical test's numbers are, or why there are none."""
    rows = [record for record in records if isinstance(record.get("hierarchical_reason"), str)]
    reasons = share_reasons([(r["condition"], r["hierarchical_reason"]) for r in rows if r["hierarchical_reason"]])
    notes = [frame.attrs["summary"], *build_notes(reasons, len(rows))]
    if any(not r["hierarchical_reason"] for r in rows):
        notes.append(HIERARCHICAL.format(rows[0]["rope"]))
    return tuple(notes)
