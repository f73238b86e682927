"""Tables as HTML without style or script of its own: what a notebook shows for a result or a plan."""

from collections.abc import Iterable, Sequence
from html import escape

from tune_app.export.tables.layout import Block, Cell, lay_out
from tune_app.export.tables.model import Column, Medium, Table

LEFT = ' style="text-align: left"'  # words; notebooks set cells flush right


def render_notebook(table: Table) -> str:
    """The groups each under its caption, as on paper, and the notes as a list; everything is escaped."""
    layout = lay_out(table, Medium.PAPER)
    scope = [f"<p>{escape(table.scope)}</p>"] if table.scope else []
    blocks = [_render_block(block, layout.columns) for block in layout.blocks]
    return "\n".join([f"<h4>{escape(layout.caption)}</h4>", *scope, *blocks, build_html_list(layout.notes)])


def _render_block(block: Block, columns: Sequence[Column]) -> str:
    headings = [(column.title, column.is_text) for column in columns]
    return build_html_table(headings, ([_spell(cell) for cell in row] for row in block.rows), block.caption)


def _spell(cell: Cell) -> str:
    return f"{cell.text}{cell.mark}{cell.pad}"


def build_html_table(headings: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table of texts, escaped; a heading is (its text, whether the column is of words, set flush left)."""
    styles = [LEFT if is_text else "" for _, is_text in headings]
    head = "".join(f"<th{style}>{escape(text)}</th>" for (text, _), style in zip(headings, styles, strict=True))
    body = "\n".join(
        f"<tr>{''.join(f'<td{style}>{escape(cell)}</td>' for cell, style in zip(cells, styles, strict=True))}</tr>"
        for cells in rows
    )
    top = f"<caption{LEFT}>{escape(caption)}</caption>" if caption else ""
    return f"<table>{top}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def build_html_list(lines: Iterable[str]) -> str:
    """The lines as a list, escaped; nothing for none."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""
