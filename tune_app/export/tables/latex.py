"""Tables as LaTeX, with the rules of the package booktabs."""

import re
from collections.abc import Sequence

from tune_app.export.tables.cells import spell
from tune_app.export.tables.model import Column, Medium, Table

LONG = 30  # rows that fit on a page
WRAP_FROM = 40  # characters
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "−": "$-$",
    **{character: f"\\{character}" for character in "&%$#_"},
}
_MINUS = re.compile(r"(?<![\w)])-(?=\d)")  # a sign before a number, not a hyphen


def escape_latex(text: str) -> str:
    """The text in one line as LaTeX prints it, its minus signs in mathematics."""
    line = " ".join(text.split(None))
    return "".join(_SPECIAL.get(character, character) for character in _MINUS.sub("−", line))


def render_latex(tables: Sequence[Table], name: str) -> str:
    r"""The tables with their notes, to be read with \input; the preamble needs booktabs, for long ones longtable."""
    long = any(len(table.rows) > LONG for table in tables)
    parts = ["% Needs \\usepackage{booktabs}" + (" and \\usepackage{longtable}" if long else "")]
    for number, table in enumerate(tables, start=1):
        caption = f"{table.caption}. {table.scope}" if table.scope else table.caption
        heading = f"\\caption{{{escape_latex(caption)}}}", f"\\label{{tab:{name}-{number}}}"
        build = _build_long if len(table.rows) > LONG else _build_float
        parts.append("\n".join(build(table, heading)))
        if table.notes:
            items = [f"  \\item {escape_latex(note)}" for note in table.notes]
            parts.append("\n".join(["\\begin{itemize}", *items, "\\end{itemize}"]))
    return "\n\n".join(parts) + "\n"


def _build_float(table: Table, heading: tuple[str, str]) -> list[str]:
    columns = table.select_columns(Medium.PAPER)
    return [
        "\\begin{table}",
        "  \\centering",
        *(f"  {line}" for line in heading),
        f"  \\begin{{tabular}}{{{_specify(table, columns)}}}",
        "    \\toprule",
        f"    {_build_headings(columns)}",
        "    \\midrule",
        *(f"    {line}" for line in _build_body(table, columns)),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]


def _build_long(table: Table, heading: tuple[str, str]) -> list[str]:
    columns = table.select_columns(Medium.PAPER)
    headings = _build_headings(columns)
    return [
        f"\\begin{{longtable}}{{{_specify(table, columns)}}}",
        f"  {heading[0]}{heading[1]} \\\\",
        "  \\toprule",
        f"  {headings}",
        "  \\midrule",
        "  \\endfirsthead",
        "  \\toprule",
        f"  {headings}",
        "  \\midrule",
        "  \\endhead",
        "  \\bottomrule",
        "  \\endlastfoot",
        *(f"  {line}" for line in _build_body(table, columns)),
        "\\end{longtable}",
    ]


def _build_body(table: Table, columns: list[Column]) -> list[str]:
    """The rows, those of several groups each below a line with the group's caption."""
    lines = []
    for number, group in enumerate(table.groups):
        if number:
            lines.append(r"\addlinespace")
        if len(table.groups) > 1:
            width = f"\\multicolumn{{{len(columns)}}}{{@{{}}l@{{}}}}"
            lines.append(f"{width}{{\\textit{{{escape_latex(group.caption)}}}}} \\\\")
        lines += [_build_line([spell(row, column) for column in columns]) for row in group.rows]
    return lines


def _specify(table: Table, columns: list[Column]) -> str:
    """Numbers flush right, words flush left, and words that may be long in a column that breaks its lines."""
    kinds = []
    for column in columns:
        longest = max((len(spell(row, column)) for row in table.rows), default=0)
        kinds.append("r" if not column.is_text else "p{0.3\\linewidth}" if longest > WRAP_FROM else "l")
    return f"@{{}}{''.join(kinds)}@{{}}"


def _build_headings(columns: list[Column]) -> str:
    return _build_line([column.title for column in columns])


def _build_line(cells: Sequence[str]) -> str:
    line = " & ".join(map(escape_latex, cells))
    # After the line break before it, a bracket or a star would be that command's argument.
    return ("{}" if line.startswith(("[", "*")) else "") + line + r" \\"
