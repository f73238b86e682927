"""The tables for reading as LaTeX, with the rules of the package booktabs."""

import re

from tune_app.export.tables import TextTable

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
    """The text as LaTeX prints it, its minus signs in mathematics."""
    return "".join(_SPECIAL.get(character, character) for character in _MINUS.sub("−", text))


def build_latex(tables: list[TextTable], name: str) -> str:
    r"""One `table` environment each, to be read with \input; the preamble needs \usepackage{booktabs}."""
    parts = ["% Needs \\usepackage{booktabs}"]
    for number, table in enumerate(tables, start=1):
        columns = "l" * len(table.headings)
        lines = [
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{escape_latex(table.title)}}}",
            f"  \\label{{tab:{name}-{number}}}",
            f"  \\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            "    \\toprule",
            f"    {_row(list(table.headings))}",
            "    \\midrule",
            *(f"    {_row(cells)}" for cells in table.cells),
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}",
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _row(cells: list[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"
