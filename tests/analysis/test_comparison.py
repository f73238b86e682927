"""Two studies compared: what is paired, what is not compared, what differs between them."""

from typing import Any

import pytest

from tests.builders import build_effect_results, build_effect_study, build_results, score_with_effect
from tune_app.analysis.comparison import build_changes, build_comparison
from tune_app.analysis.estimands import METHODS
from tune_app.export.tables.comparison import build_comparison_tables


def test_a_study_compared_with_itself_differs_in_nothing() -> None:
    results = build_effect_results(replicates=2)
    frame = build_comparison(results, results)
    assert set(frame["effect"]) == {0.0}
    assert frame["reason"].str.contains("of them it is 0: without a spread|did not run in turns").all()
    study = results.study.model_dump(mode="json")
    assert build_changes(study, study).empty


def test_studies_compared_show_effects_settings_and_what_only_one_has() -> None:
    first = build_effect_results()
    other_grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": [4, 10]}]
    second_study = build_effect_study(grid=other_grid, recipe={"epochs": 2, "batch_size": 10})
    second = build_results(second_study, lambda spec, fold: score_with_effect(spec, fold) + 0.02 + 0.0001 * fold)
    frame = build_comparison(first, second)
    frame = frame[frame["metric"] == "test_accuracy"]
    assert frame["reason"].str.contains("it is in study A alone").sum() == 2
    tested = frame[frame["status"] == "tested"]
    shifts = {4: 0.02015, 10: 0.02045}
    assert set(tested["row"].str.contains("10 folds")) == {True, False}
    assert tested["effect"].tolist() == pytest.approx([shifts[10 if "10 folds" in row else 4] for row in tested["row"]])
    assert len(tested) == 4
    changes = build_changes(first.study.model_dump(mode="json"), second.study.model_dump(mode="json"))
    rows = list(changes.itertuples(index=False, name=None))
    assert ("recipe.batch_size", "20", "10") in rows
    assert not [row for row in rows if "None" in row], "what is left out on both sides is no change"


def test_other_data_sets_are_not_compared() -> None:
    other = build_effect_study(data={"name": "mnist", "train_images": 120, "test_images": 60})
    frame = build_comparison(build_effect_results(), build_results(other, score_with_effect))
    assert frame["reason"].str.contains("different data sets").all()


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"splitter": "stratified"}, {"data": {"name": "digits", "train_images": 110, "test_images": 60}}],
)
def test_other_splits_are_never_paired(changes: dict[str, Any]) -> None:
    frame = build_comparison(
        build_effect_results(replicates=3),
        build_results(build_effect_study(replicates=3, **changes), score_with_effect),
    )
    assert set(frame[frame["metric"] == "test_accuracy"]["method"]) <= {METHODS["fits", "unpaired"], ""}
    assert frame["n_pairs"].isna().all()


def test_scores_of_other_test_images_are_not_compared() -> None:
    other = build_effect_study(replicates=3, data={"name": "digits", "train_images": 120, "test_images": 50})
    frame = build_comparison(build_effect_results(replicates=3), build_results(other, score_with_effect))
    tests = frame[frame["metric"] != "fit_seconds"]
    assert tests["reason"].str.contains("tested on different numbers of images").all()


def test_studies_with_nothing_in_common_are_compared_in_rows_that_say_so() -> None:
    other = build_effect_study(grid=[{"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 3}], baseline={})
    frame = build_comparison(build_effect_results(), build_results(other, score_with_effect))
    assert frame["effect"].isna().all()
    assert frame["reason"].str.contains("alone").all()
    assert build_comparison_tables(other, frame, build_changes({}, {}))
