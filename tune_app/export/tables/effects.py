"""Main effects and interactions of the factors of balanced grids, a group for each family of a design."""

from typing import Any

import pandas as pd

from tune_app.analysis.designs import INTERACTION, MAIN
from tune_app.analysis.estimands import DETECTABLE
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Row, Table, list_records
from tune_app.export.tables.notes import share_reasons
from tune_app.export.tables.scope import ESTIMAND, build_scope, do_differ, spell_estimand, spell_method
from tune_app.records.results import Results
from tune_app.study import Study

COLUMNS = (
    Column("change", "change", wraps=True),
    Column("effect", "effect", Kind.ESTIMATE, signed=True),
    Column("effect", "95% interval", Kind.INTERVAL, signed=True),
    ESTIMAND,
    Column("p_value", "p", Kind.P_VALUE, least=Medium.SCREEN),
    Column("p_holm", "p (Holm)", Kind.P_VALUE),
    Column("n_pairs", "pairs", Kind.COUNT, settles=True),
    Column("n_conditions", "conditions", Kind.COUNT, settles=True),
    Column("method", "method", least=Medium.SCREEN, settles=True),
)
CAPTIONS = {
    MAIN: "Main effects, averaged over the levels of the other factors",
    INTERACTION: "Interactions: how much larger the first change's effect is after the second change than before it",
}


def build_effect_table(results: Results, effects: pd.DataFrame) -> Table:
    """A row for each row of effects.csv."""
    several = effects["design"].nunique() > 1
    groups = []
    for (_, setting, family), rows in effects.groupby(["design", "setting", "family"], sort=False):
        caption = CAPTIONS[str(family)]
        title = f"{setting}: {caption}" if several and setting else caption
        built = tuple(_build_row(results.study, record, _name(record, several)) for record in list_records(rows))
        groups.append(Group(title, built))
    records = list_records(effects)
    named = [(_name(record, several), record["reason"]) for record in records]
    reasons = share_reasons([pair for pair in named if pair[1]], leave_out=(DETECTABLE,))
    metric, unit = results.study.primary.replace("_", " "), records[0]["unit"]
    title = f"What the factors do to {metric}" + (f" ({unit})" if unit else "")
    differ = do_differ(record["estimand"] for record in records)
    columns = tuple(column for column in COLUMNS if differ or column is not ESTIMAND)
    scope = build_scope([(record["estimand"], results.study.primary) for record in records], results.study)
    return Table("effects", title, columns, tuple(groups), (), scope, tuple(reasons))


def _name(record: dict[str, Any], several: bool) -> str:
    return f"{record['setting']}: {record['change']}" if several else str(record["change"])


def _build_row(study: Study, record: dict[str, Any], key: str) -> Row:
    effect = Estimate(record["estimate"], record["ci95_low"], record["ci95_high"])
    words = {"method": spell_method(record["method"], study), "estimand": spell_estimand(record["estimand"], study)}
    return Row(record | words | {"effect": effect}, key=key)
