"""The tables for reading as LaTeX, with the rules of the package booktabs."""

import re
from collections.abc import Sequence

from tune_app.export.tables import TextTable

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
    "±": r"$\pm$",
    "−": "$-$",
    **{character: f"\\{character}" for character in "&%$#_"},
}
_MINUS = re.compile(r"(?<![\w)])-(?=\d)")  # a sign before a number, not a hyphen


def escape_latex(text: str) -> str:
    """The text in one line as LaTeX prints it, its minus signs in mathematics."""
    line = " ".join(text.split(None))
    return "".join(_SPECIAL.get(character, character) for character in _MINUS.sub("−", line))


def build_latex(tables: list[TextTable], name: str) -> str:
    r"""The tables with their notes, to be read with \input; the preamble needs booktabs, for long ones longtable."""
    long = any(len(table.cells) > LONG for table in tables)
    parts = ["% Needs \\usepackage{booktabs}" + (" and \\usepackage{longtable}" if long else "")]
    for number, table in enumerate(tables, start=1):
        heading = f"\\caption{{{escape_latex(table.title)}}}", f"\\label{{tab:{name}-{number}}}"
        build = _build_long if len(table.cells) > LONG else _build_float
        parts.append("\n".join(build(table, heading)))
        if table.notes:
            items = [f"  \\item {escape_latex(note)}" for note in table.notes]
            parts.append("\n".join(["\\begin{itemize}", *items, "\\end{itemize}"]))
    return "\n\n".join(parts) + "\n"


def _build_float(table: TextTable, heading: tuple[str, str]) -> list[str]:
    return [
        "\\begin{table}",
        "  \\centering",
        *(f"  {line}" for line in heading),
        f"  \\begin{{tabular}}{{{_columns(table)}}}",
        "    \\toprule",
        f"    {_row(table.headings)}",
        "    \\midrule",
        *(f"    {_row(cells)}" for cells in table.cells),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]


def _build_long(table: TextTable, heading: tuple[str, str]) -> list[str]:
    return [
        f"\\begin{{longtable}}{{{_columns(table)}}}",
        f"  {heading[0]}{heading[1]} \\\\",
        "  \\toprule",
        f"  {_row(table.headings)}",
        "  \\midrule",
        "  \\endfirsthead",
        "  \\toprule",
        f"  {_row(table.headings)}",
        "  \\midrule",
        "  \\endhead",
        "  \\bottomrule",
        "  \\endlastfoot",
        *(f"  {_row(cells)}" for cells in table.cells),
        "\\end{longtable}",
    ]


def _columns(table: TextTable) -> str:
    """Numbers flush right, words flush left, and words that may be long in a column that breaks its lines."""
    kinds = []
    for place, heading in enumerate(table.headings):
        longest = max((len(cells[place]) for cells in table.cells), default=0)
        text = table.is_text(heading)
        kinds.append("r" if not text else "p{0.3\\linewidth}" if longest > WRAP_FROM else "l")
    return f"@{{}}{''.join(kinds)}@{{}}"


def _row(cells: Sequence[str]) -> str:
    line = " & ".join(map(escape_latex, cells))
    # After the line break before it, a bracket or a star would be that command's argument.
    return ("{}" if line.startswith(("[", "*")) else "") + line + r" \\"
