"""Tables for a rich console: the columns that fit, and a caption above each group."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.console import Group as Lines
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from tune_app.export.rounding import MISSING
from tune_app.export.tables.layout import FIGURE_SPACE, POINT_SPACE, Block, Cell, Layout, lay_out
from tune_app.export.tables.model import Column, Medium, Table

_PLAIN = str.maketrans({FIGURE_SPACE: " ", POINT_SPACE: " "})
WORD = 12  # characters that a column of words keeps
WIDEST = 10_000  # no table is
SILENT = ("", MISSING, "1")  # a column of nothing else, such as one replicate a row, is left out


def render_titled(table: Table) -> list[RenderableType]:
    """The table below its title, above what its numbers speak of and its notes."""
    layout = lay_out(table, Medium.TERMINAL)
    said = [Text(sentence) for sentence in (table.scope, *layout.notes) if sentence]
    return [Text(f"\n{table.title}", style="bold"), *_render(table, layout), *said]


def render_terminal(table: Table) -> list[RenderableType]:
    """A renderable for each group, its caption above its rows; notes are elsewhere, and so rows bear no marks."""
    return _render(table, lay_out(replace(table, reasons=()), Medium.TERMINAL))


def _render(table: Table, layout: Layout) -> list[RenderableType]:
    alone = len(layout.blocks) == 1
    caption = layout.caption.removeprefix(table.title).lstrip(":; ")
    above = [] if alone or not layout.settled else [Text(layout.settled.capitalize(), style="dim")]
    captions = [caption if alone else block.caption for block in layout.blocks]
    pairs = zip(captions, layout.blocks, strict=True)
    blocks = [_render_block(said, block, layout.columns, table.file) for said, block in pairs]
    return [*above, *blocks]


@dataclass(frozen=True)
class FittingTable:
    """A group's table with as many of its columns as the console is wide: no label and no number loses a part."""

    rows: Sequence[Sequence[Cell]]
    columns: Sequence[Column]
    file: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for shown in range(len(self.columns), 0, -1):
            table = _build_table(self.rows, self.columns[:shown])
            if Measurement.get(console, options.update(max_width=WIDEST), table).minimum <= options.max_width:
                break
        yield table
        if left := self.columns[shown:]:
            names = ", ".join(column.heading for column in left)
            yield Text(f"Too narrow for {names}: see {self.file}.", style="dim")


def _render_block(caption: str, block: Block, columns: Sequence[Column], file: str) -> RenderableType:
    """The block without columns that say nothing in it."""
    rows = block.rows
    shown = [place for place in range(len(columns)) if not place or any(row[place].text not in SILENT for row in rows)]
    table = FittingTable([[row[place] for place in shown] for row in rows], [columns[place] for place in shown], file)
    return Lines(Text(caption, style="italic"), table) if caption else table


def _build_table(rows: Sequence[Sequence[Cell]], columns: Sequence[Column]) -> RichTable:
    table = RichTable(box=None, padding=(0, 1, 0, 0), header_style="bold")
    texts = []
    for place, column in enumerate(columns):
        heading, cells = column.heading.split(" "), [row[place] for row in rows]
        spelled = [f"{cell.text}{cell.mark}{cell.pad}".translate(_PLAIN) for cell in cells]
        if not column.is_text:  # flush right by hand: what aligns decimal points ends in spaces, which rich would drop
            widest = max(map(cell_len, [*heading, *spelled]))
            heading, spelled = ([text.rjust(widest) for text in each] for each in (heading, spelled))
        # Words wrap; a number cut off or broken is no number.
        words = [word for text in spelled for word in text.split()] if column.wraps else []
        least = min(WORD, max(map(cell_len, words), default=0)) or None
        least = least if column.is_text else widest
        table.add_column("\n".join(heading), no_wrap=not column.wraps, overflow="fold", min_width=least)
        # No markup: brackets are brackets.
        texts.append([Text(t, style="bold" if cell.is_best else "") for t, cell in zip(spelled, cells, strict=True)])
    for row in zip(*texts, strict=True):
        table.add_row(*row)
    return table
