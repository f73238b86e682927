"""Two-way tables: asked for in a study or by an option, refused with what is allowed, each condition in its place."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.builders import EFFECT_GRID, build_effect_results, build_study, problems_of
from tests.over_sets import build_over_sets
from tune_app.analysis.conditions import build_condition_scores
from tune_app.errors import StudyError
from tune_app.export.folder import write_results
from tune_app.export.tables.document import build_pivots
from tune_app.export.tables.model import Estimate, Table
from tune_app.export.tables.pivot import name_pivots
from tune_app.records.results import Results
from tune_app.study.file import build_yaml
from tune_app.study.schema import TableChoice
from tune_app.study.tables import build_override, find_tables, parse_table

BY_FOLDS = TableChoice(rows="regularizer", columns="folds")


def build_pivot(results: Results, **choice: Any) -> Table:
    (table,) = build_pivots(results, build_condition_scores(results), [TableChoice(**choice)])
    return table


def read_cells(table: Table) -> dict[tuple[str, str, str], float | None]:
    """(caption of the group, row, heading) → mean; cells without a condition are left out."""
    found = {}
    for group in table.groups:
        for row in group.rows:
            for column in table.columns[1:]:
                value = row.values[column.name]
                if isinstance(value, Estimate):
                    found[group.caption, str(row.values["row"]), column.heading] = value.value
    return found


def test_every_condition_stands_where_its_levels_say() -> None:
    results = build_effect_results(replicates=2)
    table = build_pivot(results, rows="regularizer", columns="folds")
    assert table.title == "Test accuracy (share) by regularizer and folds"
    scores = build_condition_scores(results)
    scores = scores[scores["metric"] == "test_accuracy"]
    words = {"none": "no regularizer"}
    expected = {
        (words.get(row["regularizer"], row["regularizer"]), f"{row['folds']} folds"): row["mean"]
        for row in scores.to_dict("records")
    }
    assert {key[1:]: mean for key, mean in read_cells(table).items()} == pytest.approx(expected)
    assert [column.heading for column in table.columns] == ["regularizer", "4 folds", "10 folds"]


def test_what_is_neither_in_rows_nor_columns_makes_groups_and_a_condition_alone_is_left_out() -> None:
    grid = [
        {"model": "cnn", "width": [0.05, 0.1], "regularizer": ["none", "dropout"], "folds": [4, 10]},
        {"model": "cnn", "width": 0.2, "regularizer": "none", "folds": 4},
    ]
    table = build_pivot(build_effect_results(grid=grid), rows="regularizer", columns="folds")
    assert [re.findall(r"width [\d.]+", group.caption) for group in table.groups] == [["width 0.05"], ["width 0.1"]]
    assert any(note.startswith("Left out, as no other condition stands beside it: ") for note in table.notes)


def test_several_data_sets_become_columns() -> None:
    results = build_over_sets(2, grid=[EFFECT_GRID[0] | {"folds": [3, 4]}])
    table = build_pivot(results, rows="regularizer", columns="folds")
    headings = [column.heading for column in table.columns[1:]]
    assert headings == ["set0, 3 folds", "set0, 4 folds", "set1, 3 folds", "set1, 4 folds"]
    assert table.title == "Test accuracy (share) by regularizer and data set and folds"
    assert len(read_cells(table)) == 12
    alone = build_pivot(results, rows="folds")
    assert [column.heading for column in alone.columns] == ["folds", "set0", "set1"]
    assert len(alone.groups) == 3, "one for each regularizer"


def test_a_cell_whose_mean_is_refused_is_a_dash_and_the_reason_a_note() -> None:
    results = build_effect_results()
    del results.records.folds[next(iter(results.records.folds))]
    table = build_pivot(results, rows="regularizer", columns="folds")
    missing = [key for key, mean in read_cells(table).items() if mean is None or mean != mean]
    assert len(missing) == 1
    assert any("has fits 3/4" in note for note in table.notes)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"rows": "regulariser", "columns": "folds"}, "unknown factor 'regulariser'; did you mean 'regularizer'?"),
        ({"rows": "model", "columns": "folds"}, "rows: model has one level in this study; choose from regularizer"),
        ({"rows": "folds", "columns": "folds"}, "rows and columns are both folds; name two factors"),
        ({"rows": "folds"}, "columns is missing; name a factor that varies: regularizer, folds"),
        ({"rows": "folds", "columns": "regularizer", "metric": "f1"}, "unknown metric 'f1'; choose from test_accuracy"),
        ({"rows": "folds", "columns": "regularizer", "row": "f1"}, "tables, entry 1: unknown key 'row'"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_what_is_allowed(tmp_path: Path, choice: Any, message: str) -> None:
    problems = problems_of(tmp_path, grid=EFFECT_GRID, tables=[choice])
    assert any(message in problem for problem in problems), problems
    assert all(problem.startswith("tables, entry 1: ") for problem in problems)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["results/quick"], "'results/quick' is no key=value"),
        (["rows=folds", "rows=model"], "rows is named twice"),
        (["columns=folds"], "rows is missing"),
        (["rows=folds", "by=model"], "unknown key 'by'; choose from rows, columns, metric"),
    ],
)
def test_an_option_that_says_no_table_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(StudyError, match=re.escape(message)):
        parse_table(texts)


def test_the_option_is_read_in_pieces_or_with_commas_and_held_against_the_study() -> None:
    study = build_study(grid=EFFECT_GRID)
    for texts in (["rows=regularizer", "columns=folds"], ["rows=regularizer,columns=folds"]):
        assert find_tables(study, [texts]) == [BY_FOLDS]
    with pytest.raises(StudyError, match="--table rows=folds columns=width: columns: width has one level"):
        find_tables(study, [["rows=folds", "columns=width"]])
    assert build_override(BY_FOLDS) == 'tables.+={"rows": "regularizer", "columns": "folds"}'


def test_tables_change_no_id_and_no_study_file_that_has_none() -> None:
    asked = [{"rows": "folds", "columns": "regularizer"}]
    plain, asking = (build_study(grid=EFFECT_GRID, tables=tables) for tables in ([], asked))
    assert [t.spec.id for t in plain.grid_trials()] == [t.spec.id for t in asking.grid_trials()]
    assert "tables" not in build_yaml(plain)
    assert "tables" in build_yaml(asking)


def test_names_of_files_are_plain_and_differ() -> None:
    choices = [
        BY_FOLDS,
        TableChoice(rows="net.norm", columns="folds", metric="test_loss"),
        TableChoice(rows="net norm", columns="folds", metric="test_loss"),
        TableChoice(rows="folds"),
    ]
    names = name_pivots(choices)
    assert names[0] == "table-regularizer-by-folds"
    assert names[3] == "table-folds-by-data"
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)


@pytest.mark.slow
def test_a_study_that_asks_for_a_table_has_it_as_files_and_on_its_page(tmp_path: Path) -> None:
    results = build_effect_results(tables=[{"rows": "regularizer", "columns": "folds"}])
    write_results(tmp_path, results)
    name = "table-regularizer-by-folds"
    assert "| no regularizer" in (tmp_path / f"{name}.md").read_text()
    assert r"\begin{tabular}" in (tmp_path / f"{name}.tex").read_text()
    page = (tmp_path / "index.html").read_text()
    assert f'id="table-{name}"' in page
    assert f'href="{name}.tex"' in page
