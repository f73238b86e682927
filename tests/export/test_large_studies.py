"""Large studies: figures show some conditions and say so, and the page opens what it has packed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.builders import build_results, build_study
from tune_app.analysis.labels import build_rows
from tune_app.export.figures import build_figures
from tune_app.export.figures.shown import MOST_PANELS, MOST_PICTURES, MOST_ROWS, choose_shown
from tune_app.export.folder import write_results
from tune_app.export.frames import build_frames
from tune_app.export.page import PAGE_FILE
from tune_app.export.page.packing import MOST_UNPACKED
from tune_app.records.results import Results, TestSet
from tune_app.study import TrialSpec


def build_large_results(conditions: int, replicates: int = 1) -> Results:
    """So many learning rates, of which the highest score best; test labels beside them."""
    rates = [round(0.001 * (1 + place), 4) for place in range(conditions)]
    grid = [{"model": "cnn", "width": 0.05, "learning_rate": rates, "folds": 2}]
    study = build_study(grid=grid, replicates=replicates)

    def score(spec: TrialSpec, fold: int) -> float:
        return 0.5 + 2 * spec.recipe.learning_rate + 0.01 * fold

    labels = (np.arange(60) % 10).astype(np.uint8)
    labels[0] = 5  # one that every network gets wrong
    test = TestSet(labels, np.arange(60), np.zeros((1, 8, 8), np.uint8), np.zeros(1, np.int64))
    return replace(build_results(study, score, epochs=(1,)), test=test)


def test_figures_of_many_conditions_show_the_baseline_and_the_best() -> None:
    results = build_large_results(MOST_ROWS + 10)
    labels = [row.label for row in build_rows(results.study)]
    figures = {figure.name: figure for figure in build_figures(results, build_frames(results)["contrasts"])}
    for name, most in (("scores", MOST_ROWS), ("accuracy", MOST_PANELS), ("confused", MOST_PICTURES)):
        remark = f"Of 38 conditions it shows the baseline and the {most - 1} with the best test accuracy"
        assert remark in figures[name].caption, name
    rows = {row["row"] for data in figures["scores"].build_spec()["datasets"].values() for row in data if "row" in row}
    assert rows == {labels[0], *labels[11:]}


def test_figures_of_fewer_conditions_show_all() -> None:
    shown = choose_shown(build_large_results(MOST_ROWS))
    assert len(shown.choose(MOST_ROWS)) == MOST_ROWS
    assert shown.remark(MOST_ROWS) == ""


def test_what_claims_are_about_is_shown_before_what_is_best() -> None:
    results = build_large_results(MOST_ROWS + 10)
    labels = [row.label for row in build_rows(results.study)]
    claim = {
        "sentence": "A claim.", "metric": "test_accuracy", "expect": "higher",
        "levels": {"learning_rate": 0.003}, "against": {"learning_rate": 0.002},
    }  # fmt: skip
    study = build_study(grid=[entry.model_dump(exclude_unset=True) for entry in results.study.grid], claims=[claim])
    shown = choose_shown(replace(results, study=study))
    assert shown.ranked[:3] == [labels[0], labels[2], labels[1]]
    assert "those that claims are about" in shown.remark(MOST_ROWS)


@pytest.mark.slow
def test_a_large_page_opens_what_it_has_packed(browser: Any, tmp_path: Path) -> None:
    results = build_large_results(2, replicates=MOST_UNPACKED // 2 + 1)
    write_results(tmp_path, results)
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((tmp_path / PAGE_FILE).as_uri())
    page.wait_for_selector("html[data-ready]")
    assert page.locator("details.trial").count() == 2 * (MOST_UNPACKED // 2 + 1)
    assert page.locator("details.trial table").count() == 0
    page.locator("details.trials > summary").click()
    for place in (0, 1, 200):  # two of one pack, one of another
        trial = page.locator("details.trial").nth(place)
        trial.locator("summary").click()
        trial.locator("svg").first.wait_for()
        assert trial.locator("tbody tr").count() == 2
        assert trial.get_attribute("id").removeprefix("trial-") in trial.locator("p code").inner_text()
    page.locator("#contrasts > details > summary").last.click()
    family = page.locator("details.metric").last
    family.locator("summary").click()
    family.locator("tbody tr").first.wait_for()
    assert said == []
    page.close()
