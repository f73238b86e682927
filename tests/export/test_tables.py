"""One layout of a table, four renderings: the same cells, captions and notes in all of them."""

import html
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
from rich.console import Console

from tests.builders import build_results, build_study
from tune_app.export.frames import build_frames
from tune_app.export.page import build as page_module
from tune_app.export.page.verdicts import build_verdicts
from tune_app.export.tables import layout
from tune_app.export.tables.cells import find_sort_key, spell
from tune_app.export.tables.document import StudyTables, build_tables
from tune_app.export.tables.latex import render_latex
from tune_app.export.tables.markdown import render_markdown
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Part, Range, Row, Shares, Table
from tune_app.export.tables.notes import share_reasons
from tune_app.export.tables.page import render_page
from tune_app.export.tables.terminal import render_terminal
from tune_app.records.results import Results, read_results

ROOT = Path(__file__).parents[2]


TABLE = Table(
    "sample",
    "A sample",
    (
        Column("row", "row", wraps=True),
        Column("fits", "fits", Kind.PART),
        Column("images", "images", Kind.COUNT),
        Column("accuracy", "accuracy", Kind.ESTIMATE),
        Column("accuracy", "95% interval", Kind.INTERVAL, bounds=(0, 1)),
        Column("effect", "effect", Kind.ESTIMATE, signed=True),
        Column("p", "p", Kind.P_VALUE),
        Column("share", "share", Kind.SHARE),
        Column("range", "range", Kind.RANGE),
        Column("seconds", "took", Kind.NUMBER, unit="s", decimals=1),
        Column("parts", "seeds / images / both", Kind.SHARES),
        Column("none", "none", Kind.NUMBER),
    ),
    (
        Group(
            "4 folds",
            (
                Row(
                    {
                        "row": "CNN_a",
                        "fits": Part(3, 4),
                        "images": 60000,
                        "accuracy": Estimate(0.9, 0.75, 1.05),
                        "effect": Estimate(-0.012345, -0.0223, -0.0023),
                        "p": 0.0002,
                        "share": 0.126,
                        "range": Range(0.5, 0.4, 0.6),
                        "seconds": 12.34,
                        "parts": Shares(0.256, 0.64, 0.104),
                    },
                    target="trial-a",
                ),
            ),
        ),
        Group("10 folds", (Row({"row": "vgg", "fits": Part(10, 10), "accuracy": Estimate(0.98765), "p": None}),)),
    ),
    ("A note about 50% of it.",),
    "The numbers speak of <new> images.",
)


FIRST = [
    *("CNN_a", "3/4", "60,000", "0.90", "[0.75, 1.00]", "-0.012", "<0.001", "13%", "0.5000 (0.4000 to 0.6000)", "12.3"),
    "26% / 64% / 10%",
]


SECOND = ["vgg", "10/10", "–", "0.9877", "–", "–", "–", "–", "–", "–", "–"]


