"""Tables for a rich console: the columns that fit, and a caption above each group."""

from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.console import Group as Lines
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from tune_app.export.rounding import MISSING
from tune_app.export.tables.cells import spell
from tune_app.export.tables.model import Column, Group, Medium, Table

WORD = 12  # characters that a column of words keeps
WIDEST = 10_000  # no table is
SILENT = ("", MISSING, "1")  # a column of nothing else, such as one replicate a row, is left out


def render_terminal(table: Table) -> list[RenderableType]:
    """A renderable for each group, its caption above its rows."""
    return [_render_group(group, _choose_columns(table, group)) for group in table.groups]


def _choose_columns(table: Table, group: Group) -> list[Column]:
    first, *others = table.select_columns(Medium.TERMINAL, group)
    return [first, *(column for column in others if any(spell(row, column) not in SILENT for row in group.rows))]


@dataclass(frozen=True)
class FittingTable:
    """A group's table with as many of its columns as the console is wide: no label and no number loses a part."""

    group: Group
    columns: list[Column]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for shown in range(len(self.columns), 0, -1):
            table = _build_table(self.group, self.columns[:shown])
            if Measurement.get(console, options.update(max_width=WIDEST), table).minimum <= options.max_width:
                break
        yield table
        if left := self.columns[shown:]:
            names = ", ".join(column.heading for column in left)
            yield Text(f"Too narrow for {names}: see table.md.", style="dim")


def _render_group(group: Group, columns: list[Column]) -> RenderableType:
    table = FittingTable(group, columns)
    return Lines(Text(group.caption, style="italic"), table) if group.caption else table


def _build_table(group: Group, columns: list[Column]) -> RichTable:
    table = RichTable(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        # Words wrap; a number cut off or broken is no number.
        justify: JustifyMethod = "left" if column.is_text else "right"
        heading = column.heading.replace(" ", "\n")
        words = [word for row in group.rows for word in spell(row, column).split()] if column.wraps else []
        least = min(WORD, max(map(cell_len, words), default=0)) or None
        table.add_column(heading, no_wrap=not column.wraps, justify=justify, overflow="fold", min_width=least)
    for row in group.rows:
        table.add_row(*(Text(spell(row, column)) for column in columns))  # no markup: brackets are brackets
    return table
