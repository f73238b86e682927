"""Tables for a rich console: the columns that fit, and a caption above each group."""

from rich.console import Group as Lines
from rich.console import JustifyMethod, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from tune_app.export.rounding import MISSING
from tune_app.export.tables.cells import spell
from tune_app.export.tables.model import Column, Group, Medium, Table

SILENT = ("", MISSING, "1")  # a column of nothing else, such as one replicate a row, is left out


def render_terminal(table: Table) -> list[RenderableType]:
    """A renderable for each group, its caption above its rows."""
    return [_render_group(group, _choose_columns(table, group)) for group in table.groups]


def _choose_columns(table: Table, group: Group) -> list[Column]:
    first, *others = table.select_columns(Medium.TERMINAL, group)
    return [first, *(column for column in others if any(spell(row, column) not in SILENT for row in group.rows))]


def _render_group(group: Group, columns: list[Column]) -> RenderableType:
    table = RichTable(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        # Words wrap; a number cut off or broken is no number.
        justify: JustifyMethod = "left" if column.is_text else "right"
        heading = column.heading.replace(" ", "\n")
        table.add_column(heading, no_wrap=not column.wraps, justify=justify, overflow="fold")
    for row in group.rows:
        table.add_row(*(Text(spell(row, column)) for column in columns))  # no markup: brackets are brackets
    return Lines(Text(group.caption, style="italic"), table) if group.caption else table
