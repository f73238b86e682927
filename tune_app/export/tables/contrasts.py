"""Contrasts of one metric, in the groups of the conditions."""

from typing import Any

import pandas as pd

from tune_app.analysis.estimands import DETECTABLE
from tune_app.analysis.labels import RowGroup, build_groups, build_rows
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Row, Table, list_records
from tune_app.export.tables.notes import build_notes, join_remarks, share_reasons
from tune_app.records.results import Results
from tune_app.study import Metric

BASELINE = Column("baseline", "baseline", wraps=True)
COLUMNS = (
    Column("row", "row", wraps=True),
    BASELINE,
    Column("effect", "effect", Kind.ESTIMATE, signed=True),
    Column("effect", "95% interval", Kind.INTERVAL, signed=True),
    Column("p_value", "p", Kind.P_VALUE, least=Medium.SCREEN),
    Column("p_holm", "p (Holm)", Kind.P_VALUE),
    Column("p_worse", "P(worse)", Kind.PROBABILITY),
    Column("p_equivalent", "P(equal)", Kind.PROBABILITY),
    Column("p_better", "P(better)", Kind.PROBABILITY),
    Column("smallest_detectable", "detectable", Kind.SPREAD),
    Column("n", "n"),
    Column("method", "method", least=Medium.SCREEN),
    Column("status", "status", least=Medium.SCREEN),
)


def build_contrast_table(results: Results, contrasts: pd.DataFrame, metric: Metric) -> Table:
    """A row for each contrast of the metric in `contrasts`, which has the columns of contrasts.csv.

    Where every group has one baseline, the captions name it.
    """
    records = {r["row"]: r for r in list_records(contrasts) if r["metric"] == metric}
    conditions = {row.label: row.trials[0].condition for row in build_rows(results.study)}
    groups: list[tuple[RowGroup, tuple[Row, ...]]] = []
    for group in build_groups(results.study):
        rows = tuple(
            _build_row(records[row.label], group.label(row), group.labelling.label(conditions[baseline]))
            for row in group.rows
            if row.label in records and (baseline := records[row.label]["baseline_row"])
        )
        groups += [(group, rows)] if rows else []
    is_captioned = all(len({row.values["baseline"] for row in rows}) == 1 for _, rows in groups)
    columns = tuple(column for column in COLUMNS if column is not BASELINE or not is_captioned)
    captions = [
        f"{group.caption}; compared with {rows[0].values['baseline']}" if is_captioned else group.caption
        for group, rows in groups
    ]
    unit = results.study.describe_metric(metric).unit
    reasons = share_reasons([(row, join_remarks(record)) for row, record in records.items()], leave_out=(DETECTABLE,))
    return Table(
        f"contrasts-{metric}",
        f"Contrasts of {metric.replace('_', ' ')}" + (f" ({unit})" if unit else ""),
        columns,
        tuple(Group(caption, rows) for caption, (_, rows) in zip(captions, groups, strict=True)),
        tuple(build_notes(reasons, len(records))),
    )


def _build_row(record: dict[str, Any], label: str, baseline: str) -> Row:
    effect = Estimate(record["effect"], record["ci95_low"], record["ci95_high"])
    return Row(record | {"row": label, "baseline": baseline, "effect": effect, "n": spell_n(record)})


def spell_n(record: dict[str, Any]) -> str | None:
    """What a contrast was computed from, `12 pairs` or `3 and 3 replicates`; None where there is none."""
    if not pd.isna(record["n_pairs"]):
        return f"{record['n_pairs']} pairs"
    names = ("n_replicates", "n_replicates_baseline" if "n_replicates_baseline" in record else "n_replicates_against")
    return f"{record[names[0]]} and {record[names[1]]} replicates" if record["method"] else None
