"""Where a metric has no value a sentence says so: never 0, never another library's warning."""

from typing import Any

import numpy as np
import pytest

from tests.predictions import Array, Pair, digits, progression, tumours
from tune_app.data.model import Task
from tune_app.errors import DataError, RefusedError
from tune_app.parts.metrics import METRICS, compute_from_labels, compute_metric, find_metric, find_problem


def _digits(leave_out: int | None = None) -> Pair:
    """Without those of a class, as a small fold may be; copies, to be changed."""
    targets, outputs = digits()
    kept = targets != leave_out
    return targets[kept], outputs[kept]


def _tumours(keep: int | None = None) -> Pair:
    """All of them or those of a class; copies, to be changed."""
    targets, outputs = tumours()
    kept = np.full(len(targets), True) if keep is None else targets == keep
    return targets[kept], outputs[kept]


def _refusal(name: str, targets: Array, outputs: Array, task: Task = "classification") -> str:
    with pytest.raises(RefusedError) as raised:
        compute_metric(find_metric(name), targets, outputs, task)
    sentence = str(raised.value)
    assert sentence.startswith(f"{name} is ")
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("name", ["auroc", "average_precision", "balanced_accuracy", "recall_macro"])
def test_a_class_without_samples_is_named(name: str) -> None:
    assert _refusal(name, *_digits(leave_out=7)) == f"{name} is undefined: no sample is of class 7."


@pytest.mark.parametrize(("keep", "sentence"), [(0, "no sample is of class 1"), (1, "no sample is of class 0")])
def test_auroc_of_one_class_alone_is_undefined(keep: int, sentence: str) -> None:
    assert _refusal("auroc", *_tumours(keep)) == f"auroc is undefined: {sentence}."


def test_many_absent_classes_are_counted_and_not_listed() -> None:
    targets, outputs = _digits()
    few = targets < 2
    sentence = "auroc is undefined: no sample is of classes 2, 3, 4, 5, 6 and 3 more."
    assert _refusal("auroc", targets[few], outputs[few]) == sentence


def test_macro_f1_counts_a_class_that_is_only_named_as_0_and_refuses_one_that_is_neither() -> None:
    targets, outputs = _digits(leave_out=7)
    assert (outputs.argmax(1) == 7).any()
    value = compute_metric(find_metric("macro_f1"), targets, outputs, "classification")
    others = [2 * np.sum((targets == c) & (outputs.argmax(1) == c)) for c in range(10)]
    sizes = [np.sum(targets == c) + np.sum(outputs.argmax(1) == c) for c in range(10)]
    assert value == pytest.approx(sum(a / b for a, b in zip(others, sizes, strict=True)) / 10)
    outputs[:, 7] = outputs.min() - 1
    assert _refusal("macro_f1", targets, outputs) == (
        "macro_f1 is undefined: class 7 is neither among the targets nor named."
    )


def test_precision_of_a_class_that_is_never_named_is_undefined_and_its_f1_is_0() -> None:
    targets, outputs = _digits()
    outputs[:, 7] = outputs.min() - 1
    assert (
        _refusal("precision_macro", targets, outputs) == "precision_macro is undefined: class 7 is named for no sample."
    )
    assert 0 < compute_metric(find_metric("macro_f1"), targets, outputs, "classification") < 1


def test_f1_of_two_classes_without_the_second_is_undefined_and_0_once_it_is_named() -> None:
    targets, outputs = _tumours(keep=0)
    assert compute_metric(find_metric("f1"), targets, outputs, "classification") == 0
    outputs[:, 1] = outputs.min() - 1
    assert _refusal("f1", targets, outputs) == "f1 is undefined: class 1 is neither among the targets nor named."


def test_correlation_and_agreement_of_constants_are_undefined() -> None:
    targets, outputs = _tumours(keep=1)
    assert _refusal("mcc", targets, outputs) == "mcc is undefined: the targets are all of one class."
    assert compute_metric(find_metric("kappa"), targets, outputs, "classification") == 0
    targets, outputs = _tumours()
    outputs[:, 0] = outputs.min() - 1
    assert _refusal("mcc", targets, outputs) == "mcc is undefined: the samples are all given one class."
    assert compute_metric(find_metric("kappa"), targets, outputs, "classification") == 0
    one = targets == 1
    assert "all of one class and all given it" in _refusal("kappa", targets[one], outputs[one])


def test_metrics_of_another_number_of_classes_are_refused() -> None:
    assert _refusal("f1", *_digits()) == ("f1 is undefined: it is for two classes, and these are 10; choose macro_f1.")
    assert "would be 1 for any outputs of 2" in _refusal("top5_accuracy", *_tumours())
    assert find_problem(METRICS["f1"], "classification", 10).startswith("f1 is undefined: it is for two classes")
    assert find_problem(METRICS["f1"], "classification", 2) == ""


