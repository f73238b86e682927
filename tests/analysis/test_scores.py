"""Scores of conditions: epochs averaged, intervals, metrics."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.builders import (
    build_effect_results,
    build_effect_study,
    build_results,
    pick_row,
    score_with_effect,
)
from tune_app.analysis.conditions import build_condition_scores
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.analysis.intervals import corrected_interval
from tune_app.analysis.metrics import build_scores
from tune_app.errors import RefusedError
from tune_app.study.metrics import SHIPPED_METRICS, find_facts, list_known, list_summarised


def test_windows_average_their_epochs() -> None:
    results = build_results(build_effect_study(), score_with_effect, epochs=(0.5, 0.75))
    specs = results.study.conditions()[0]
    both, last = (build_scores(results, specs, "train_accuracy", window) for window in ((1, 2), None))
    assert both == pytest.approx(last * (0.5 + 0.75) / 2 / 0.75)
    assert build_scores(results, specs, "validation_accuracy_auc") == pytest.approx(both)


def test_condition_means_have_an_interval_for_every_metric() -> None:
    """Of held-out scores the corrected one; without predictions, of test scores that over fits."""
    results = build_effect_results(replicates=2)
    frame = build_condition_scores(results)
    assert set(frame["metric"]) == set(list_summarised(()))
    row = pick_row(frame, "validation_accuracy", "dropout", 4)
    scores = [score_with_effect(spec, fold) for spec in results.study.conditions()[2] for fold in range(4)]
    assert row["n"] == 8
    assert (row["ci95_low"], row["ci95_high"]) == pytest.approx(corrected_interval(scores, 4), abs=1e-12)
    tested = pick_row(frame, "test_accuracy", "dropout", 4)
    over_fits = stats.t.interval(0.95, 7, np.mean(scores), stats.sem(scores))
    assert (tested["ci95_low"], tested["ci95_high"]) == pytest.approx(over_fits, abs=1e-12)


def test_every_metric_that_a_claim_can_name_has_a_unit_and_a_direction() -> None:
    named = tuple(SHIPPED_METRICS)
    assert {find_facts(metric).better for metric in list_known(named)} == {"higher", "lower"}
    assert set(list_summarised(())) <= set(list_known(()))


def test_a_side_without_folds_has_no_scores() -> None:
    results = build_effect_results()
    results.records.epochs.clear()
    assert not math.isnan(build_scores(results, results.study.conditions()[0], "test_accuracy").mean())
    with pytest.raises(RefusedError, match="lacks epochs"):
        build_scores(results, results.study.conditions()[0], "validation_accuracy")


def test_the_rope_is_of_accuracies_alone() -> None:
    frame = build_contrasts(build_effect_results(replicates=2, rope=0.02))
    ropes = frame.groupby("metric")["rope"].unique().map(list).to_dict()
    assert ropes["test_accuracy"] == ropes["validation_accuracy_auc"] == [0.02]
    assert ropes["test_loss"] == ropes["fit_seconds"] == ropes["epochs_to_target"] == [0.0]
