"""Tables for the page's template: every cell has its text and what it sorts by."""

from dataclasses import dataclass

from tune_app.export.tables.cells import find_sort_key, spell
from tune_app.export.tables.model import Column, Medium, Row, Shares, Table, Value


@dataclass(frozen=True)
class PageCell:
    """`sort` is empty where there is nothing to sort by; `href` leads to a section of the page.

    `parts` are those of a bar beside the text, each with its start and its width in percent.
    """

    text: str
    sort: str
    href: str = ""
    parts: tuple[tuple[str, str], ...] = ()


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
    columns = table.select_columns(Medium.SCREEN)
    several = len(table.groups) > 1
    groups = tuple(
        (group.caption if several else "", tuple(_build_cells(row, columns) for row in group.rows))
        for group in table.groups
    )
    return PageTable(table.name, table.title, table.caption, table.scope, tuple(columns), groups, table.notes)


def _build_cells(row: Row, columns: list[Column]) -> tuple[PageCell, ...]:
    keys = [find_sort_key(row, column) for column in columns]
    sorts = ["" if key is None else key if isinstance(key, str) else f"{float(key):.7g}" for key in keys]
    texts = [spell(row, column) for column in columns]
    texts = [text if column.is_text else text.replace("-", "−") for text, column in zip(texts, columns, strict=True)]
    hrefs = [f"#{row.target}" if row.target else "", *[""] * (len(columns) - 1)]
    parts = [_build_parts(row.values.get(column.name)) for column in columns]
    return tuple(map(PageCell, texts, sorts, hrefs, parts))


def _build_parts(value: Value) -> tuple[tuple[str, str], ...]:
    """The parts of a bar that shows shares; none for any other value."""
    if not isinstance(value, Shares):
        return ()
    shares = (value.seeds, value.images, value.interaction)
    starts = (sum(shares[:place]) for place in range(len(shares)))
    return tuple((f"{100 * start:.4g}", f"{100 * share:.4g}") for start, share in zip(starts, shares, strict=True))
