"""What claims and contrasts need to be decided: the chance of a verdict, and the replicates for a good one."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import RenderableType

from tune_app.analysis.power import MOST_REPLICATES
from tune_app.export.tables.model import Column, Group, Kind, Medium, Over, Row, Table, list_records
from tune_app.export.tables.notes import build_notes, share_reasons
from tune_app.export.tables.terminal import render_terminal

COLUMNS = (
    Column("name", "claim or contrast", wraps=True),
    Column("verdict", "verdict"),
    Column("effect", "effect", Kind.NUMBER, signed=True),
    Column("effect_from", "from", wraps=True),
    Column("spread", "error", Kind.SPREAD),
    Column("spread_from", "spread from", wraps=True, least=Medium.PAPER),
    Column("replicates", "replicates", Kind.COUNT),
    Column("power", "power", Kind.SHARE),
    Column("needed_80", "for 80%", Kind.COUNT),
    Column("needed_90", "for 90%", Kind.COUNT),
    Column("hours_80", "core hours", Kind.NUMBER, decimals=1),
)
NOTE = (
    "Power is the chance of a verdict with the study's replicates, averaged over what the spread may truly be. For 80% "
    "and for 90% are the replicates that reach it. The effect is the one observed, or one margin beyond the edge of "
    "the claim; for contrasts it is the least difference that matters (the study's rope), not the one observed. Core "
    "hours are those of the replicates that are missing for 80%."
)
BY_LOOKS = (
    "Of claims that were looked at, power is the chance that the last look decides them, by what has been seen, and "
    "the replicates are those of the first look with such a chance."
)


def build_outlook_table(outlook: pd.DataFrame) -> Table:
    """A row for each of outlook.csv, claims first; decided claims are left out."""
    records = [record for record in list_records(outlook) if record["verdict"] in ("", "undecided")]
    groups = []
    for kind, caption in (("claim", "Claims that are undecided"), ("contrast", "Contrasts with the baseline")):
        rows = tuple(_build_row(record) for record in records if record["kind"] == kind)
        groups += [Group(caption, rows)] if rows else []
    reasons = share_reasons([(str(record["name"]), str(record["reason"])) for record in records])
    is_looked_at = (outlook["kind"] == "claim") & (outlook["most_replicates"] < MOST_REPLICATES)
    note = f"{NOTE} {BY_LOOKS}" if is_looked_at.any() else NOTE
    notes = (note, *build_notes(reasons, len(records))) if groups else ()
    return Table("outlook", "What would decide it", COLUMNS, tuple(groups), notes)


def _build_row(record: dict[str, Any]) -> Row:
    return Row(record | mark_needed(record, ("needed_80", "needed_90")) | {"verdict": ""})


def mark_needed(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The numbers of replicates by these names; more than are tried is no dash, which stands for what is not known."""
    most = record["most_replicates"]
    return {name: Over(int(most)) if pd.isna(record[name]) and not pd.isna(most) else record[name] for name in names}


MOST_ROWS = 60  # contrasts that a terminal shows


def build_outlook_lines(outlook: pd.DataFrame) -> list[RenderableType]:
    """The table for a rich console, with its notes; of many contrasts the first ones."""
    is_shown = (outlook["kind"] != "contrast") | ((outlook["kind"] == "contrast").cumsum() <= MOST_ROWS)
    table, more = build_outlook_table(outlook[is_shown]), int((~is_shown).sum())
    cut = [f"… and {more:,} more contrasts, which outlook.csv lists after the run"] if more else []
    return [*render_terminal(table), *cut, *table.notes] if table.rows else []
