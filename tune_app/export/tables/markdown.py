"""Tables as Markdown."""

import re

import tabulate

from tune_app.export.rounding import MISSING
from tune_app.export.tables.layout import Block, Cell, lay_out
from tune_app.export.tables.model import Column, Medium, Table

_SPACES = re.compile(r"[^\S\u2007\u2008]+")  # those that align numbers stay


def render_markdown(table: Table) -> str:
    """A heading, what the numbers speak of, the groups each under its caption, and the notes as a list."""
    layout = lay_out(table, Medium.PAPER)
    parts = [f"## {escape_markdown(table.title)}"]
    about = layout.caption.removeprefix(table.title).lstrip(":; ")
    parts += [escape_markdown(text) for text in (about, table.scope) if text]
    for block in layout.blocks:
        parts += [f"### {escape_markdown(block.caption)}"] if block.caption else []
        parts.append(_render_block(block, layout.columns))
    if layout.notes:
        parts.append("\n".join(f"- {escape_markdown(note)}" for note in layout.notes))
    return "\n\n".join(parts)


def _render_block(block: Block, columns: tuple[Column, ...]) -> str:
    """The rows; a column that is empty in the block is left out, the first one never."""
    shown = [p for p in range(len(columns)) if not p or any(row[p].text not in ("", MISSING) for row in block.rows)]
    # Cells are text already: tabulate must not read 0.9830 as a number and drop its zero.
    return tabulate.tabulate(
        [[_render_cell(row[place]) for place in shown] for row in block.rows],
        headers=[escape_markdown(columns[place].title) for place in shown],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left" if columns[place].is_text else "right" for place in shown] if block.rows else None,
    )


def _render_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    return (f"**{text}**" if cell.is_best else text) + cell.mark + cell.pad


def escape_markdown(text: str) -> str:
    """One line, whatever a user wrote."""
    return _SPACES.sub(" ", text).strip(" ").replace("|", "\\|").replace("<", "&lt;")
