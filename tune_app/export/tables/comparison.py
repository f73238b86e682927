"""Two studies A and B side by side."""

import pandas as pd

from tune_app.export.tables.contrasts import spell_n
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Reason, Row, Table, list_records
from tune_app.export.tables.notes import build_notes, join_remarks, share_reasons
from tune_app.export.tables.scope import build_scope
from tune_app.study import Study

CHANGES = (Column("key", "key", wraps=True), Column("first", "A", wraps=True), Column("second", "B", wraps=True))
COLUMNS = (
    Column("row", "row", wraps=True),
    Column("mean_first", "A", Kind.NUMBER),
    Column("mean_second", "B", Kind.NUMBER),
    Column("effect", "B\u00a0−\u00a0A", Kind.ESTIMATE, signed=True),
    Column("effect", "95% interval", Kind.INTERVAL, signed=True),
    Column("p_value", "p", Kind.P_VALUE),
    Column("n", "n"),
)


def build_comparison_tables(study: Study, comparison: pd.DataFrame, changes: pd.DataFrame) -> list[Table]:
    """What changed, and per metric the conditions of both with the effect B − A; a reason is said below the first.

    `study` is that of A.
    """
    changed = tuple(map(Row, list_records(changes)))
    tables = [Table("changes", "What changed", CHANGES, (Group("", changed),))] if changed else []
    said: set[Reason] = set()
    for metric, frame in comparison.groupby("metric", sort=False):
        records = list_records(frame)
        rows = tuple(
            Row(r | {"effect": Estimate(r["effect"], r["ci95_low"], r["ci95_high"]), "n": spell_n(r)}) for r in records
        )
        reasons = [r for r in share_reasons((r["row"], join_remarks(r)) for r in records) if r not in said]
        said |= set(reasons)
        notes = build_notes(reasons, len(records))
        if frame["p_value"].notna().any():
            notes.insert(0, "p is that of each row by itself, not adjusted for their number.")
        title = f"{metric}, {records[0]['unit']}"
        scope = build_scope([(record["estimand"], str(metric)) for record in records], study)
        tables.append(Table(f"comparison-{metric}", title, COLUMNS, (Group("", rows),), tuple(notes), scope))
    return tables
