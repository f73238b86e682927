"""Metrics against scikit-learn's and formulas written out, on what fitted models say of real data."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.stats import mannwhitneyu

from tests.predictions import Array, Pair, bodies, digits, progression, traits, tumours
from tune_app.data.model import Task
from tune_app.errors import RefusedError
from tune_app.parts.metric_functions import compute_probabilities
from tune_app.parts.metrics import (
    METRICS,
    compute_from_labels,
    compute_labels,
    compute_metric,
    find_metric,
)


def _value(name: str, pair: Pair, task: Task = "classification") -> float:
    return compute_metric(find_metric(name), *pair, task)


def _softmax(outputs: Array) -> Array:
    shares = np.exp(outputs)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


OF_LABELS: dict[str, Callable[..., float]] = {
    "accuracy": reference.accuracy_score,
    "balanced_accuracy": reference.balanced_accuracy_score,
    "macro_f1": functools.partial(reference.f1_score, average="macro"),
    "micro_f1": functools.partial(reference.f1_score, average="micro"),
    "weighted_f1": functools.partial(reference.f1_score, average="weighted"),
    "precision_macro": functools.partial(reference.precision_score, average="macro"),
    "recall_macro": functools.partial(reference.recall_score, average="macro"),
    "mcc": reference.matthews_corrcoef,
    "kappa": reference.cohen_kappa_score,
}
OF_NUMBERS: dict[str, Callable[..., float]] = {
    "rmse": reference.root_mean_squared_error,
    "mse": reference.mean_squared_error,
    "mae": reference.mean_absolute_error,
    "r2": reference.r2_score,
    "median_absolute_error": reference.median_absolute_error,
}


@pytest.mark.parametrize("name", OF_LABELS)
@pytest.mark.parametrize("pair", [digits, tumours])
def test_metrics_of_labels_are_scikit_learns(name: str, pair: Callable[[], Pair]) -> None:
    targets, outputs = pair()
    assert _value(name, pair()) == pytest.approx(OF_LABELS[name](targets, outputs.argmax(1)), rel=1e-12)
    assert 0.3 < _value(name, pair()) < 0.99, "a perfect model tells no metrics apart"


@pytest.mark.parametrize("name", ["macro_f1", "micro_f1", "weighted_f1", "precision_macro", "recall_macro"])
def test_metrics_of_several_labels_are_scikit_learns(name: str) -> None:
    targets, outputs = traits()
    expected = OF_LABELS[name](targets, outputs > 0)
    assert _value(name, traits(), "multilabel") == pytest.approx(expected, rel=1e-12)


def test_f1_of_two_classes_is_that_of_the_second() -> None:
    targets, outputs = tumours()
    assert _value("f1", tumours()) == pytest.approx(reference.f1_score(targets, outputs.argmax(1)), rel=1e-12)


def test_subset_accuracy_and_hamming_loss_are_scikit_learns() -> None:
    targets, labels = traits()[0], traits()[1] > 0
    assert _value("subset_accuracy", traits(), "multilabel") == reference.accuracy_score(targets, labels)
    assert _value("hamming_loss", traits(), "multilabel") == pytest.approx(reference.hamming_loss(targets, labels))


@pytest.mark.parametrize("name", OF_NUMBERS)
@pytest.mark.parametrize("pair", [progression, bodies])
def test_metrics_of_numbers_are_scikit_learns(name: str, pair: Callable[[], Pair]) -> None:
    assert _value(name, pair(), "regression") == pytest.approx(OF_NUMBERS[name](*pair()), rel=1e-12)


def test_the_largest_error_is_scikit_learns_and_of_several_numbers_the_largest_of_all() -> None:
    assert _value("max_error", progression(), "regression") == pytest.approx(reference.max_error(*progression()))
    targets, outputs = bodies()
    largest = max(reference.max_error(targets[:, number], outputs[:, number]) for number in range(3))
    assert _value("max_error", bodies(), "regression") == pytest.approx(largest)


def test_a_column_of_numbers_is_scored_as_numbers_and_not_broadcast() -> None:
    targets, outputs = progression()
    assert _value("rmse", (targets, outputs[:, None]), "regression") == _value("rmse", (targets, outputs), "regression")
    assert _value("r2", (targets[:, None], outputs), "regression") == _value("r2", (targets, outputs), "regression")


def test_auroc_is_scikit_learns_and_the_share_of_pairs_in_order() -> None:
    targets, outputs = tumours()
    expected = reference.roc_auc_score(targets, _softmax(outputs)[:, 1])
    margin = outputs[:, 1] - outputs[:, 0]
    positives, negatives = margin[targets == 1], margin[targets == 0]
    pairs = mannwhitneyu(positives, negatives).statistic / (len(positives) * len(negatives))
    assert _value("auroc", tumours()) == pytest.approx(expected, rel=1e-12) == pytest.approx(pairs, rel=1e-12)


def test_auroc_and_average_precision_of_more_classes_and_of_labels_are_scikit_learns() -> None:
    targets, outputs = digits()
    shares = _softmax(outputs)
    expected = reference.roc_auc_score(targets, shares, multi_class="ovr", average="macro")
    assert _value("auroc", digits()) == pytest.approx(expected, rel=1e-9)
    expected = reference.average_precision_score(targets, shares, average="macro")
    assert _value("average_precision", digits()) == pytest.approx(expected, rel=1e-9)
    for name, function in (
        ("auroc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
    ):
        expected = function(*traits(), average="macro")
        assert _value(name, traits(), "multilabel") == pytest.approx(expected, rel=1e-12)


def test_average_precision_of_two_classes_is_that_of_the_second() -> None:
    targets, outputs = tumours()
    expected = reference.average_precision_score(targets, _softmax(outputs)[:, 1])
    assert _value("average_precision", tumours()) == pytest.approx(expected, rel=1e-12)
    everyone = np.ones(len(targets), dtype=np.int64)
    assert _value("average_precision", (everyone, outputs)) == 1


def test_order_is_kept_where_probabilities_round_to_one() -> None:
    targets, outputs = tumours()
    sure = outputs * 30 + [0, 200]
    assert np.mean(_softmax(sure)[:, 1] == 1) > 0.5, "or the case is not the one meant"
    assert _value("auroc", (targets, sure)) == pytest.approx(_value("auroc", tumours()), rel=1e-12)
    targets, outputs = digits()
    shifted = outputs + np.where(np.arange(10) == 3, 60, 0)
    truth = targets == 3
    odds = shifted[:, 3] - np.log(np.exp(np.delete(shifted, 3, axis=1)).sum(axis=1))
    others = [reference.roc_auc_score(targets == c, _softmax(shifted)[:, c]) for c in range(10) if c != 3]
    expected = (sum(others) + reference.roc_auc_score(truth, odds)) / 10
    assert _value("auroc", (targets, shifted)) == pytest.approx(expected, rel=1e-9)


def test_log_loss_is_scikit_learns_in_nats_and_of_labels_the_mean_over_labels() -> None:
    for targets, outputs in (digits(), tumours()):
        expected = reference.log_loss(targets, _softmax(outputs))
        assert _value("log_loss", (targets, outputs)) == pytest.approx(expected, rel=1e-12)
    targets, outputs = traits()
    columns = [reference.log_loss(targets[:, c], 1 / (1 + np.exp(-outputs[:, c]))) for c in range(3)]
    assert _value("log_loss", traits(), "multilabel") == pytest.approx(np.mean(columns), rel=1e-12)


def test_brier_is_the_sum_over_all_classes_and_of_two_classes_twice_that_of_the_second() -> None:
    targets, outputs = tumours()
    half = reference.brier_score_loss(targets, _softmax(outputs)[:, 1])
    assert _value("brier", tumours()) == pytest.approx(2 * half, rel=1e-12)
    targets, outputs = digits()
    shares = _softmax(outputs)
    by_hand = [sum((p - (c == t)) ** 2 for c, p in enumerate(row)) for t, row in zip(targets, shares, strict=True)]
    assert _value("brier", digits()) == pytest.approx(np.mean(by_hand), rel=1e-12)
    targets, outputs = traits()
    columns = [reference.brier_score_loss(targets[:, c], 1 / (1 + np.exp(-outputs[:, c]))) for c in range(3)]
    assert _value("brier", traits(), "multilabel") == pytest.approx(sum(columns), rel=1e-12)


def test_the_calibration_error_is_that_of_its_definition_bin_by_bin() -> None:
    for targets, outputs in (digits(), tumours()):
        shares = _softmax(outputs)
        total = 0.0
        for number in range(15):
            low, high = number / 15, (number + 1) / 15
            inside = [(p.max(), p.argmax() == t) for p, t in zip(shares, targets, strict=True) if low < p.max() <= high]
            if inside:
                confidence, right = np.mean(inside, axis=0)
                total += len(inside) / len(targets) * abs(confidence - right)
        assert _value("ece", (targets, outputs)) == pytest.approx(total, rel=1e-9)
        assert total > 0.01


def test_a_bin_of_the_calibration_error_holds_its_upper_edge() -> None:
    """Confidence of a third ends the fifth bin; were it in the sixth, the two gaps would cancel in part."""
    targets, outputs = np.array([1, 0]), np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    confidence = np.exp(0.1) / (np.exp(0.1) + 2)
    assert 1 / 3 < confidence < 6 / 15
    assert _value("ece", (targets, outputs)) == pytest.approx((1 / 3 + (1 - confidence)) / 2)


def test_top5_accuracy_is_scikit_learns_and_of_equal_outputs_the_first_classes_count() -> None:
    targets, outputs = digits()
    noisy = outputs + np.random.default_rng(0).normal(scale=2, size=outputs.shape)
    expected = reference.top_k_accuracy_score(targets, noisy, k=5)
    assert expected < 0.99
    assert _value("top5_accuracy", (targets, noisy)) == pytest.approx(expected, rel=1e-12)
    assert _value("top5_accuracy", (targets, np.zeros_like(outputs))) == np.mean(targets < 5)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_probabilities_are_stable_for_outputs_of_any_size_and_of_half_precision(task: Task) -> None:
    outputs = np.array([[60000.0, -60000.0, 0.0], [-60000.0, -60000.0, -60000.0]], dtype=np.float16)
    shares = compute_probabilities(outputs, exclusive=task == "classification")
    expected = np.array([[1, 0, 0], [1 / 3] * 3] if task == "classification" else [[1, 0, 0.5], [0.0] * 3])
    assert shares.dtype == np.float64
    assert np.allclose(shares, expected)


def test_a_confident_error_costs_its_margin_and_no_clipped_constant() -> None:
    assert _value("log_loss", (np.array([1, 0]), np.array([[500.0, 0.0], [500.0, 0.0]]))) == pytest.approx(250)


def test_a_class_ruled_out_by_minus_infinity_has_no_probability() -> None:
    outputs = np.array([[0.0, 0.0, -np.inf], [-np.inf, 1.0, 1.0]])
    assert _value("log_loss", (np.array([0, 2]), outputs)) == pytest.approx(np.log(2))
    with pytest.raises(RefusedError, match="log_loss is infinite: the truth has probability 0 for 1 of 2 samples"):
        _value("log_loss", (np.array([2, 2]), outputs))
    with pytest.raises(RefusedError, match="auroc is undefined: no sample is of class 1"):
        _value("auroc", (np.array([0, 2]), outputs))
    assert _value("auroc", (np.array([0, 1, 2]), np.vstack([outputs, [0.0, 0.0, 5.0]]))) == pytest.approx(
        (1 + 3 / 4 + 1) / 3
    )


@pytest.mark.parametrize("metric", [metric for metric in METRICS.values() if metric.needs == "labels"])
def test_metrics_that_need_labels_are_the_same_from_labels_alone(metric: Any) -> None:
    for task, (targets, outputs) in {"classification": tumours(), "multilabel": traits()}.items():
        if task in metric.tasks:
            labels = compute_labels(outputs, task)  # type: ignore[arg-type]
            given = compute_from_labels(metric, targets, labels, task, outputs.shape[1])  # type: ignore[arg-type]
            assert given == compute_metric(metric, targets, outputs, task)  # type: ignore[arg-type]


def test_labels_are_the_largest_class_those_above_zero_or_the_numbers() -> None:
    _, outputs = traits()
    assert np.array_equal(compute_labels(outputs, "classification"), outputs.argmax(axis=1))
    assert np.array_equal(compute_labels(outputs, "multilabel"), 1 / (1 + np.exp(-outputs)) > 0.5)
    assert compute_labels(outputs, "regression") is outputs
    assert compute_labels(np.zeros((2, 3)), "multilabel").tolist() == [[0, 0, 0]] * 2
