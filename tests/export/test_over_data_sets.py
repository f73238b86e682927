"""What a folder shows of several data sets and of the effects of factors: the diagram, the tables, the page."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.builders import build_results, build_study
from tests.digit_grid import CHANGES, build_crossed_results
from tests.over_sets import build_over_sets
from tune_app.analysis.datasets import find_critical_difference
from tune_app.export.figures.data_sets import build_critical_difference_chart, find_cliques
from tune_app.export.figures.figure import Figure
from tune_app.export.figures.study import build_figures
from tune_app.export.folder import write_results

NAME = "critical-difference"
DEMSAR = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}  # (2006), table 6: average ranks


def test_demsars_diagram_joins_all_at_5_percent_and_leaves_the_plain_tree_out_at_10() -> None:
    assert find_cliques(DEMSAR, find_critical_difference(14, 4)) == [("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")]
    at_10 = find_cliques(DEMSAR, find_critical_difference(14, 4, alpha=0.10))
    assert at_10 == [("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5")]


def test_a_bar_within_another_is_not_drawn_and_what_stands_alone_has_none() -> None:
    assert find_cliques({"a": 1.0, "b": 1.5, "c": 1.9, "d": 4.0}, 1.0) == [("a", "b", "c")]
    assert not find_cliques({"a": 1.0, "b": 2.5, "c": 4.0}, 1.0)
    assert find_cliques({"a": 1.0, "b": 2.0, "c": 3.0}, 1.0) == [("a", "b"), ("b", "c")]


def test_the_diagram_draws_each_rank_the_critical_difference_and_the_bars() -> None:
    svg = Figure(NAME, "Title", "Caption.", build_critical_difference_chart(DEMSAR, 1.12)).draw().svg
    for text in (*DEMSAR, "1.96", "2.00", "2.89", "3.14", "critical difference", "1.12"):
        assert f">{text}</text>" in svg, text
    assert svg.count(">not told apart</text>") == 1, "the first of two bars has the label"


@pytest.mark.parametrize(("count", "expected"), [(5, 1), (4, 0)])
def test_there_is_a_diagram_from_five_data_sets_on(count: int, expected: int) -> None:
    figures = build_figures(build_over_sets(count))
    assert sum(figure.name == NAME for figure in figures) == expected


def test_the_folder_of_a_study_over_data_sets_has_diagram_and_posterior(tmp_path: Path) -> None:
    assert not write_results(tmp_path, build_over_sets(6))
    assert (tmp_path / "figures" / f"{NAME}.svg").exists()
    frame = pd.read_csv(tmp_path / "data_sets.csv").set_index("condition")
    assert frame.loc["dropout", ["p_worse", "p_equivalent", "p_better"]].sum() == pytest.approx(1)
    page = (tmp_path / "index.html").read_text()
    assert "P(better)" in page
    assert "hierarchical test" in page


@pytest.mark.slow
def test_the_folder_of_a_balanced_grid_has_its_effects_below_the_contrasts(tmp_path: Path) -> None:
    assert not write_results(tmp_path, build_crossed_results())
    assert set(pd.read_csv(tmp_path / "effects.csv")["change"]) == set(CHANGES)
    page, table = (tmp_path / "index.html").read_text(), (tmp_path / "table.md").read_text()
    assert page.index('<section id="contrasts"') < page.index('<section id="effects"') < page.index('id="figures"')
    assert "width: 0.05 → 0.1 × regularizer: none → batchnorm" in table
    assert len(json.loads((tmp_path / "results.json").read_text())["effects"]) == len(CHANGES)


def test_a_grid_of_one_factor_has_no_effects(tmp_path: Path) -> None:
    write_results(tmp_path, build_results(build_study(), lambda spec, fold: 0.9 + fold / 100, epochs=(1,)))
    assert not (tmp_path / "effects.csv").exists()
    assert 'id="effects"' not in (tmp_path / "index.html").read_text()
