"""Axes of figures: linear where that shows what there is, logarithmic and labelled so where it does not."""

import math

import pytest

from tests.builders import build_study, results_of
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.export.figures.contrasts import build_forest_chart
from tune_app.export.figures.layout import count_rows, fit, has_column
from tune_app.export.figures.rows import label_contrasts
from tune_app.export.figures.scales import build_effect_scale, choose_distance, list_ticks
from tune_app.export.figures.scores import build_scores, build_scores_chart
from tune_app.export.figures.theme import COLUMN, WIDTH


def test_means_that_lie_close_are_on_a_linear_axis() -> None:
    assert choose_distance([0.95, 0.97], (0, 1), "higher") is None
    assert choose_distance([0.5, 5.0], None, "lower") is None, "it has no ideal score"


def test_means_far_apart_are_on_an_axis_of_distances_from_the_ideal() -> None:
    axis = choose_distance([0.6, 0.98, 1.0], (0, 1), "higher")
    assert axis is not None
    assert axis.place(1.0) == 0
    assert axis.place(0.98) == pytest.approx(0.02)
    assert axis.place(float("nan")) is axis.place(None) is None
    errors = choose_distance([0.1, 3.0], (0, math.inf), "lower")
    assert errors is not None
    assert errors.place(3.0) == 3.0
    low, high = axis.choose_ends([0.02, 0.4], [0.0, 0.9])
    assert 0 < low < 0.02, "an interval up to the ideal is cut, and an arrow says so"
    assert 0.4 < high < 0.9


def test_effects_on_zero_beside_large_ones_are_on_a_logarithmic_axis_that_says_so() -> None:
    scale, axis, note = build_effect_scale([0.1, -0.2, -40.0], [-80.0, 30.0], rope=0.1)
    assert scale.to_dict() | {"domain": 0} == {"type": "symlog", "constant": 0.1, "domain": 0, "nice": False}
    values = axis.to_dict()["values"]
    assert 0 in values
    assert values == sorted(values)
    assert note == "logarithmic beyond ±0.1"
    assert build_effect_scale([1.0, -2.0], [-3.0, 4.0], rope=0.1)[2] == ""
    assert build_effect_scale([0.0], [0.0, 0.0], rope=0.0)[2] == "", "equal scores have no decades"


def test_ticks_are_round_and_few() -> None:
    assert list_ticks(0.01, 1) == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    assert len(list_ticks(1e-6, 1e3)) <= 12


def test_rows_stand_under_what_they_have_in_common_on_one_axis() -> None:
    study = build_study(
        grid=[{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout", "batchnorm"], "folds": [2, 3]}],
        baseline={"regularizer": "none"},
    )
    results = results_of(study, [0.9, 0.91, 0.92])
    scores = build_scores(results)
    assert set(scores["heading"]) == {"2 folds", "3 folds"}
    assert "batchnorm" in set(scores["label"])
    assert scores.loc[scores["kind"] == "one fold", "band_low"].isna().all()
    spec = fit(build_scores_chart(scores).to_dict(), WIDTH)
    assert count_rows(spec) == 6 + 2
    narrow = fit(build_scores_chart(scores).to_dict(), COLUMN)
    assert (narrow["width"], has_column(narrow)) == (COLUMN, True)
    assert narrow["height"] > spec["height"]


def test_a_contrast_is_labelled_by_what_its_group_does_not_share() -> None:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": [2, 3]}]
    results = results_of(build_study(grid=grid, baseline={"regularizer": "none"}), [0.9, 0.91, 0.92])
    contrasts = build_contrasts(results).assign(ci95_low=-0.01, ci95_high=0.01, effect=0.001)
    drawn = label_contrasts(results, contrasts[contrasts["metric"] == "test_accuracy"])
    assert drawn["heading"].str.startswith("Against ").all()
    assert "dropout" in set(drawn["label"])
    rows = count_rows(fit(build_forest_chart(drawn).to_dict(), WIDTH))
    assert rows == len(drawn) + drawn["heading"].nunique()
