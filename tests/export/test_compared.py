"""Results folders side by side in one figure: what its title says, and which conditions it has."""

from pathlib import Path

import altair as alt
import pandas as pd
import pytest

from tests.builders import build_effect_results, build_effect_study, build_results, score_with_effect
from tests.export.broken import Broken
from tune_app.analysis.comparison import build_comparison
from tune_app.errors import ExportError
from tune_app.export.comparison import write_comparison
from tune_app.export.figures import compared
from tune_app.export.figures.compared import build_compared_figure
from tune_app.export.figures.write import draw_figure


def test_the_title_counts_the_differences_that_are_decided() -> None:
    first = build_effect_results(replicates=3)
    other = build_results(first.study, lambda spec, fold: score_with_effect(spec, fold) + 0.03 + 0.0006 * fold)
    figure = build_compared_figure(first.study, build_comparison(first, other))
    assert figure is not None
    assert figure.title == "6 of 6 means differ from A's in test accuracy (5% level, each row by itself)"
    data = figure.build_spec(dark=False, titled=False)["datasets"]
    marks = [(row["row"], row["folder"]) for rows in data.values() for row in rows if "folder" in row]
    assert len(set(marks)) == len(marks) == 12
    assert {folder for _, folder in marks} == {"A", "B"}
    assert figure.title not in draw_figure(figure, titled=False).svg, "the page has the words beside the drawing"


def test_of_many_conditions_the_figure_has_those_that_differ_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared, "MOST", 2)
    first = build_effect_results(replicates=3)
    more = {"none": 0.001, "dropout": 0.05, "batchnorm": 0.001, "dropout+batchnorm": 0.001}
    other = build_results(first.study, lambda spec, fold: score_with_effect(spec, fold) + more[spec.regularizer])
    figure = build_compared_figure(first.study, build_comparison(first, other))
    assert figure is not None
    assert "Shown are the 2 of 6 conditions whose means lie farthest apart." in figure.caption
    drawn = {row["row"] for rows in figure.build_spec()["datasets"].values() for row in rows}
    assert len(drawn) == 2
    assert all("DP" in row or "dropout" in row for row in drawn)


def test_a_figure_that_cannot_be_drawn_costs_the_comparison_nothing_else(tmp_path: Path) -> None:
    frame = pd.DataFrame({"row": ["CNN"], "A": [0.9]})
    sides = [("A", "first"), ("B", "second")]
    with pytest.raises(ExportError, match="the page of the comparison is without its figure: "):
        write_comparison(tmp_path, sides, [], Broken("compared", "Title", "Caption", alt.Chart()), frame, frame)
    page = (tmp_path / "index.html").read_text()
    assert "The figure is left out, because it cannot be drawn: " in page
    assert "<figure>" not in page
    assert (tmp_path / "comparison.csv").read_text().startswith("row,A")
    assert (tmp_path / "changes.csv").exists()


def test_folders_without_a_common_condition_have_no_figure() -> None:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 3}]
    other = build_results(build_effect_study(grid=grid, baseline={}), score_with_effect)
    first = build_effect_results()
    assert build_compared_figure(first.study, build_comparison(first, other)) is None
