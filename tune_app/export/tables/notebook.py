"""Tables as HTML without style or script of its own: what a notebook shows for a result or a plan."""

from collections.abc import Iterable, Sequence
from html import escape

from tune_app.export.tables.cells import spell
from tune_app.export.tables.model import Group, Medium, Table

LEFT = ' style="text-align: left"'  # words; notebooks set cells flush right


def render_notebook(table: Table) -> str:
    """The groups each under its caption, as on paper, and the notes as a list; everything is escaped."""
    scope = [f"<p>{escape(table.scope)}</p>"] if table.scope else []
    parts = [f"<h4>{escape(table.title)}</h4>", *scope, *(_render_group(table, group) for group in table.groups)]
    return "\n".join([*parts, build_html_list(table.notes)])


def _render_group(table: Table, group: Group) -> str:
    columns = table.select_columns(Medium.PAPER, group)
    headings = [(column.title, column.is_text) for column in columns]
    return build_html_table(headings, ([spell(row, column) for column in columns] for row in group.rows), group.caption)


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
