"""Metrics by scikit-learn's names: one table, their values from outputs or labels, a sentence where there is none."""

import inspect
import numbers
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tune_app.data.model import Task
from tune_app.errors import DataError, RefusedError, StudyError, choices, describe_error
from tune_app.parts import metric_functions as functions
from tune_app.study.metrics import ALIASES

Needs = Literal["labels", "scores"]
Better = Literal["higher", "lower"]
FILLED_IN = ("classes", "task")  # what a metric's function is told where its signature names it


@dataclass(frozen=True)
class Metric:
    """How a metric is read and computed.

    `unit` is empty for a number without one, and for one in the unit of the targets. `needs`: labels, or a network's
    outputs as well. `tasks` are those that it is defined for. `averages`: whether its mean over folds, weighted by
    their samples, is its value over all of them; of others that value, pooled, is given as well.
    `function` takes targets, then labels or outputs, and `classes` and `task` where its signature names them.
    """

    name: str
    better: Better
    unit: str
    needs: Needs
    tasks: tuple[Task, ...]
    averages: bool
    function: Callable[..., float]

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is: times this, more is better."""
        return 1 if self.better == "higher" else -1


_EVERY: tuple[Task, ...] = ("classification", "multilabel", "regression")
_CLASSES, _LABELS, _MULTILABEL, _NUMBERS = _EVERY[:1], _EVERY[:2], _EVERY[1:2], _EVERY[2:]


def _build_table() -> dict[str, Metric]:
    f = functions
    rows: tuple[tuple[Callable[..., float], Better, str, Needs, tuple[Task, ...], bool], ...] = (
        (f.accuracy, "higher", "share", "labels", _CLASSES, True),
        (f.balanced_accuracy, "higher", "share", "labels", _CLASSES, False),
        (f.macro_f1, "higher", "share", "labels", _LABELS, False),
        (f.micro_f1, "higher", "share", "labels", _LABELS, False),
        (f.weighted_f1, "higher", "share", "labels", _LABELS, False),
        (f.f1, "higher", "share", "labels", _CLASSES, False),
        (f.precision_macro, "higher", "share", "labels", _LABELS, False),
        (f.recall_macro, "higher", "share", "labels", _LABELS, False),
        (f.auroc, "higher", "share", "scores", _LABELS, False),
        (f.average_precision, "higher", "share", "scores", _LABELS, False),
        (f.mcc, "higher", "", "labels", _CLASSES, False),
        (f.kappa, "higher", "", "labels", _CLASSES, False),
        (f.log_loss, "lower", "nats", "scores", _LABELS, True),
        (f.brier, "lower", "", "scores", _LABELS, True),
        (f.ece, "lower", "share", "scores", _CLASSES, False),
        (f.top5_accuracy, "higher", "share", "scores", _CLASSES, True),
        (f.subset_accuracy, "higher", "share", "labels", _MULTILABEL, True),
        (f.hamming_loss, "lower", "share", "labels", _MULTILABEL, True),
        (f.rmse, "lower", "", "scores", _NUMBERS, False),
        (f.mse, "lower", "", "scores", _NUMBERS, True),
        (f.mae, "lower", "", "scores", _NUMBERS, True),
        (f.r2, "higher", "", "scores", _NUMBERS, False),
        (f.median_absolute_error, "lower", "", "scores", _NUMBERS, False),
        (f.max_error, "lower", "", "scores", _NUMBERS, False),
    )
    return {row[0].__name__: Metric(row[0].__name__, *row[1:], row[0]) for row in rows}


METRICS = _build_table()


def find_metric(name: str) -> Metric:
    """The metric of that name, or of scikit-learn's; StudyError with a near match if none ships."""
    metric = METRICS.get(ALIASES.get(name, name))
    if metric is None:
        raise StudyError(f"unknown metric {name!r}{choices(name, [*METRICS, *ALIASES])}")
    return metric


def find_problem(metric: Metric, task: Task, classes: int) -> str:
    """Why the metric cannot score such data, whatever a network gives; empty if it can."""
    if task not in metric.tasks:
        return f"{metric.name} is a metric of {' and '.join(metric.tasks)}, and the data are a {task}"
    try:
        functions.check_count(metric.name, classes)
    except RefusedError as error:
        return str(error).rstrip(".")
    return ""


def compute_labels(outputs: NDArray[Any], task: Task) -> NDArray[Any]:
    """What a network's outputs (N, C) name: the class of the largest, the labels above 0; the numbers of a regression.

    RefusedError for outputs that name nothing: NaN, or no largest one. Of equal ones the first class is named.
    """
    highest = outputs.max(axis=1) if task == "classification" else outputs
    wrong = np.isnan(highest) if task == "multilabel" else ~np.isfinite(highest)
    if wrong.any():
        count = int(wrong.reshape(len(outputs), -1).any(axis=1).sum())
        raise RefusedError(f"the outputs of {count} of {len(outputs)} samples are not finite; they name nothing.")
    if task == "classification":
        return np.asarray(outputs.argmax(axis=1))
    return (outputs > 0).astype(np.uint8) if task == "multilabel" else outputs


