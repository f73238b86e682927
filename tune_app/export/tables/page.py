"""Tables for the page's template: every cell has its text and what it sorts by."""

from collections.abc import Sequence
from dataclasses import dataclass

from tune_app.export.tables.cells import find_sort_key
from tune_app.export.tables.layout import Cell, lay_out
from tune_app.export.tables.model import Column, Medium, Row, Shares, Table, Value


@dataclass(frozen=True)
class PageCell:
    """`sort` is empty where there is nothing to sort by; `href` leads to a section of the page.

    `text` ends with what aligns decimal points, `mark` is that of footnotes, `is_best` asks for weight. `parts` are
    those of a bar beside the text, each with its start and its width in percent.
    """

    text: str
    sort: str
    href: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    mark: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class PageTable:
    """What the template's macro places: columns, and per group a caption (or none) and rows of cells."""

    id: str
    title: str
    caption: str
    scope: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[tuple[PageCell, ...], ...]], ...]
    notes: tuple[str, ...]


def render_page(table: Table) -> PageTable:
    """The table with all its columns; a single group's caption is part of the table's."""
    layout = lay_out(table, Medium.SCREEN)
    groups = tuple(
        (
            block.caption,
            tuple(_build_cells(row, cells, layout.columns) for row, cells in zip(group.rows, block.rows, strict=True)),
        )
        for group, block in zip(table.groups, layout.blocks, strict=True)
    )
    return PageTable(table.name, table.title, layout.caption, table.scope, layout.columns, groups, layout.notes)


def _build_cells(row: Row, cells: Sequence[Cell], columns: Sequence[Column]) -> tuple[PageCell, ...]:
    keys = [find_sort_key(row, column) for column in columns]
    sorts = ["" if key is None else key if isinstance(key, str) else f"{float(key):.7g}" for key in keys]
    texts = [
        cell.text if column.is_text else cell.text.replace("-", "−") + cell.pad
        for cell, column in zip(cells, columns, strict=True)
    ]
    hrefs = [f"#{row.target}" if row.target else "", *[""] * (len(columns) - 1)]
    parts = [_build_parts(row.values.get(column.name)) for column in columns]
    marks, best = [cell.mark for cell in cells], [cell.is_best for cell in cells]
    return tuple(map(PageCell, texts, sorts, hrefs, parts, marks, best))


def _build_parts(value: Value) -> tuple[tuple[str, str], ...]:
    """The parts of a bar that shows shares; none for any other value."""
    if not isinstance(value, Shares):
        return ()
    shares = (value.seeds, value.images, value.interaction)
    starts = (sum(shares[:place]) for place in range(len(shares)))
    return tuple((f"{100 * start:.4g}", f"{100 * share:.4g}") for start, share in zip(starts, shares, strict=True))
