"""Contrasts of protocols: what a defect turns into another quantity, and what carried folds leave independent."""

import pytest
from scipy import stats

from tests.builders import (
    CARRY_OVER_GRID,
    build_effect_results,
    build_effect_study,
    build_results,
    pick_row,
    score_with_effect,
)
from tune_app.analysis.conditions import build_condition_scores
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.study import TrialSpec


@pytest.mark.parametrize(("replicates", "status"), [(2, "interval only"), (3, "tested")])
def test_carried_replicates_are_paired_as_independent_observations(replicates: int, status: str) -> None:
    grid = [CARRY_OVER_GRID[0] | {"protocol": ["carry-over", "as-reported"]}]
    study = build_effect_study(grid=grid, replicates=replicates, baseline={"protocol": "carry-over"})
    results = build_results(study, lambda spec, fold: score_with_effect(replace_regularizer(spec), fold))
    row = pick_row(build_contrasts(results), "test_accuracy", "batchnorm", 4)
    carried, reported = (
        [score_with_effect(replace_regularizer(spec), 3) for spec in specs] for specs in reversed(study.conditions())
    )
    assert (row["method"], row["n_pairs"], row["status"]) == ("paired t-test over replicate means", replicates, status)
    if status == "tested":
        theirs = stats.ttest_rel(carried, reported)
        assert row["p_value"] == pytest.approx(theirs.pvalue, abs=1e-9)
    else:
        assert "2 replicates are too few for a p-value (at least 3)" in row["reason"]


def replace_regularizer(spec: TrialSpec) -> TrialSpec:
    """A spec whose score differs by its protocol."""
    level = "none" if len(spec.protocol) > 1 else "dropout"
    return spec.model_copy(update={"arguments": spec.arguments | {"regularizer": level}})


@pytest.mark.parametrize(
    ("protocol", "metrics"),
    [
        ("carry-over", {"validation_accuracy", "validation_accuracy_auc", "epochs_to_target"}),
        ("train-mode-validation", {"validation_accuracy", "validation_accuracy_auc", "epochs_to_target"}),
        ("last-batch-accuracy", {"train_accuracy"}),
        ("test-skips-layers", set()),
    ],
)
def test_what_a_defect_makes_another_quantity_is_not_compared(protocol: str, metrics: set[str]) -> None:
    grid = [CARRY_OVER_GRID[0] | {"protocol": ["sound", protocol]}]
    results = build_effect_results(grid=grid, replicates=3, baseline={"protocol": "sound"}, target_accuracy=0.1)
    frame = build_contrasts(results)
    refused = frame[frame["reason"].str.contains("another quantity")]
    assert set(refused["metric"]) == metrics


def test_a_training_that_trials_share_is_no_time_of_each() -> None:
    grid = [CARRY_OVER_GRID[0] | {"protocol": ["sound", "test-skips-layers", "carry-over"]}]
    results = build_effect_results(grid=grid, replicates=3, baseline={"protocol": "sound"})
    frame = build_condition_scores(results).query("metric == 'fit_seconds'").set_index("protocol")
    assert frame["reason"].str.contains("shares its training with").to_dict() == {
        "sound": True,
        "test-skips-layers": True,
        "carry-over": False,
    }
