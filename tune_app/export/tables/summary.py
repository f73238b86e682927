"""The tables that a command ends with: few enough to be read in a terminal."""

from collections.abc import Callable, Collection
from dataclasses import replace

from rich.console import RenderableType
from rich.text import Text

from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.conditions import build_condition_scores
from tune_app.analysis.labels import build_rows
from tune_app.analysis.unrun import describe_unrun
from tune_app.export.tables.claims import build_claim_table
from tune_app.export.tables.conditions import build_condition_table
from tune_app.export.tables.document import build_pivots
from tune_app.export.tables.metrics import build_metric_table
from tune_app.export.tables.model import Estimate, Medium, Row, Table
from tune_app.export.tables.terminal import render_terminal, render_titled
from tune_app.records.results import Results
from tune_app.study import Study

MOST_ROWS = 40  # of conditions; more would scroll away what stands above them


def build_terminal_tables(results: Results, selected: Collection[str] | None = None) -> list[RenderableType]:
    """The claims, in brief, the conditions and, where there are several, the metrics for a rich console.

    With `selected`, conditions without any of these trials are left out; of many the best by the primary metric stay.
    """
    study = results.study
    claims = build_claim_table(study, build_verdicts(results))
    several = len(study.metrics.named) > 1
    scores = build_condition_scores(results)
    conditions, unselected = _select(build_condition_table(results), study, selected)
    conditions, unshown = _shorten(conditions, study)
    metrics = build_metric_table(results, scores) if several and not unshown else None
    pivots = build_pivots(results, scores) if study.tables else ()
    tables = [table for table in (claims, conditions, metrics) if table and table.rows]
    if metrics and len(metrics.select_columns(Medium.TERMINAL)) == 1:  # nothing but its rows' names
        tables.remove(metrics)
    scopes = {table.title: table.scope for table in tables if table.scope and table is not metrics}
    is_one = len(set(scopes.values())) == 1
    said = set(scopes.values()) if is_one else [f"{title}: {scope}" for title, scope in scopes.items()]
    left_out = filter(None, [unselected, unshown, *describe_unrun(results)])
    return [
        *(line for table in tables for line in render_terminal(table)),
        *(Text(each, style="dim") for each in (*left_out, *said)),
        *(line for table in pivots for line in render_titled(replace(table, scope=""))),
    ]


def _select(conditions: Table, study: Study, selected: Collection[str] | None) -> tuple[Table, str]:
    """The table without conditions that have none of the selected trials, and a sentence on these."""
    if selected is None:
        return conditions, ""
    rows = [row for row in build_rows(study) if any(spec.id in selected for spec in row.trials)]
    kept = {f"trial-{row.trials[0].id}" for row in rows}
    found = _keep(conditions, lambda row: row.target in kept)
    count = len(conditions.rows) - len(found.rows)
    many = "condition that was not selected is" if count == 1 else "conditions that were not selected are"
    return found, f"{count} {many} left out." if count else ""


def _shorten(conditions: Table, study: Study) -> tuple[Table, str]:
    """The best rows of a table that is too long for a terminal, and a sentence on them."""
    total = len(conditions.rows)
    if total <= MOST_ROWS:
        return conditions, ""
    sign = -1 if study.describe_metric(study.primary).better == "higher" else 1

    def read(row: Row) -> float:
        mean = row.values[study.primary]
        return sign * mean.value if isinstance(mean, Estimate) and mean.value is not None else float("inf")

    kept = {row.target for row in sorted(conditions.rows, key=read)[:MOST_ROWS]}
    metric = study.primary.replace("_", " ")
    told = f"These are the {MOST_ROWS} of {total:,} conditions with the best {metric}; table.md has all."
    return _keep(conditions, lambda row: row.target in kept), told


def _keep(table: Table, is_kept: Callable[[Row], bool]) -> Table:
    groups = (replace(group, rows=tuple(filter(is_kept, group.rows))) for group in table.groups)
    return replace(table, groups=tuple(group for group in groups if group.rows))
