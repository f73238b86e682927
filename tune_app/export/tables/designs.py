"""What the components of ablation designs do, a group for each family of effects."""

import pandas as pd

from tune_app.analysis.designed import choose_scale
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Row, Table, list_records
from tune_app.export.tables.notes import share_reasons
from tune_app.export.tables.scope import build_scope
from tune_app.records.results import Results

COLUMNS = (
    Column("component", "component", wraps=True),
    Column("effect", "effect", Kind.ESTIMATE, signed=True),
    Column("effect", "95% interval", Kind.INTERVAL, signed=True),
    Column("p_value", "p", Kind.P_VALUE, least=Medium.SCREEN),
    Column("p_holm", "p (Holm)", Kind.P_VALUE),
    Column("n_pairs", "pairs", Kind.COUNT, settles=True),
    Column("aliased_with", "aliased with", wraps=True),
)
CAPTIONS = {
    "total": "The full system against the base",
    "shapley": "Shapley value: each component's share of that",
    "main effect": "Main effect: with minus without, averaged over the other components",
    "interaction": "Interaction: effect with the other minus effect without it",
    "leave out": "Left out: the full system minus the one without the component",
    "add in": "Added in: the base with the component minus the base",
    "owed to the others": "Owed to the others: left out minus added in",
    "mean of both": "Mean of left out and added in",
    "remainder": "Remainder: the sum of these means minus the full system's gain",
}


def build_design_table(results: Results, designs: pd.DataFrame) -> Table:
    """A row for each row of designs.csv."""
    metric = choose_scale(results)[0]
    several = designs["design"].nunique() > 1
    groups = []
    for (_, model, family), rows in designs.groupby(["design", "model", "family"], sort=False):
        caption = CAPTIONS.get(str(family), str(family))
        groups.append(Group(f"{model}: {caption}" if several else caption, tuple(map(_build_row, list_records(rows)))))
    records = list_records(designs)
    reasons = share_reasons([(_name(record), record["reason"]) for record in records if record["reason"]])
    return Table(
        "designs",
        f"What each component does to {metric}",
        COLUMNS,
        tuple(groups),
        scope=build_scope([(record["estimand"], results.study.primary) for record in records], results.study),
        reasons=tuple(reasons),
    )


def _name(record: dict[str, object]) -> str:
    return f"{record['component']}, {record['family']}"


def _build_row(record: dict[str, object]) -> Row:
    effect = Estimate(record["estimate"], record["ci95_low"], record["ci95_high"])  # type: ignore[arg-type]
    return Row(record | {"effect": effect}, key=_name(record))  # type: ignore[arg-type]
