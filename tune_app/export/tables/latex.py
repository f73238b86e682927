"""Tables as LaTeX for the text width of an article: with the rules of booktabs where the preamble has it."""

import re
from collections.abc import Iterator, Sequence

from tune_app.export.tables.latex_width import (
    GAP,
    TEXT_HEIGHT,
    TEXT_WIDTH,
    Fit,
    break_heading,
    count_lines,
    fit,
    measure_column,
)
from tune_app.export.tables.layout import FIGURE_SPACE, LETTERS, POINT_SPACE, Block, Cell, Layout, lay_out
from tune_app.export.tables.model import Medium, Table

LINE = 12.0  # points from line to line at 10 pt
TALLEST = TEXT_HEIGHT - 60  # of a float, which must leave room on its page
_PLAIN_RULES = (
    # What a table needs of booktabs, for a document without it.
    r"\providecommand{\toprule}{\hline}\providecommand{\midrule}{\hline}\providecommand{\bottomrule}{\hline}",
    r"\providecommand{\addlinespace}{\noalign{\vskip 4pt}}",
)
_PACKAGES = {"longtable": "longtable", "lscape": "landscape"}  # and the environment that each is for
_SUPERSCRIPTS = dict(zip(LETTERS, "abcdefghijklmnoprstuvwxyz", strict=True))
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\u00a0": "~",
    FIGURE_SPACE: r"\phantom{0}",
    POINT_SPACE: r"\phantom{.}",
    "–": "--",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "−": "$-$",
    **{letter: f"\\textsuperscript{{{plain}}}" for letter, plain in _SUPERSCRIPTS.items()},
    **{character: f"\\{character}" for character in "&%$#_"},
}
_MINUS = re.compile(r"(?<![\w)])-(?=\d)")  # a sign before a number, not a hyphen
_SPACES = re.compile(r"[^\S\u00a0\u2007\u2008]+")


def escape_latex(text: str) -> str:
    """The text in one line as LaTeX prints it, its minus signs in mathematics."""
    line = _SPACES.sub(" ", text).strip(" ")
    return "".join(_SPECIAL.get(character, character) for character in _MINUS.sub("−", line))


def render_latex(tables: Sequence[Table], name: str) -> str:
    r"""The tables with their notes, to be read with \input; the first line says which packages they need."""
    bodies = [text for number, table in enumerate(tables, start=1) for text in _render(table, f"tab:{name}-{number}")]
    whole = "\n\n".join(bodies)
    needed = [package for package, environment in _PACKAGES.items() if f"\\begin{{{environment}}}" in whole]
    packages = "".join(f"\\usepackage{{{each}}}" for each in needed)
    first = f"% Needs {packages or 'no package'}; \\usepackage{{booktabs}} makes its rules better."
    return "\n".join([first, *_PLAIN_RULES, "", whole]) + "\n"


def _render(table: Table, label: str) -> Iterator[str]:
    """The table, in several ones where it is too wide even for a turned page."""
    layout = lay_out(table, Medium.PRINT)
    parts = fit(layout)
    for number, part in enumerate(parts, start=1):
        caption = f"{layout.caption}. {table.scope}" if table.scope else layout.caption
        if number > 1:
            caption = f"{layout.caption}, continued with further columns"
        heading = f"\\caption{{{escape_latex(caption)}}}\\label{{{label}{f'-{number}' if number > 1 else ''}}}"
        notes = layout.notes if number == len(parts) else ()
        is_long = _measure_height(layout, part, caption, notes) > (TEXT_WIDTH if part.is_turned else TALLEST)
        lines = (_build_long if is_long or part.is_turned else _build_float)(layout, part, heading, notes)
        yield "\n".join(["\\begin{landscape}", *lines, "\\end{landscape}"] if part.is_turned else lines)


def _measure_height(layout: Layout, part: Fit, caption: str, notes: Sequence[str]) -> float:
    """About how high the table is (pt)."""
    rows = sum(len(block.rows) + (0.3 + bool(block.caption)) for block in layout.blocks)
    for block in layout.blocks:
        for row in block.rows:
            lines = [count_lines(row[p].text, width / part.scale) for p, width in part.wrapped.items()]
            rows += max(lines, default=1) - 1
    below = sum(count_lines(note, part.width / 0.85) for note in notes) * 9.5
    return (rows + 4) * LINE * part.scale + below + count_lines(caption, part.width) * LINE


