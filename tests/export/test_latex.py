"""LaTeX that fits: every shipped study's tables compiled for an article's text width, where there is a TeX."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tune_app.export.frames import build_frames
from tune_app.export.tables.document import build_tables
from tune_app.export.tables.latex import render_latex
from tune_app.export.tables.latex_width import TEXT_WIDTH, fit
from tune_app.export.tables.layout import lay_out
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Reason, Row, Table, Value
from tune_app.records.results import read_results

ROOT = Path(__file__).parents[2]
DOCUMENT = r"""\documentclass{article}
\usepackage[a4paper]{geometry}
\geometry{textwidth=345pt,textheight=598pt}
%s
\begin{document}
\input{table.tex}
\end{document}
"""
ESTIMATE = Estimate(0.97531, 0.97012, 0.98021)


def build_table(columns: int, label: str = "CNN, 4 folds", rows: int = 3) -> Table:
    """A table of so many intervals."""
    named = [Column(f"n{number}", f"interval {number}", Kind.BOTH) for number in range(columns)]
    values: dict[str, Value] = dict.fromkeys([column.name for column in named], ESTIMATE)
    group = Group("", tuple(Row(values | {"row": f"{label}, {number}"}) for number in range(rows)))
    return Table("wide", "Many columns", (Column("row", "row", wraps=True), *named), (group,))


def compile_latex(folder: Path, text: str) -> str:
    """The log of three runs, with booktabs where the installation has it; skipped without a TeX."""
    if not shutil.which("pdflatex"):
        pytest.skip("there is no pdflatex here; Debian has it in texlive-latex-base")
    found = subprocess.run(["kpsewhich", "booktabs.sty"], check=False, capture_output=True)
    named = re.findall(r"\\usepackage\{(?:longtable|lscape)\}", text.splitlines()[0])
    packages = "\n".join([*([r"\usepackage{booktabs}"] if found.returncode == 0 else []), *named])
    (folder / "table.tex").write_text(text)
    (folder / "document.tex").write_text(DOCUMENT % packages)
    for _ in range(3):  # a long table finds its widths by and by
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
        run = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, errors="replace")
        assert run.returncode == 0, run.stdout[-2000:]
    return (folder / "document.log").read_text(errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quick", "report", "audit", "replicas"])
def test_the_tables_of_a_shipped_study_fit_the_text_width(tmp_path: Path, name: str) -> None:
    results = read_results(ROOT / "results" / name)
    log = compile_latex(tmp_path, render_latex(build_tables(results, build_frames(results)).on_paper, name))
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(too_wide, default=0) < 3, log
    assert "Float too large" not in log
    assert "Missing character" not in log


@pytest.mark.slow
def test_tables_of_any_width_and_length_fit(tmp_path: Path) -> None:
    shapes = [(1, 3), (4, 3), (9, 3), (2, 200)]
    long = "a label with many words that has to be broken into lines " * 3
    tables = [build_table(columns, label, rows) for columns, rows in shapes for label in ("CNN", long)]
    log = compile_latex(tmp_path, render_latex(tables, "wide"))
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(too_wide, default=0) < 3, log


def test_a_table_that_is_too_wide_is_set_smaller_then_turned_then_split() -> None:
    sizes = {count: fit(lay_out(build_table(count), Medium.PRINT)) for count in (1, 2, 4, 9)}
    assert [(part.size, part.is_turned) for part in sizes[1]] == [("normalsize", False)]
    assert [part.is_turned for part in sizes[4]] == [True]
    assert len(sizes[9]) > 1
    assert all(part.places[0] == 0 for part in sizes[9]), "each part has the rows' names"
    assert sorted(place for part in sizes[9] for place in part.places[1:]) == list(range(1, 10))
    (broken,) = fit(lay_out(build_table(2, "many words " * 20), Medium.PRINT))
    assert set(broken.wrapped) == {0}
    assert broken.wrapped[0] < TEXT_WIDTH


def test_a_row_and_its_footnote_have_the_same_mark() -> None:
    table = build_table(1)
    first, second, third = (str(row.values["row"]) for row in table.rows)
    reasons = (Reason((first,), "one."), Reason((first, second), "two."), Reason((first, second, third), "all."))
    text = render_latex([Table(**{**vars(table), "reasons": reasons})], "x")
    assert f"{first}\\textsuperscript{{a}}\\textsuperscript{{b}} &" in text
    assert f"{second}\\textsuperscript{{b}} &" in text
    assert f"{third} &" in text
    assert r"\textsuperscript{a} one.\par" in text
    assert r"Every row: all.\par" in text
