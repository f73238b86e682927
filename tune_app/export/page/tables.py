"""Frames → tables for reading: every cell has its text and what it sorts by."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

MISSING = "–"


@dataclass(frozen=True)
class Column:
    """A column of a page's table: where it comes from, its heading (with the unit), how a value is spelt.

    `spell` is given the row; None spells the value as it is. `link` names the column that holds the id of a section.
    """

    name: str
    heading: str
    spell: Callable[[Mapping[str, Any]], str] | None = None
    number: bool = False
    link: str | None = None


@dataclass(frozen=True)
class Cell:
    text: str
    sort: str
    href: str | None = None


@dataclass(frozen=True)
class PageTable:
    """`columns` without those that the frame lacks or that are empty in every row; the first one names the row."""

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def build_table(frame: pd.DataFrame, id: str, caption: str, columns: Sequence[Column]) -> PageTable:
    """The frame's rows under those of `columns` that say anything."""
    shown = tuple(
        column
        for index, column in enumerate(columns)
        if column.name in frame and (index == 0 or not frame[column.name].map(is_missing).all())
    )
    rows = tuple(tuple(_build_cell(row, column) for column in shown) for row in frame.to_dict("records"))
    return PageTable(id, caption, shown, rows)


def _build_cell(row: Mapping[Any, Any], column: Column) -> Cell:
    value = row[column.name]
    if is_missing(value):
        return Cell(MISSING, "")
    text = column.spell(row) if column.spell else str(value)
    href = f"#{row[column.link]}" if column.link else None
    return Cell(text, repr(float(value)) if column.number else text, href)


def is_missing(value: Any) -> bool:
    return bool(pd.isna(value)) or value == ""


def fixed(name: str, decimals: int, sign: bool = False) -> Callable[[Mapping[str, Any]], str]:
    """Spells `row[name]` with so many decimals, with thousands separated and a true minus."""
    return lambda row: _minus(f"{row[name]:{'+' if sign else ''},.{decimals}f}")


def probability(name: str) -> Callable[[Mapping[str, Any]], str]:
    """Spells a probability; the smallest ones as a bound."""
    return lambda row: "< 0.001" if row[name] < 0.001 else f"{row[name]:.3f}"


def by_interval(name: str, sign: bool = False) -> Callable[[Mapping[str, Any]], str]:
    """Spells `row[name]` with as many decimals as give the half-width of its 95% interval two significant digits."""
    return lambda row: _minus(f"{row[name]:{'+' if sign else ''},.{_decimals(row)}f}")


def interval(row: Mapping[str, Any]) -> str:
    """Spells ci95_low and ci95_high with the decimals of `by_interval`."""
    decimals = _decimals(row)
    return _minus(f"[{row['ci95_low']:,.{decimals}f}, {row['ci95_high']:,.{decimals}f}]")


def _decimals(row: Mapping[str, Any]) -> int:
    low, high = row["ci95_low"], row["ci95_high"]
    half = 0.0 if is_missing(low) or is_missing(high) else (high - low) / 2
    return min(max(1 - math.floor(math.log10(half)), 0), 6) if half > 0 else 4


def _minus(text: str) -> str:
    return text.replace("-", "−")