def _build_float(layout: Layout, part: Fit, heading: str, notes: Sequence[str]) -> list[str]:
    return [
        "\\begin{table}",
        "  \\centering",
        f"  {heading}",
        f"  \\{part.size}\\setlength{{\\tabcolsep}}{{{GAP / 2:g}pt}}",
        f"  \\begin{{tabular}}{{{_specify(layout, part)}}}",
        "    \\toprule",
        *(f"    {line}" for line in _build_headings(layout, part)),
        "    \\midrule",
        *(f"    {line}" for line in _build_body(layout, part)),
        "    \\bottomrule",
        "  \\end{tabular}",
        *(["  \\par\\smallskip", *(f"  {line}" for line in _build_notes(notes))] if notes else []),
        "\\end{table}",
    ]


def _build_long(layout: Layout, part: Fit, heading: str, notes: Sequence[str]) -> list[str]:
    headings = _build_headings(layout, part)
    return [
        f"{{\\{part.size}\\setlength{{\\tabcolsep}}{{{GAP / 2:g}pt}}",
        f"\\begin{{longtable}}{{{_specify(layout, part)}}}",
        f"  {heading} \\\\",
        *("  \\toprule", *(f"  {line}" for line in headings), "  \\midrule", "  \\endfirsthead"),
        *("  \\toprule", *(f"  {line}" for line in headings), "  \\midrule", "  \\endhead"),
        *("  \\bottomrule", "  \\endlastfoot"),
        *(f"  {line}" for line in _build_body(layout, part)),
        "\\end{longtable}}",
        *_build_notes(notes),
    ]


def _build_notes(notes: Sequence[str]) -> list[str]:
    """Small paragraphs across the page."""
    if not notes:
        return []
    items = [f"  {escape_latex(note)}\\par" for note in notes]
    return (
        [
            "\\noindent\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright",
            *items,
            "\\end{minipage}",
        ]
        if len(notes) < 12
        else ["{\\footnotesize\\raggedright\\setlength{\\parindent}{0pt}", *items, "}"]
    )


def _build_body(layout: Layout, part: Fit) -> list[str]:
    """The rows, those of several groups each below a line with the group's caption."""
    lines = []
    for number, block in enumerate(layout.blocks):
        lines += ["\\addlinespace"] if number and block.caption else []
        lines += _build_block(block, part)
    return lines


def _build_block(block: Block, part: Fit) -> Iterator[str]:
    if block.caption:
        width = f"\\multicolumn{{{len(part.places)}}}{{@{{}}p{{{part.width - 2:.0f}pt}}@{{}}}}"
        yield f"{width}{{\\itshape {escape_latex(block.caption)}}} \\\\*"
    for row in block.rows:
        cells = [_render_cell(row[place]) for place in part.places]
        # Ragged lines are those of one cell; in the last one they would take the row's end for one of their own.
        ragged = [
            f"\\raggedright {cell}" if place in part.wrapped else cell
            for place, cell in zip(part.places, cells, strict=True)
        ]
        yield _build_line(ragged, " \\tabularnewline" if part.places[-1] in part.wrapped else " \\\\")


def _render_cell(cell: Cell) -> str:
    text = escape_latex(cell.text)
    return (f"\\textbf{{{text}}}" if cell.is_best else text) + escape_latex(cell.mark + cell.pad)


def _specify(layout: Layout, part: Fit) -> str:
    """Numbers flush right, words flush left, and words that do not fit in a line in a column that breaks them."""
    kinds = []
    for place in part.places:
        if place in part.wrapped:
            kinds.append(f"p{{{part.wrapped[place]:.1f}pt}}")
        else:
            kinds.append("l" if layout.columns[place].is_text else "r")
    return f"@{{}}{''.join(kinds)}@{{}}"


def _build_headings(layout: Layout, part: Fit) -> list[str]:
    """The headings in lines, which end together."""
    broken = [break_heading(layout.columns[place], measure_column(layout, place)) for place in part.places]
    most = max(map(len, broken))
    padded = [[""] * (most - len(lines)) + lines for lines in broken]
    return [_build_line([escape_latex(lines[number]) for lines in padded]) for number in range(most)]


def _build_line(cells: Sequence[str], end: str = r" \\") -> str:
    line = " & ".join(cells)
    # After the line break before it, a bracket or a star would be that command's argument.
    return ("{}" if line.startswith(("[", "*")) else "") + line + end
