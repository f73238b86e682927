"""ROC and precision-recall curves, against scikit-learn's."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from sklearn.preprocessing import scale

from tests.builders import build_study, results_of
from tune_app.analysis.thresholds import (
    GRID,
    PRECISION_RECALL,
    ROC,
    average_curves,
    build_precision_recall,
    build_roc,
    build_threshold_curves,
    sample_curve,
)

Scored = tuple[NDArray[np.bool_], NDArray[np.float64]]


@pytest.fixture(scope="module", params=[None, 1], ids=["each its own score", "many scores equal"])
def scored(request: pytest.FixtureRequest) -> Scored:
    """The truth about every other sample and a model's scores of it, as they are or rounded."""
    inputs, targets = load_breast_cancer(return_X_y=True)
    inputs = scale(inputs)[:, :3]
    model = LogisticRegression().fit(inputs[::2], targets[::2])
    scores = model.decision_function(inputs[1::2])
    return targets[1::2] == 1, scores if request.param is None else scores.round(request.param)


def test_the_roc_curve_is_scikit_learns(scored: Scored) -> None:
    truth, scores = scored
    expected = roc_curve(truth, scores, drop_intermediate=False)[:2]
    for found, rates in zip(build_roc(truth, scores), expected, strict=True):
        np.testing.assert_allclose(found, rates)
    assert np.trapezoid(*build_roc(truth, scores)[::-1]) == pytest.approx(roc_auc_score(truth, scores))


def test_the_precision_recall_curve_is_scikit_learns(scored: Scored) -> None:
    truth, scores = scored
    precision, recall, _ = precision_recall_curve(truth, scores)
    found = build_precision_recall(truth, scores)
    np.testing.assert_allclose(found[0], recall[-2::-1])  # the last point of theirs has no threshold
    np.testing.assert_allclose(found[1], precision[-2::-1])
    steps = np.diff(found[0], prepend=0)
    assert float(steps @ found[1]) == pytest.approx(average_precision_score(truth, scores))


def test_a_sampled_curve_runs_through_the_thresholds(scored: Scored) -> None:
    truth, scores = scored
    sampled = sample_curve(ROC, truth, scores)
    rates = build_roc(truth, scores)
    assert sampled[-1] == 1
    assert (np.diff(sampled) >= 0).all()
    assert np.trapezoid(sampled, GRID) == pytest.approx(roc_auc_score(truth, scores), abs=0.005)
    for false_positive in (0.0, 1.0):
        assert sampled[int(false_positive * 100)] == rates[1][rates[0] == false_positive].max()
    recall, precision = build_precision_recall(truth, scores)
    sampled = sample_curve(PRECISION_RECALL, truth, scores)
    for place in (0, 50, 90, 100):
        assert sampled[place] == precision[recall >= GRID[place] - 1e-12][0]


def test_a_perfect_order_finds_all_without_a_false_alarm_and_a_constant_score_nothing_alone() -> None:
    truth = np.array([False, True, True, False])
    perfect, constant = np.array([0.1, 0.9, 0.8, 0.2]), np.ones(4)
    assert (sample_curve(ROC, truth, perfect) == 1).all()
    assert (sample_curve(PRECISION_RECALL, truth, perfect) == 1).all()
    np.testing.assert_allclose(sample_curve(ROC, truth, constant), GRID)
    assert (sample_curve(PRECISION_RECALL, truth, constant) == 0.5).all()


def test_curves_of_replicates_are_averaged_by_their_fits() -> None:
    study = build_study(replicates=2)
    trials = [trial.spec for trial in study.grid_trials()]
    first, second = (spec.id for spec in trials if spec.condition == trials[0].condition)
    one, two = np.full(101, 0.6), np.full(101, 0.9)
    parts = [
        average_curves([one, one]).assign(curve=ROC, trial=first),
        average_curves([two]).assign(curve=ROC, trial=second),
        average_curves([two]).assign(curve=ROC, trial="of another study"),
    ]
    results = replace(results_of(study, [0.9, 0.9, 0.9]), thresholds=pd.concat(parts))
    found = build_threshold_curves(results)
    assert len(found) == 101
    assert found["mean"].to_numpy() == pytest.approx(0.7)
    assert set(found[["low", "high", "fits"]].itertuples(index=False, name=None)) == {(0.6, 0.9, 3)}
    assert build_threshold_curves(replace(results, thresholds=None)).empty
