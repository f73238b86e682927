"""Tables for a rich console: the columns that fit, and a caption above each group."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.console import Group as Lines
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from tune_app.export.rounding import MISSING
from tune_app.export.tables.layout import FIGURE_SPACE, POINT_SPACE, Block, Cell, lay_out
from tune_app.export.tables.model import Column, Medium, Table

WORD = 12  # characters that a column of words keeps
WIDEST = 10_000  # no table is
SILENT = ("", MISSING, "1")  # a column of nothing else, such as one replicate a row, is left out


def render_terminal(table: Table) -> list[RenderableType]:
    """A renderable for each group, its caption above its rows; notes are elsewhere, and so rows bear no marks."""
    layout = lay_out(replace(table, reasons=()), Medium.TERMINAL)
    alone = len(layout.blocks) == 1
    caption = layout.caption.removeprefix(table.title).lstrip(":; ")
    above = [] if alone or not layout.settled else [Text(layout.settled.capitalize(), style="dim")]
    blocks = [_render_block(caption if alone else block.caption, block, layout.columns) for block in layout.blocks]
    return [*above, *blocks]


@dataclass(frozen=True)
class FittingTable:
    """A group's table with as many of its columns as the console is wide: no label and no number loses a part."""

    rows: Sequence[Sequence[Cell]]
    columns: Sequence[Column]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for shown in range(len(self.columns), 0, -1):
            table = _build_table(self.rows, self.columns[:shown])
            if Measurement.get(console, options.update(max_width=WIDEST), table).minimum <= options.max_width:
                break
        yield table
        if left := self.columns[shown:]:
            names = ", ".join(column.heading for column in left)
            yield Text(f"Too narrow for {names}: see table.md.", style="dim")


def _render_block(caption: str, block: Block, columns: Sequence[Column]) -> RenderableType:
    """The block without columns that say nothing in it."""
    rows = block.rows
    shown = [place for place in range(len(columns)) if not place or any(row[place].text not in SILENT for row in rows)]
    table = FittingTable([[row[place] for place in shown] for row in rows], [columns[place] for place in shown])
    return Lines(Text(caption, style="italic"), table) if caption else table


def _build_table(rows: Sequence[Sequence[Cell]], columns: Sequence[Column]) -> RichTable:
    table = RichTable(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        # Words wrap; a number cut off or broken is no number.
        justify: JustifyMethod = "left" if column.is_text else "right"
        heading = column.heading.replace(" ", "\n")
        words = [word for row in rows for word in row[place].text.split()] if column.wraps else []
        least = min(WORD, max(map(cell_len, words), default=0)) or None
        table.add_column(heading, no_wrap=not column.wraps, justify=justify, overflow="fold", min_width=least)
    for row in rows:
        table.add_row(*(_spell(cell) for cell, _ in zip(row, columns, strict=False)))
    return table


def _spell(cell: Cell) -> Text:
    """No markup: brackets are brackets."""
    plain = str.maketrans({FIGURE_SPACE: " ", POINT_SPACE: " "})
    return Text((cell.text + cell.pad).translate(plain), style="bold" if cell.is_best else "")
