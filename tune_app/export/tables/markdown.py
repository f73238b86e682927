"""Tables as Markdown."""

import tabulate

from tune_app.export.tables.cells import spell
from tune_app.export.tables.model import Column, Group, Medium, Table


def render_markdown(table: Table) -> str:
    """A heading, what the numbers speak of, the groups each under its caption, and the notes as a list."""
    several = len(table.groups) > 1
    parts = [f"## {escape_markdown(table.title)}"]
    parts += [escape_markdown(table.scope)] if table.scope else []
    for group in table.groups:
        if group.caption:
            parts.append(f"{'### ' if several else ''}{escape_markdown(group.caption)}")
        parts.append(_render_group(group, table.select_columns(Medium.PAPER, group)))
    if table.notes:
        parts.append("\n".join(f"- {escape_markdown(note)}" for note in table.notes))
    return "\n\n".join(parts)


def _render_group(group: Group, columns: list[Column]) -> str:
    cells = [[escape_markdown(spell(row, column)) for column in columns] for row in group.rows]
    # Cells are text already: tabulate must not read 0.9830 as a number and drop its zero.
    return tabulate.tabulate(
        cells,
        headers=[column.title for column in columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left" if column.is_text else "right" for column in columns] if cells else None,
    )


def escape_markdown(text: str) -> str:
    """One line, whatever a user wrote."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
