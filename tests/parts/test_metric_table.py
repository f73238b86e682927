"""The table of metrics: what averages over folds, and by which names they are found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as reference

from tests.predictions import Pair, digits, progression, traits
from tune_app.data.model import Task
from tune_app.errors import StudyError
from tune_app.parts.catalog import locate, read_definition
from tune_app.parts.metrics import METRICS, compute_metric, find_metric, find_problem
from tune_app.parts.references import Scope
from tune_app.parts.signatures import read_signature
from tune_app.study.define import Definition
from tune_app.study.metrics import ALIASES

PREDICTIONS: dict[Task, Callable[[], Pair]] = {
    "classification": digits,
    "multilabel": traits,
    "regression": progression,
}


def test_metrics_that_average_do_and_those_that_do_not_are_told_apart() -> None:
    """Over two folds of unequal size, weighted by their samples."""
    for metric in METRICS.values():
        for task, pair in PREDICTIONS.items():
            if task not in metric.tasks or find_problem(metric, task, 10):
                continue
            targets, outputs = pair()
            noisy = 2 * outputs + np.random.default_rng(1).normal(scale=outputs.std(), size=outputs.shape)
            parts = slice(0, 150), slice(150, None)
            values = [compute_metric(metric, targets[p], noisy[p], task) for p in parts]
            mean = np.average(values, weights=[len(targets[p]) for p in parts])
            pooled = compute_metric(metric, targets, noisy, task)
            excused = metric.name == "micro_f1" and task == "classification"  # there it is the accuracy
            assert (abs(mean - pooled) < 1e-9) == (metric.averages or excused), (metric.name, task)


def test_names_are_found_as_scikit_learn_spells_them_and_near_ones_are_suggested() -> None:
    assert {find_metric(alias).name for alias in ALIASES} <= set(METRICS)
    assert find_metric("roc_auc") is METRICS["auroc"]
    assert find_metric("f1_macro") is METRICS["macro_f1"]
    with pytest.raises(StudyError, match=r"unknown metric 'macro_f2'; did you mean 'macro_f1'\? choose from accuracy,"):
        find_metric("macro_f2")


def test_the_aliases_that_scikit_learn_has_give_its_values_but_for_the_sign() -> None:
    scorers = {name for name in ALIASES if name in reference.get_scorer_names()}
    assert {"f1_macro", "roc_auc", "neg_log_loss", "neg_max_error", "matthews_corrcoef"} <= scorers
    for name in scorers & {"neg_median_absolute_error", "neg_max_error", "neg_root_mean_squared_error"}:
        scorer = reference.get_scorer(name)
        assert find_metric(name).better == "lower"
        assert scorer._sign == -1
        assert compute_metric(find_metric(name), *progression(), "regression") == pytest.approx(
            scorer._score_func(*progression())
        )


def _cost(y_true: object, y_pred: object, missed: float, *, classes: int, alarm: float = 1.0) -> float:
    return 0.0


def test_the_arguments_of_a_metric_are_those_after_the_two_arrays_and_what_is_filled_in() -> None:
    signature = read_signature(_cost, "metric")
    assert [(argument.name, argument.required) for argument in signature.arguments] == [
        ("missed", True),
        ("alarm", False),
    ]
    assert signature.filled == ("classes",)
    with pytest.raises(StudyError, match=r"metric <lambda> does not take two arrays; write"):
        read_signature(lambda targets: 0.0, "metric")


@pytest.mark.parametrize("name", [*METRICS, *ALIASES])
def test_metrics_that_ship_are_functions_by_reference_without_arguments_of_a_study(name: str) -> None:
    function = locate("metric", name)
    assert function is find_metric(name).function
    assert read_definition(Definition(kind="metric", reference=name), Scope(Path.cwd())).arguments == ()