@pytest.mark.parametrize("name", ["auroc", "average_precision", "recall_macro"])
def test_a_label_that_holds_for_no_sample_is_named(name: str) -> None:
    targets, outputs = _digits()
    traits = np.stack([targets % 2 == 0, targets > 9], axis=1).astype(np.uint8)
    assert _refusal(name, traits, outputs[:, :2], "multilabel") == f"{name} is undefined: no sample is of label 1."


def test_f1_of_labels_that_neither_hold_nor_are_named_is_undefined() -> None:
    nothing, outputs = np.zeros((5, 3), dtype=np.uint8), np.full((5, 3), -1.0)
    assert "no label holds or is named for any sample" in _refusal("micro_f1", nothing, outputs, "multilabel")
    assert "no label holds for any sample" in _refusal("weighted_f1", nothing, -outputs, "multilabel")
    sentence = "macro_f1 is undefined: labels 0, 1, 2 are neither among the targets nor named."
    assert _refusal("macro_f1", nothing, outputs, "multilabel") == sentence


def test_auroc_of_a_label_that_always_holds_is_undefined_and_its_average_precision_is_1() -> None:
    always, outputs = np.ones((5, 1), dtype=np.uint8), np.arange(5.0)[:, None]
    assert _refusal("auroc", always, outputs, "multilabel") == "auroc is undefined: every sample is of label 0."
    assert compute_metric(find_metric("average_precision"), always, outputs, "multilabel") == 1


def test_r2_of_one_sample_or_of_constant_targets_is_undefined_and_other_errors_are_not() -> None:
    targets, outputs = progression()
    assert _refusal("r2", targets[:1], outputs[:1], "regression") == "r2 is undefined: one sample has no variance."
    constant = np.full_like(targets, 150, dtype=np.float32)
    assert _refusal("r2", constant, outputs, "regression") == "r2 is undefined: the targets are all the same."
    both = np.stack([targets, constant], axis=1), np.stack([outputs, outputs], axis=1)
    assert _refusal("r2", *both, "regression") == "r2 is undefined: the targets are all the same."
    assert compute_metric(find_metric("rmse"), targets[:1], outputs[:1], "regression") == abs(targets[0] - outputs[0])


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_no_metric_has_a_value_without_samples_or_from_outputs_that_are_no_numbers(metric: Any) -> None:
    shapes: dict[Task, tuple[int, ...]] = {"classification": (8, 8), "multilabel": (8, 2), "regression": (8,)}
    if metric.name == "f1":
        shapes["classification"] = (8, 2)
    for task in metric.tasks:
        outputs = np.random.default_rng(0).normal(size=shapes[task])
        targets = (outputs.argmax(1) + 1) % shapes[task][1] if task == "classification" else (outputs > 0.1) * 1
        assert _refusal(metric.name, targets[:0], outputs[:0], task).endswith("no sample is tested.")
        outputs.flat[0] = np.nan
        assert "the outputs of 1 of 8 samples are not finite" in _refusal(metric.name, targets, outputs, task)


def test_metrics_of_another_task_are_refused_at_once_and_when_they_are_computed() -> None:
    sentence = "rmse is a metric of regression, and the data are a classification"
    assert find_problem(METRICS["rmse"], "classification", 10) == sentence
    assert _refusal("rmse", *_digits()) == f"rmse is undefined: {sentence}."
    assert find_problem(METRICS["rmse"], "regression", 1) == ""


def test_labels_alone_give_no_auroc() -> None:
    targets, outputs = _digits()
    with pytest.raises(RefusedError, match="auroc is undefined: it needs scores, and these are labels alone"):
        compute_from_labels(METRICS["auroc"], targets, outputs.argmax(1), "classification", 10)


def test_arrays_that_do_not_match_are_refused_and_not_broadcast() -> None:
    targets, outputs = _digits()
    labels = outputs.argmax(axis=1)
    for given in (labels[:-1], labels[:, None]):
        with pytest.raises(DataError, match=r"metric accuracy: targets \(\d+,\) do not match what is scored"):
            compute_from_labels(METRICS["accuracy"], targets, given, "classification", 10)
    with pytest.raises(DataError, match="metric log_loss: targets"):
        compute_metric(METRICS["log_loss"], targets[1:], outputs, "classification")
    with pytest.raises(DataError, match="metric rmse: targets"):
        compute_metric(METRICS["rmse"], targets, outputs, "regression")
    with pytest.raises(DataError, match="metric accuracy: targets are 0 to 9; of 3 classes they are 0 to 2"):
        compute_metric(METRICS["accuracy"], targets, outputs[:, :3], "classification")