def compute_metric(metric: Metric, targets: NDArray[Any], outputs: NDArray[Any], task: Task) -> float:
    """The metric's value from a network's raw outputs: (N, C), of two classes (N, 2), or numbers (N,) or (N, T).

    RefusedError where it is undefined for these samples; DataError if targets and outputs do not match.
    """
    try:
        labels = compute_labels(outputs, task)
    except RefusedError as error:
        raise RefusedError(f"{metric.name} is undefined: {error}") from None
    classes = outputs.shape[1] if task != "regression" else 0
    if metric.needs == "labels" or task == "regression":
        return compute_from_labels(metric, targets, labels, task, classes)
    return _compute(metric, targets, outputs, task, classes)


def compute_from_labels(metric: Metric, targets: NDArray[Any], labels: NDArray[Any], task: Task, classes: int) -> float:
    """The same from labels alone: class indices (N,), 0 and 1 (N, C), or the numbers of a regression.

    RefusedError for a metric that needs scores, too.
    """
    if metric.needs == "scores" and task != "regression":
        raise RefusedError(f"{metric.name} is undefined: it needs scores, and these are labels alone.")
    return _compute(metric, targets, labels, task, classes)


def _compute(metric: Metric, targets: NDArray[Any], given: NDArray[Any], task: Task, classes: int) -> float:
    if task not in metric.tasks:
        raise RefusedError(f"{metric.name} is undefined: {find_problem(metric, task, classes)}.")
    if len(targets) == 0:
        raise RefusedError(f"{metric.name} is undefined: no sample is tested.")
    if task == "regression" and len(given) == len(targets) and given.size == targets.size:
        given = given.reshape(targets.shape)
    _check_match(metric, targets, given, task, classes)
    value = metric.function(targets, given, **_fill_in(metric.function, classes, task))
    if np.isnan(value):
        raise RefusedError(f"{metric.name} is undefined for the {len(targets)} samples tested.")
    if np.isinf(value):
        raise RefusedError(f"{metric.name} is infinite for the {len(targets)} samples tested.")
    return value


def _check_match(metric: Metric, targets: NDArray[Any], given: NDArray[Any], task: Task, classes: int) -> None:
    """Arrays that do not match would be broadcast into a number that means nothing."""
    is_class = task == "classification"
    has_scores = is_class and metric.needs == "scores"
    if targets.shape != (given.shape[:1] if has_scores else given.shape):
        raise DataError(f"metric {metric.name}: targets {targets.shape} do not match what is scored, {given.shape}")
    for kind, values in (("targets", targets), ("labels", given)) if is_class else ():
        if not (has_scores and kind == "labels") and not (values.min() >= 0 and values.max() < classes):
            span = f"{values.min()} to {values.max()}"
            raise DataError(
                f"metric {metric.name}: {kind} are {span}; of {classes} classes they are 0 to {classes - 1}"
            )


def _fill_in(function: Callable[..., Any], classes: int, task: Task) -> dict[str, Any]:
    try:
        named = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of some compiled functions it cannot be read
        return {}
    return {name: value for name, value in zip(FILLED_IN, (classes, task), strict=True) if name in named}


def build_users_metric(
    name: str,
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    better: Better = "higher",
    unit: str = "",
    needs: Needs = "scores",
) -> Metric:
    """A user's function `(targets, outputs, **arguments) -> float` as a metric; it is given labels if it needs no more.

    It is called with copies, outputs as float64. Undefined is NaN, a RefusedError, and whatever scikit-learn warns of
    as undefined. StudyError for anything else than one number, and for what it raises, with file and line.
    """
    told = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}

    def compute(targets: NDArray[Any], given: NDArray[Any], *, classes: int, task: Task) -> float:
        from sklearn.exceptions import UndefinedMetricWarning

        given = given.astype(np.float64) if needs == "scores" or task == "regression" else given.copy()
        filled = _fill_in(function, classes, task)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UndefinedMetricWarning)  # scikit-learn would give 0 instead
                value = function(targets.copy(), given, **(filled | told))
        except UndefinedMetricWarning as warning:
            sentence = str(warning).partition(". ")[0].rstrip(".")
            raise RefusedError(f"{name} is undefined: {sentence}.") from None
        except RefusedError as error:
            raise RefusedError(f"{name}: {error}") from None
        except Exception as error:
            place = _find_users_place(error)
            raise StudyError(f"metric {name} failed: {describe_error(error)} ({place})") from error
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            raise StudyError(
                f"metric {name} returned {_describe(value)}; one number is needed, such as float(errors.mean())"
            )
        return float(value)

    return Metric(name, better, unit, needs, _EVERY, False, compute)


def _describe(value: Any) -> str:
    if value is None:
        return "None; a return is lacking"
    kind = type(value).__name__
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{kind} of shape {tuple(value.shape)} and type {value.dtype}"
    shown = repr(value)
    return f"{kind} {shown if len(shown) <= 60 else shown[:57] + '...'}"


def _find_users_place(error: Exception) -> str:
    """File and line of the last call in the user's own code: not in ours, an installed package or Python's library."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    library = Path(sysconfig.get_paths()["stdlib"]).resolve()
    installed = {"site-packages", "dist-packages"}
    own = []
    for frame in frames:
        path = Path(frame.filename).resolve()
        if path.is_file() and not path.is_relative_to(library) and not installed & set(path.parts):
            own.append(frame)
    frame = (own or frames or traceback.extract_tb(error.__traceback__))[-1]
    return f"{frame.filename}, line {frame.lineno}"
