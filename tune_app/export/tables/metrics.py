"""Every metric of a study that names several: a row for each condition, a column for each metric."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.labels import Row as LabelledRow
from tune_app.analysis.labels import build_groups
from tune_app.export.rounding import choose_decimals
from tune_app.export.tables.model import Column, Group, Kind, Medium, Row, Table, Value, list_records
from tune_app.export.tables.notes import share_reasons
from tune_app.records.results import Results

EXPLANATION = (
    "Pooled is the score over all held-out samples of a replicate together, and the mean over replicates of that. For "
    "a metric that does not average over folds it is another number than the mean over folds."
)
SCOPE = "The means are those of the runs made; conditions.csv has their intervals and what each speaks of."
POOLED = " pooled"  # what distinguishes the name of a column of pooled values


@dataclass(frozen=True)
class Scores:
    """The scores of a study's `metrics`: by (metric, row) those of conditions.csv, by (metric, trial) the pooled."""

    metrics: tuple[str, ...]
    means: dict[tuple[str, str], dict[str, Any]]
    pooled: dict[tuple[str, str], dict[str, Any]]

    def find_pooled(self, metric: str, row: LabelledRow) -> float | None:
        """The mean over the row's replicates; None unless there is a value for each."""
        values = [self.pooled.get((metric, spec.id), {}).get("value") for spec in row.trials]
        known = [float(value) for value in values if value is not None and not pd.isna(value)]
        return sum(known) / len(known) if known and len(known) == len(values) else None

    def list_reasons(self, row: LabelledRow) -> Iterator[str]:
        """Why numbers of the row are not there."""
        yield from (self.means[metric, row.label]["reason"] for metric in self.metrics)
        for metric in self.metrics:
            found = [self.pooled.get((metric, spec.id), {}).get("reason") for spec in row.trials]
            yield from (f"pooled, {reason}" for reason in found if reason and not pd.isna(reason))


def build_metric_table(results: Results, scores: pd.DataFrame) -> Table | None:
    """A row for each condition, a column for each metric that the study names; None where it names no second one.

    `scores` has the columns of conditions.csv. Where held-out folds are scored, metrics that do not average over folds
    have a second column, of their pooled values.
    """
    found = _collect(results, scores)
    if len(found.metrics) < 2:
        return None
    groups, reasons = list[Group](), list[tuple[str, str]]()
    for group in build_groups(results.study):
        rows = tuple(_build_row(group.label(row), row, found) for row in group.rows)
        groups.append(Group(group.caption, rows))
        reasons += [(row.label, reason) for row in group.rows for reason in found.list_reasons(row)]
    columns = [column for metric in found.metrics for column in _build_columns(results, metric, found)]
    notes = [EXPLANATION] if found.pooled else []
    named = (Column("row", "row", wraps=True), *columns)
    return Table(
        "metrics",
        "Metrics, means over folds and replicates",
        named,
        tuple(groups),
        tuple(notes),
        SCOPE,
        tuple(share_reasons(reasons)),
    )


def _collect(results: Results, scores: pd.DataFrame) -> Scores:
    metrics = tuple(f"test_{name}" for name in results.study.metrics.named)
    means = {(record["metric"], record["row"]): record for record in list_records(scores)}
    pooled = [] if results.pooled is None else list_records(results.pooled)
    return Scores(metrics, means, {(record["metric"], record["trial"]): record for record in pooled})


def _build_row(label: str, row: LabelledRow, scores: Scores) -> Row:
    values: dict[str, Value] = {"row": label}
    for metric in scores.metrics:
        values |= {metric: scores.means[metric, row.label]["mean"], metric + POOLED: scores.find_pooled(metric, row)}
    return Row(values, target=f"trial-{row.trials[0].id}", key=row.label)


def _build_columns(results: Results, metric: str, scores: Scores) -> list[Column]:
    """The metric's column and that of its pooled values, with as many decimals as the narrowest interval leaves."""
    records = [record for (name, _), record in scores.means.items() if name == metric]
    widths = [(record["ci95_high"] - record["ci95_low"]) / 2 for record in records if record["method"]]
    decimals = max((choose_decimals(width) for width in widths), default=choose_decimals(None))
    heading, unit = metric.removeprefix("test_").replace("_", " "), results.study.describe_metric(metric).unit
    return [
        Column(metric, heading, Kind.NUMBER, unit=unit, decimals=decimals),
        Column(metric + POOLED, f"{heading}, pooled", Kind.NUMBER, decimals=decimals, least=Medium.PAPER),
    ]
