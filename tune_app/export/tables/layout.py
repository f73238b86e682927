"""A table laid out for a medium: the columns that it has room for, cells aligned at the decimal point, footnotes.

Every rendering takes its cells from here, so that all of them show the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tune_app.export.tables.cells import spell
from tune_app.export.tables.model import Column, Group, Kind, Medium, Table

FIGURE_SPACE, POINT_SPACE = "\u2007", "\u2008"  # as wide as a digit, as a point; they stay where spaces are dropped
LETTERS = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"  # there is no q
_DECIMALS = re.compile(r"^(?P<whole>[-+−<]?[\d,]+)(?:\.(?P<decimals>\d+))?$")
_INTERVAL = re.compile(r"^\[(?P<low>[^,\s]+), (?P<high>[^,\s]+)\]$")
_ALIGNED = (Kind.NUMBER, Kind.ESTIMATE, Kind.SPREAD, Kind.PROBABILITY, Kind.INTERVAL, Kind.BOTH)


@dataclass(frozen=True)
class Cell:
    """`text` is as it stands, `pad` what follows it so that decimal points stand one below the other."""

    text: str
    pad: str = ""
    is_best: bool = False
    mark: str = ""  # of its footnotes


@dataclass(frozen=True)
class Block:
    """Rows of cells under a caption, which is empty where the table's own says it."""

    caption: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Layout:
    """What a rendering places: caption, columns, blocks of rows, and notes below.

    `settled` is the end of the caption: what all rows have in common.
    """

    caption: str
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    settled: str = ""


def lay_out(table: Table, medium: Medium) -> Layout:
    """The table for a medium."""
    columns, settled = _settle(table, table.select_columns(medium))
    marks, notes = _build_footnotes(table)
    several = len(table.groups) > 1
    spelled = [[[spell(row, column) for row in group.rows] for column in columns] for group in table.groups]
    spelled = _align_together(spelled, columns)
    blocks = tuple(
        Block(group.caption if several else "", _build_rows(group, columns, texts, marks))
        for group, texts in zip(table.groups, spelled, strict=True)
    )
    shown = {column.name for column in columns}
    notes = [*(note for name, note in table.explained if name in shown), *notes]
    caption = f"{table.caption}; {settled}" if settled else table.caption
    return Layout(caption, tuple(columns), blocks, (*table.notes, *notes), settled)


def _settle(table: Table, columns: Sequence[Column]) -> tuple[list[Column], str]:
    """The columns that tell rows apart, and in words what the others say of every row."""
    first, *others = columns
    if len(table.rows) < 2:
        return list(columns), ""
    kept, said = [first], []
    for column in others:
        texts = {spell(row, column) for row in table.rows} if column.settles else set()
        if len(texts) == 1:
            text = texts.pop()
            said.append(text if text.endswith(column.heading) else f"{column.heading} {text}")
        else:
            kept.append(column)
    return kept, f"in every row: {', '.join(said)}" if said else ""


def _build_footnotes(table: Table) -> tuple[dict[str, str], list[str]]:
    """By the key of a row the marks of its footnotes; and the notes: marked, or said of every row.

    Where letters do not suffice, a note names its rows.
    """
    count = len({row.key or str(row.values.get(table.columns[0].name)) for row in table.rows})
    marks: dict[str, str] = {}
    notes, letters = [], iter(LETTERS)
    for reason in table.reasons:
        if len(reason.rows) == count:
            notes.append(f"Every row: {reason.text}" if count > 1 else reason.text)
        elif (letter := next(letters, "")) and len(reason.rows):
            notes.append(f"{letter} {reason.text}")
            for key in reason.rows:
                marks[key] = marks.get(key, "") + letter
        else:
            notes.append(f"{'; '.join(reason.rows)}: {reason.text}")
    return marks, notes


def _build_rows(
    group: Group, columns: Sequence[Column], aligned: Sequence[Sequence[str]], marks: dict[str, str]
) -> tuple[tuple[Cell, ...], ...]:
    found = []
    for number, row in enumerate(group.rows):
        key = row.key or str(row.values.get(columns[0].name))
        cells = []
        for place, column in enumerate(columns):
            text = aligned[place][number]
            bare = text.rstrip(FIGURE_SPACE + POINT_SPACE)
            is_best = column.name in row.best and column.kind is not Kind.INTERVAL
            cells.append(Cell(bare, text[len(bare) :], is_best, "" if place else marks.get(key, "")))
        found.append(tuple(cells))
    return tuple(found)


def _align_together(spelled: list[list[list[str]]], columns: Sequence[Column]) -> list[list[list[str]]]:
    """Every column aligned over all groups, [group][column][row]."""
    found: list[list[list[str]]] = [[] for _ in spelled]
    for place, column in enumerate(columns):
        together = iter(_align([text for group in spelled for text in group[place]], column))
        for number, group in enumerate(spelled):
            found[number].append([next(together) for _ in group[place]])
    return found


def _align(texts: Sequence[str], column: Column) -> list[str]:
    """The texts, padded so that flush right their decimal points stand one below the other."""
    if column.kind not in _ALIGNED:
        return list(texts)
    if column.kind is Kind.INTERVAL:
        return _align_intervals(texts)
    if column.kind is not Kind.BOTH:
        return _pad(texts)
    numbers, _, intervals = zip(*(text.partition(" ") for text in texts), strict=True) if texts else ((), (), ())
    aligned = _align_intervals(intervals)
    blank = max((len(interval) for interval in aligned), default=0)
    pairs = zip(_pad(numbers), aligned, strict=True)
    return [f"{number} {interval}" if interval else number + FIGURE_SPACE * (blank + 1) for number, interval in pairs]


def _align_intervals(texts: Sequence[str]) -> list[str]:
    ends = [_INTERVAL.match(text) for text in texts]
    lows, highs = (_pad([end[name] for end in ends if end]) for name in ("low", "high"))
    widest = max(map(len, highs), default=0)
    joined = iter([_join(low, high, widest) for low, high in zip(lows, highs, strict=True)])
    return [next(joined) if end else text for text, end in zip(texts, ends, strict=True)]


def _join(low: str, high: str, widest: int) -> str:
    """`[0.97, 0.9923]`, its comma after the number and what aligns it after the comma."""
    bare, end = low.rstrip(FIGURE_SPACE + POINT_SPACE), high.rstrip(FIGURE_SPACE + POINT_SPACE)
    before = FIGURE_SPACE * (widest - len(high))
    return f"[{bare},{low[len(bare) :]} {before}{end}]{high[len(end) :]}"


def _pad(texts: Sequence[str]) -> list[str]:
    numbers = [_DECIMALS.match(text) for text in texts]
    most = max((len(number["decimals"] or "") for number in numbers if number), default=0)
    return [
        text + _spell_pad(len(n["decimals"] or ""), most) if n else text for text, n in zip(texts, numbers, strict=True)
    ]


def _spell_pad(decimals: int, most: int) -> str:
    return (POINT_SPACE if most and not decimals else "") + FIGURE_SPACE * (most - decimals)
