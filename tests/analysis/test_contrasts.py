"""Contrasts and claims: what is paired, what is refused, and when a sentence holds."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.builders import (
    EFFECTS,
    build_effect_results,
    build_effect_study,
    build_results,
    build_study,
    pick_row,
    score_with_effect,
)
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.analysis.contrasts import build_contrast
from tune_app.analysis.estimands import METHODS
from tune_app.analysis.sides import Side, find_contrasts
from tune_app.analysis.t_tests import adjust_by_holm, build_corrected_t_test, build_welch_t_test
from tune_app.records import pack_labels
from tune_app.study import TrialSpec, has_levels
from tune_app.study.file import find_study_file, read_study


def test_each_condition_is_held_against_the_baseline_of_its_own_k_and_that_against_the_baseline() -> None:
    pairs = {
        tuple((specs[0].regularizer, specs[0].folds) for specs in pair) for pair in find_contrasts(build_effect_study())
    }
    assert pairs == {
        (("dropout", 4), ("none", 4)),
        (("batchnorm", 4), ("none", 4)),
        (("dropout", 10), ("none", 10)),
        (("batchnorm", 10), ("none", 10)),
        (("none", 10), ("none", 4)),
    }


def test_without_a_baseline_the_first_condition_is_the_reference() -> None:
    assert find_contrasts(build_effect_study(baseline={})) == find_contrasts(build_effect_study())


def test_a_network_of_another_family_is_held_against_the_baseline() -> None:
    study = read_study(find_study_file("report"))
    pairs = find_contrasts(study)
    vggs = [(a[0].model, b[0]) for a, b in pairs if a[0].model != "cnn"]
    assert [name for name, _ in vggs] == ["vgg10", "vgg12", "vgg15", "vgg18"]
    assert {(spec.model, spec.regularizer, spec.folds) for _, spec in vggs} == {("cnn", "none", 4)}
    assert len(pairs) == len(study.conditions()) - 1, "every condition but the baseline"


@pytest.mark.parametrize(
    ("metric", "method", "estimand", "overlap"),
    [
        ("validation_accuracy", METHODS["corrected", "paired"], "new images", None),
        ("test_accuracy", METHODS["fits", "paired"], "these images", 0.0),  # without predictions there are no images
    ],
)
def test_a_paired_contrast_is_a_test_of_the_differences_by_replicate_and_fold(
    metric: str, method: str, estimand: str, overlap: float | None
) -> None:
    results = build_effect_results(replicates=2)
    row = pick_row(build_contrasts(results), metric, "dropout", 4)
    specs = {(s.regularizer, s.replicate): s for s in (t.spec for t in results.study.grid_trials()) if s.folds == 4}
    differences = [
        score_with_effect(specs["dropout", replicate], fold) - score_with_effect(specs["none", replicate], fold)
        for replicate in (0, 1)
        for fold in range(4)
    ]
    test = build_corrected_t_test(differences, 4, overlap)
    assert (row["status"], row["method"], row["n_pairs"], row["estimand"]) == ("tested", method, 8, estimand)
    assert row["effect"] == pytest.approx(np.mean(differences), abs=1e-12)
    assert (row["ci95_low"], row["ci95_high"]) == pytest.approx(test.interval, abs=1e-12)
    assert row["p_value"] == pytest.approx(test.p_value, abs=1e-12)
    assert row["p_worse"] + row["p_equivalent"] + row["p_better"] == pytest.approx(1)
    assert row["p_better"] > 0.9


def test_better_follows_the_metric_and_not_the_sign() -> None:
    row = pick_row(build_contrasts(build_effect_results(replicates=2)), "test_loss", "dropout", 4)
    assert row["effect"] < 0
    assert row["p_better"] > 0.9


def test_holm_takes_the_contrasts_of_one_metric_as_its_family() -> None:
    frame = build_contrasts(build_effect_results(replicates=3))
    family = frame[frame["metric"] == "test_accuracy"]
    assert len(family) == 5
    assert family["p_holm"].tolist() == pytest.approx(adjust_by_holm(family["p_value"].tolist()), abs=1e-12)


def test_different_k_is_compared_unpaired_over_replicates() -> None:
    results = build_effect_results(replicates=3)
    row = pick_row(build_contrasts(results), "validation_accuracy", "none", 10)
    specs = [s for s in (t.spec for t in results.study.grid_trials()) if s.regularizer == "none"]
    means = {
        k: np.array([np.mean([score_with_effect(s, f) for f in range(k)]) for s in specs if s.folds == k])
        for k in (4, 10)
    }
    test = build_welch_t_test(means[10], means[4])
    assert (row["method"], row["estimand"]) == (METHODS["replicates", "unpaired"], "these images")
    assert pd.isna(row["n_pairs"])
    assert (row["n_replicates"], row["n_replicates_baseline"]) == (3, 3)
    assert (row["effect"], row["p_value"]) == pytest.approx((test.effect, test.p_value), abs=1e-12)


def test_four_folds_of_one_replicate_get_an_interval_and_the_power_but_no_p_value() -> None:
    frame = build_contrasts(build_effect_results())
    row = pick_row(frame, "validation_accuracy", "dropout", 4)
    assert row["status"] == "interval only"
    assert pd.isna(row["p_value"])
    assert pd.isna(row["p_better"])
    assert row["ci95_low"] < row["effect"] < row["ci95_high"]
    assert row["smallest_detectable"] > 0
    assert "at least 8: 2 replicates of 4 folds" in row["reason"]
    assert pick_row(frame, "validation_accuracy", "dropout", 10)["status"] == "tested"


def test_held_out_scores_of_different_k_with_one_replicate_are_refused_with_a_sentence() -> None:
    frame = build_contrasts(build_effect_results())
    row = pick_row(frame, "validation_accuracy", "none", 10)
    assert row["status"] == "refused"
    assert "a single observation and no spread to compare with; run more replicates" in row["reason"]
    assert row["effect"] == pytest.approx(row["mean"] - row["baseline_mean"])
    assert pick_row(frame, "test_accuracy", "none", 10)["method"] == METHODS["fits", "unpaired"], "fits are independent"


def test_a_missing_fold_refuses_the_contrast() -> None:
    results = build_effect_results()
    spec = next(t.spec for t in results.study.grid_trials() if (t.spec.regularizer, t.spec.folds) == ("dropout", 4))
    del results.records.folds[spec.id, 2]
    row = pick_row(build_contrasts(results), "test_accuracy", "dropout", 4)
    assert row["status"] == "refused"
    assert "has fits 3/4" in row["reason"]
    assert pd.isna(row["effect"])
    assert pick_row(build_contrasts(results), "test_accuracy", "batchnorm", 4)["status"] == "tested"


def test_a_fold_stuck_on_one_class_refuses_the_contrast() -> None:
    results = build_effect_results()
    spec = next(t.spec for t in results.study.grid_trials() if (t.spec.regularizer, t.spec.folds) == ("dropout", 10))
    stuck = replace(results.records.folds[spec.id, 0], predictions=pack_labels(np.ones(60, dtype=np.uint8)))
    results.records.add(stuck)
    row = pick_row(build_contrasts(results), "test_accuracy", "dropout", 10)
    assert row["status"] == "refused"
    assert "1 of the 10 networks" in row["reason"]
    assert "the same label" in row["reason"]


def test_the_replicates_that_both_sides_have_are_paired() -> None:
    grid = [
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 4, "replicates": 2},
        {"model": "cnn", "width": 0.05, "regularizer": "dropout", "folds": 4, "replicates": 3},
    ]
    row = pick_row(build_contrasts(build_effect_results(grid=grid)), "test_accuracy", "dropout", 4)
    both = [grid[0], grid[1] | {"replicates": 2}]
    two = pick_row(build_contrasts(build_effect_results(grid=both)), "test_accuracy", "dropout", 4)
    assert (row["n_pairs"], row["status"]) == (8, "tested")
    assert (row["effect"], row["p_value"]) == (two["effect"], two["p_value"])


def test_a_number_of_epochs_that_some_folds_never_reach_is_refused() -> None:
    row = pick_row(
        build_contrasts(build_effect_results(replicates=2, target_accuracy=0.9)), "epochs_to_target", "batchnorm", 4
    )
    assert row["status"] == "refused"
    assert "never reach a validation accuracy of 0.9" in row["reason"]


def test_differences_without_spread_are_refused() -> None:
    results = build_results(build_effect_study(replicates=2), lambda spec, fold: 0.9 + EFFECTS[spec.regularizer])
    row = pick_row(build_contrasts(results), "test_accuracy", "dropout", 4)
    assert row["status"] == "refused"
    assert "without a spread" in row["reason"]
    assert row["effect"] == pytest.approx(0.03)


def test_times_of_different_devices_are_refused() -> None:
    results = build_effect_results(replicates=2)
    spec = next(t.spec for t in results.study.grid_trials() if (t.spec.regularizer, t.spec.folds) == ("dropout", 4))
    results.records.add(replace(results.records.folds[spec.id, 0], device="NVIDIA V100"))
    frame = build_contrasts(results)
    reason = pick_row(frame, "fit_seconds", "dropout", 4)["reason"]
    assert "different devices or engines: NVIDIA V100 of h (eager), cpu of h (eager)" in reason
    assert pick_row(frame, "test_accuracy", "dropout", 4)["status"] == "tested"


def test_a_contrast_turned_around_changes_its_sign_alone() -> None:
    results = build_effect_results(replicates=2)
    ((first, second), *_) = find_contrasts(results.study)
    there = build_contrast([(Side(results, first), Side(results, second))], "test_accuracy").test
    back = build_contrast([(Side(results, second), Side(results, first))], "test_accuracy").test
    assert there
    assert back
    assert there.effect == pytest.approx(-back.effect)
    assert there.p_value == pytest.approx(back.p_value)


def test_unpaired_sides_may_have_different_numbers_of_replicates() -> None:
    grid = [
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 4, "replicates": 5},
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 10, "replicates": 3},
    ]
    results = build_effect_results(grid=grid)
    row = pick_row(build_contrasts(results), "validation_accuracy", "none", 10)
    five, three = (
        np.array([np.mean([score_with_effect(spec, fold) for fold in range(spec.folds)]) for spec in specs])
        for specs in results.study.conditions()
    )
    assert (row["n_replicates"], row["n_replicates_baseline"], row["status"]) == (3, 5, "tested")
    assert row["p_value"] == pytest.approx(build_welch_t_test(three, five).p_value, abs=1e-12)


def test_two_replicates_unpaired_get_an_interval_and_no_p_value() -> None:
    row = pick_row(build_contrasts(build_effect_results(replicates=2)), "validation_accuracy", "none", 10)
    assert (row["status"], row["method"]) == ("interval only", METHODS["replicates", "unpaired"])
    assert "2 replicates are too few for a p-value (at least 3)" in row["reason"]
    assert pd.isna(row["p_value"])


def test_a_baseline_that_names_folds_which_its_other_levels_lack_finds_the_nearest() -> None:
    grid = [
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 10},
        {"model": "cnn", "width": 0.05, "regularizer": "dropout", "folds": 4},
    ]
    study = build_effect_study(grid=grid, baseline={"folds": 4})
    assert [(a[0].regularizer, b[0].regularizer) for a, b in find_contrasts(study)] == [("dropout", "none")]


@pytest.mark.parametrize(
    "baseline", [{"regularizer": "none"}, {"regularizer": "none", "folds": 4}, {"width": 0.1, "model": "vgg10"}, {}]
)
def test_each_condition_is_compared_with_the_nearest_that_has_the_baselines_levels(baseline: dict[str, Any]) -> None:
    """By the definition in words, condition against condition: what is searched is an array."""
    levels = {"regularizer": ["none", "dropout"], "width": [0.05, 0.1], "train_images": [60, 120], "folds": [3, 4]}
    grid = [{"model": ["cnn", "vgg10"], **levels}, {"model": "cnn", "regularizer": "batchnorm", "folds": 5}]
    study = build_study(grid=grid, baseline=baseline)
    named = {name: level for name, level in baseline.items() if name != "folds"}
    first = study.conditions()[0][0].condition
    named = named or {name: first[name] for name in study.varying_factors() if name not in ("folds", "data")}
    references = [specs for specs in study.conditions() if has_levels(specs[0].condition, named)]
    folds = baseline.get("folds", references[0][0].folds)

    def rate(spec: TrialSpec, other: TrialSpec) -> tuple[bool, bool, int]:
        bundled = study.find_bundled(spec, other)
        equal = sum(other.condition[name] == level or name in bundled for name, level in spec.condition.items())
        return spec.folds == other.folds, spec.train_images == other.train_images, equal

    expected = {}
    for specs in study.conditions():
        pool = references
        if specs in references:
            pool = [each for each in references if each[0].folds == folds] or references
        nearest = pool[0]
        for other in pool[1:]:
            nearest = other if rate(specs[0], other[0]) > rate(specs[0], nearest[0]) else nearest
        if nearest is not specs:
            expected[specs[0].id] = nearest[0].id
    assert {specs[0].id: other[0].id for specs, other in find_contrasts(study)} == expected