def read_page(table: Table) -> tuple[list[list[str]], list[str]]:
    """The cells and the captions of groups of a table in the page's HTML."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(page_module.__file__).parent), autoescape=True)
    text = environment.from_string("{% from 'table.html' import table %}{{ table(content) }}").render(
        content=render_page(table)
    )
    rows = [re.findall(r"<t[hd][^>]*data-sort[^>]*>(.*?)</t[hd]>", row) for row in text.split("<tr")]
    cells = [[tidy(html.unescape(re.sub(r"<.*?>", "", cell))) for cell in row] for row in rows if row]
    return cells, [html.unescape(caption) for caption in re.findall(r'<th scope="rowgroup"[^>]*>(.*?)</th>', text)]


def read_latex(table: Table) -> list[list[str]]:
    """The cells of the rows in the LaTeX, as they print."""
    lines = [re.sub(r" \\\\$| \\tabularnewline$", "", line.strip()) for line in render_latex([table], "x").splitlines()]
    start = max(place for place, line in enumerate(lines) if line in ("\\midrule", "\\endlastfoot"))
    rows = [line.removeprefix("{}").split(" & ") for line in lines[start + 1 :] if " & " in line]
    plain = {
        r"\raggedright ": "",
        r"\phantom{0}": "",
        r"\phantom{.}": "",
        r"\_": "_",
        r"\%": "%",
        "$-$": "-",
        r"\textless{}": "<",
        "--": "–",
        r"$\rightarrow$": "→",
    }
    texts = [[re.sub(r"\\textsuperscript\{.\}|\\textbf\{(.*)\}", r"\1", cell) for cell in row] for row in rows]
    return [[re.sub("|".join(map(re.escape, plain)), lambda m: plain[m[0]], cell) for cell in row] for row in texts]


def tidy(cell: str) -> str:
    """The cell without what aligns it, and without marks."""
    return re.sub(f"[{layout.FIGURE_SPACE}{layout.POINT_SPACE}{layout.LETTERS}]|\\*\\*", "", cell)


def read_markdown(table: Table) -> list[list[str]]:
    lines = [line for line in render_markdown(table).splitlines() if line.startswith("|")]
    rows = [[tidy(html.unescape(cell.strip())) for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in rows if row[0] not in ("row", "no.", "defect") and not set(row[0]) <= set(":-|")]


def print_table(table: Table, width: int = 250) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(*render_terminal(table))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_one_layout_gives_the_same_cells_in_all_four_renderings() -> None:
    assert [column.heading for column in TABLE.select_columns(Medium.PAPER)][-1] == "seeds / images / both", (
        "an empty column is left out"
    )
    assert [[spell(row, column) for column in TABLE.columns[:-1]] for row in TABLE.rows] == [FIRST, SECOND]
    assert read_latex(TABLE) == [FIRST, SECOND]
    assert [[cell.replace("−", "-") for cell in row] for row in read_page(TABLE)[0]] == [FIRST, SECOND]
    assert read_markdown(TABLE) == [FIRST, ["vgg", "10/10", "0.9877"]], "of this group alone, so without empty columns"
    printed = print_table(TABLE)
    assert " ".join(FIRST) in re.sub(" +", " ", printed)
    assert "vgg 10/10 0.9877" in re.sub(" +", " ", printed)


def test_captions_of_groups_notes_and_units_are_in_every_rendering() -> None:
    markdown, latex, printed = render_markdown(TABLE), render_latex([TABLE], "x"), print_table(TABLE)
    for caption in ("4 folds", "10 folds"):
        assert f"### {caption}" in markdown
        assert f"{{\\itshape {caption}}} \\\\*" in latex
        assert caption in printed
    assert read_page(TABLE)[1] == ["4 folds", "10 folds"]
    assert "A note about 50% of it." in markdown
    assert r"A note about 50\% of it." in latex
    assert "A note about 50% of it." in render_page(TABLE).notes
    assert "took (s)" in markdown
    assert re.search(r" took &.*\n.* \(s\) &", latex), "a narrow column's unit has a line of its own"
    alone = replace(TABLE, groups=TABLE.groups[:1])
    assert r"\caption{A sample: 4 folds. The numbers speak of \textless{}new\textgreater{} images.}" in render_latex(
        [alone], "x"
    )
    assert r"\caption{A sample: 4 folds}" in render_latex([replace(alone, scope="")], "x")
    assert render_page(alone).caption == "A sample: 4 folds"
    assert "### " not in render_markdown(alone)


def test_cells_sort_by_their_values_and_missing_ones_by_nothing() -> None:
    keys = [find_sort_key(TABLE.rows[0], column) for column in TABLE.columns]
    assert keys == ["CNN_a", 3.0, 60000.0, 0.9, 0.75, -0.012345, 0.0002, 0.126, 0.5, 12.34, 0.256, None]
    (_, rows), *_ = render_page(TABLE).groups
    assert (rows[0][0].href, rows[0][1].href) == ("#trial-a", "")


def test_a_narrow_terminal_breaks_words_and_never_numbers() -> None:
    first = Row({**TABLE.rows[0].values, "row": "CNN_a, many-words " * 3})
    printed = print_table(replace(TABLE, columns=TABLE.columns[:5], groups=(Group("", (first,)),)), 50)
    assert "…" not in printed
    assert "3/4 60,000     0.90 [0.75, 1.00]" in printed


@pytest.mark.parametrize("name", ["quick", "report", pytest.param("audit", marks=pytest.mark.slow)])
def test_every_table_of_the_committed_results_has_equal_cells_on_paper_and_page(name: str) -> None:
    tables = tables_of(read_results(ROOT / "results" / name))
    for table in tables.on_paper:
        assert read_latex(table) == spell_all(table, Medium.PRINT)
        on_page, _ = read_page(table)
        assert [[cell.replace("−", "-") for cell in row] for row in on_page] == spell_all(table, Medium.SCREEN)
        found = {cell for row in read_markdown(table) for cell in row}
        assert found <= {cell for row in spell_all(table, Medium.PAPER) for cell in row}


def spell_all(table: Table, medium: Medium) -> list[list[str]]:
    columns = layout.lay_out(table, medium).columns
    return [[" ".join(spell(row, column).split()) for column in columns] for row in table.rows]


def tables_of(results: Results) -> StudyTables:
    return build_tables(results, build_frames(results))


def results_of(**changes: Any) -> Results:
    claims = [
        {"sentence": sentence, "levels": {"folds": 4}, "against": {"folds": 3}, "expect": "higher"}
        for sentence in ("More folds help.", "More folds help much.")
    ]
    grid = [{"model": "cnn", "width": 1, "regularizer": ["none", "dropout", "batchnorm"], "folds": [3, 4]}]
    content = {"grid": grid, "claims": claims, "baseline": {"regularizer": "none", "folds": 3}} | changes
    source = np.random.default_rng(0)
    return build_results(build_study(**content), lambda spec, fold: float(0.9 + 0.02 * source.random()))


def test_a_reason_that_several_rows_share_is_said_once_everywhere() -> None:
    results = results_of()
    reason = "reaches across the edge of the effects claimed, above 0.001."
    assert results.study.claims[0].sentence == "More folds help."
    tables = tables_of(results)
    assert tables.claims is not None
    note = tables.claims.notes[-1]
    assert note.startswith("Claims 1 and 2: the 97.5% interval")
    for text in (render_markdown(tables.claims), render_latex([tables.claims], "x")):
        assert text.count(reason) == 1
    verdicts = build_verdicts(results.study, build_frames(results)["claims"])
    assert [verdict.reason for verdict in verdicts.rows] == ["", ""]
    assert verdicts.notes == (note.replace("Claims 1 and 2", "Every claim"),)


def test_clauses_are_shared_one_by_one_and_those_in_a_column_are_left_out() -> None:
    contrasts = next(
        table for (table, *_) in tables_of(results_of()).other_contrasts if "validation_accuracy" in table.name
    )
    (few, *_) = (reason for reason in contrasts.reasons if "too few" in reason.text)
    assert few.rows == ("dropout, 3 folds", "batchnorm, 3 folds")
    assert few.text.startswith("3 pairs of held-out folds are too few for a p-value")
    assert "detectable" in [column.heading for column in contrasts.columns]
    assert not any("four times in five" in reason.text for reason in contrasts.reasons)


@pytest.mark.parametrize(
    ("reasons", "notes"),
    [
        ([("a", "x; y 1."), ("b", "x; y 2.")], [(("a", "b"), "x."), (("a",), "y 1."), (("b",), "y 2.")]),
        ([("a", "x; y. Z."), ("b", "x; y. Z.")], [(("a", "b"), "x; y. Z.")]),
        ([("a", "a has 1; try."), ("b", "b has 1; try.")], [(("a", "b"), "it has 1; try.")]),
        ([("a", ""), ("b", "0.5 of 1.5 is left.")], [(("b",), "0.5 of 1.5 is left.")]),
    ],
)
def test_reasons_are_split_at_the_ends_of_clauses(reasons: Any, notes: Any) -> None:
    assert [(reason.rows, reason.text) for reason in share_reasons(reasons)] == notes


def test_contrasts_with_one_baseline_a_group_name_it_in_the_caption() -> None:
    grid = [{"model": "cnn", "regularizer": ["none", "dropout", "batchnorm"], "folds": 3}]
    table = tables_of(results_of(grid=grid, claims=[])).contrasts[0]
    (group,) = table.groups
    assert group.caption == "cnn, sound protocol, 3 folds, batches of 20; compared with no regularizer"
    assert [row.values["row"] for row in group.rows] == ["dropout", "batchnorm"]
    assert "baseline" not in [column.name for column in table.columns]


def test_a_narrow_terminal_shows_whole_labels_and_whole_numbers_and_says_what_it_lacks() -> None:
    printed = print_table(TABLE, width=30)
    rows = [line for line in printed.splitlines() if line.startswith(FIRST[0])]
    assert rows, printed
    assert max(map(len, printed.splitlines())) <= 30
    assert "Too narrow for " in printed
