"""Tables as the page places them: with filters on the levels of their rows, and columns that show on demand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.export.tables.model import Medium, Row, Table
from tune_app.export.tables.page import PageTable, render_page
from tune_app.study import Study
from tune_app.study.labels import spell_factor, spell_level

FEWEST = 6  # rows from which on there is something to filter
MOST_LEVELS = 40  # of one filter
COLUMNS = ("defect", "way", "explains", "status")  # that have levels beside the factors


@dataclass(frozen=True)
class Filter:
    """A choice: its name, and the levels that rows have, in words."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class PlacedTable(PageTable):
    """A table with its filters. `codes` has for every row, by group, the place of its level in each filter's list.

    `hidden` is how many columns show on demand, those that no other medium has.
    """

    filters: tuple[Filter, ...] = ()
    codes: tuple[tuple[str, ...], ...] = ()
    hidden: int = 0


def place(table: Table, study: Study) -> PlacedTable:
    """The table with what the page adds."""
    page_table = render_page(table)
    hidden = sum(column.least == Medium.SCREEN for column in page_table.columns[1:])
    found = [each for each in _list_filters(table.rows, study) if len(each[0].levels) > 1]
    if len(table.rows) < FEWEST:
        found = []
    codes = tuple(tuple(" ".join(str(find(row)) for _, find in found) for row in group.rows) for group in table.groups)
    return PlacedTable(**vars(page_table), filters=tuple(each for each, _ in found), codes=codes, hidden=hidden)


def _list_filters(rows: Sequence[Row], study: Study) -> list[tuple[Filter, Callable[[Row], int]]]:
    """Each filter with what finds the place of a row's level."""
    found = []
    for name in (*study.factors, *COLUMNS):
        if any(name not in row.values for row in rows):
            continue
        levels = list(dict.fromkeys(_find_level(row, name) for row in rows))
        if len(levels) <= MOST_LEVELS:
            words = tuple(_spell(name, level, study) for level in levels)
            found.append((Filter(spell_factor(name).replace("_", " "), words), _build_finder(name, levels)))
    return found


def _build_finder(name: str, levels: list[Any]) -> Callable[[Row], int]:
    places = {level: place for place, level in enumerate(levels)}
    return lambda row: places[_find_level(row, name)]


def _find_level(row: Row, name: str) -> Any:
    level: Any = row.values[name]
    return level if isinstance(level, tuple) or not pd.isna(level) else None


def _spell(name: str, level: Any, study: Study) -> str:
    if name not in study.factors:
        return str(level or "none")
    is_whole = isinstance(level, float) and level.is_integer()
    return spell_level(name, int(level) if is_whole else level)
