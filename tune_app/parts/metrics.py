"""Metrics by scikit-learn's names: one table, their values from outputs or labels, a sentence where there is none."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tune_app.data.model import Task
from tune_app.errors import RefusedError, StudyError, choices

Compute = Callable[[NDArray[Any], NDArray[Any]], float]  # targets (N, …), labels or probabilities (N, …) → the value
BINS = 15  # of the calibration error: equal widths of the confidence in the class named


@dataclass(frozen=True)
class Metric:
    """How a metric is read and computed.

    `needs`: labels, or scores as well. `tasks` are those that it is for. `averages`: whether its mean over folds is
    its value over all samples; of others the value over all held-out samples together is given as well. `function`
    takes labels, or probabilities (numbers of a regression); `raw` says that it takes a network's outputs instead.
    """

    name: str
    better: Literal["higher", "lower"]
    unit: str
    needs: Literal["labels", "scores"]
    tasks: tuple[Task, ...]
    averages: bool
    function: Compute
    raw: bool = False


def _of_sklearn(name: str, **options: Any) -> Compute:
    def compute(targets: NDArray[Any], given: NDArray[Any]) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(targets, given, **options))

    return compute


def _auroc(targets: NDArray[Any], shares: NDArray[Any]) -> float:
    from sklearn.metrics import roc_auc_score

    if targets.ndim == 2:
        _check_columns("auroc", targets)
        return float(roc_auc_score(targets, shares, average="macro"))
    _check_classes("auroc", targets, shares.shape[1])
    if shares.shape[1] == 2:
        return float(roc_auc_score(targets, shares[:, 1]))
    return float(roc_auc_score(targets, shares, multi_class="ovr", average="macro", labels=range(shares.shape[1])))


def _average_precision(targets: NDArray[Any], shares: NDArray[Any]) -> float:
    from sklearn.metrics import average_precision_score

    if targets.ndim == 2:
        _check_columns("average_precision", targets)
        return float(average_precision_score(targets, shares, average="macro"))
    _check_classes("average_precision", targets, shares.shape[1])
    if shares.shape[1] == 2:
        return float(average_precision_score(targets, shares[:, 1]))
    return float(average_precision_score(np.eye(shares.shape[1])[targets], shares, average="macro"))


def _check_classes(name: str, targets: NDArray[Any], classes: int) -> None:
    absent = sorted(set(range(classes)) - set(np.unique(targets).tolist()))
    if absent:
        raise RefusedError(
            f"{name} is undefined: no sample of class {', '.join(map(str, absent))} is among those tested."
        )


def _check_columns(name: str, targets: NDArray[Any]) -> None:
    constant = [column for column in range(targets.shape[1]) if len(np.unique(targets[:, column])) < 2]
    if constant:
        raise RefusedError(f"{name} is undefined: label {', '.join(map(str, constant))} is the same for every sample.")


def _log_loss(targets: NDArray[Any], shares: NDArray[Any]) -> float:
    clipped = np.clip(shares, 1e-15, None)
    if targets.ndim == 2:
        rest = np.clip(1 - shares, 1e-15, None)
        return float(-np.mean(targets * np.log(clipped) + (1 - targets) * np.log(rest)))
    return float(-np.mean(np.log(clipped[np.arange(len(targets)), targets])))


def _brier(targets: NDArray[Any], shares: NDArray[Any]) -> float:
    """Brier's own definition: squared differences summed over classes, so 0 to 2 for classes that exclude others."""
    truth = targets if targets.ndim == 2 else np.eye(shares.shape[1])[targets]
    return float(np.mean(np.sum((shares - truth) ** 2, axis=1)))


def _calibration_error(targets: NDArray[Any], shares: NDArray[Any]) -> float:
    """Guo et al. 2017: the mean gap between confidence and accuracy in bins, weighted by their samples."""
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == targets
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) * np.mean(bins == b) for b in np.unique(bins)]
    return float(np.sum(gaps))


def _top5(targets: NDArray[Any], shares: NDArray[Any]) -> float:
    order = np.argsort(-shares, axis=1, kind="stable")[:, :5]
    return float(np.mean((order == targets[:, None]).any(axis=1)))


def _r2(targets: NDArray[Any], given: NDArray[Any]) -> float:
    if len(targets) < 2 or np.any(np.ptp(targets, axis=0) == 0):
        raise RefusedError("r2 is undefined: the targets tested are all the same.")
    return _of_sklearn("r2_score")(targets, given)


def _mcc(targets: NDArray[Any], labels: NDArray[Any]) -> float:
    if len(np.unique(targets)) < 2:
        raise RefusedError("mcc is undefined: the samples tested are all of one class.")
    return _of_sklearn("matthews_corrcoef")(targets, labels)


def _kappa(targets: NDArray[Any], labels: NDArray[Any]) -> float:
    if len(np.unique(np.concatenate([targets, labels]))) < 2:
        raise RefusedError("kappa is undefined: targets and labels are all of one class.")
    return _of_sklearn("cohen_kappa_score")(targets, labels)


_CLASSES: tuple[Task, ...] = ("classification",)
_LABELS: tuple[Task, ...] = ("classification", "multilabel")
_MULTILABEL: tuple[Task, ...] = ("multilabel",)
_NUMBERS: tuple[Task, ...] = ("regression",)


def _average(name: str, kind: str, average: str) -> tuple[str, str, bool, tuple[Task, ...], Compute]:
    return name, "labels", False, _LABELS, _of_sklearn(kind, average=average, zero_division=np.nan)


_SHARES: tuple[tuple[str, str, bool, tuple[Task, ...], Compute], ...] = (
    ("accuracy", "labels", True, _CLASSES, _of_sklearn("accuracy_score")),
    ("balanced_accuracy", "labels", False, _CLASSES, _of_sklearn("balanced_accuracy_score")),
    _average("macro_f1", "f1_score", "macro"),
    _average("micro_f1", "f1_score", "micro"),
    _average("weighted_f1", "f1_score", "weighted"),
    _average("macro_precision", "precision_score", "macro"),
    _average("macro_recall", "recall_score", "macro"),
    ("f1", "labels", False, _CLASSES, _of_sklearn("f1_score", average="binary", zero_division=np.nan)),
    ("auroc", "scores", False, _LABELS, _auroc),
    ("average_precision", "scores", False, _LABELS, _average_precision),
    ("mcc", "labels", False, _CLASSES, _mcc),
    ("kappa", "labels", False, _CLASSES, _kappa),
    ("top5_accuracy", "scores", True, _CLASSES, _top5),
    ("subset_accuracy", "labels", True, _MULTILABEL, _of_sklearn("accuracy_score")),
    ("r2", "scores", False, _NUMBERS, _r2),
)
_COSTS: tuple[tuple[str, str, bool, tuple[Task, ...], str, Compute], ...] = (
    ("log_loss", "scores", True, _LABELS, "nats", _log_loss),
    ("brier", "scores", True, _LABELS, "", _brier),
    ("ece", "scores", False, _CLASSES, "share", _calibration_error),
    ("hamming_loss", "labels", True, _MULTILABEL, "share", _of_sklearn("hamming_loss")),
    ("rmse", "scores", False, _NUMBERS, "", _of_sklearn("root_mean_squared_error")),
    ("mse", "scores", True, _NUMBERS, "", _of_sklearn("mean_squared_error")),
    ("mae", "scores", True, _NUMBERS, "", _of_sklearn("mean_absolute_error")),
    ("median_absolute_error", "scores", False, _NUMBERS, "", _of_sklearn("median_absolute_error")),
)
METRICS: dict[str, Metric] = {
    **{n: Metric(n, "higher", "share", needs, tasks, av, f) for n, needs, av, tasks, f in _SHARES},  # type: ignore[arg-type]
    **{n: Metric(n, "lower", unit, needs, tasks, av, f) for n, needs, av, tasks, unit, f in _COSTS},  # type: ignore[arg-type]
}
# What scikit-learn calls them, where we say it otherwise.
ALIASES = {"f1_macro": "macro_f1", "f1_micro": "micro_f1", "f1_weighted": "weighted_f1", "roc_auc": "auroc"}
ALIASES |= {"precision_macro": "macro_precision", "recall_macro": "macro_recall", "matthews_corrcoef": "mcc"}
ALIASES |= {"cohen_kappa": "kappa", "neg_log_loss": "log_loss", "neg_root_mean_squared_error": "rmse"}
ALIASES |= {"neg_mean_absolute_error": "mae", "neg_mean_squared_error": "mse"}


def find_metric(name: str) -> Metric:
    """The metric of that name; StudyError with near matches if none ships."""
    metric = METRICS.get(ALIASES.get(name, name))
    if metric is None:
        raise StudyError(f"unknown metric {name!r}{choices(name, METRICS)}")
    return metric


def compute_labels(outputs: NDArray[Any], task: Task) -> NDArray[Any]:
    """What a network's outputs name: the class of the largest, the labels above 0, the numbers themselves."""
    if task == "classification":
        return np.asarray(outputs.argmax(axis=1))
    return (outputs > 0).astype(np.uint8) if task == "multilabel" else outputs


def compute_probabilities(outputs: NDArray[Any], task: Task) -> NDArray[np.float64]:
    """Softmax or sigmoid of a network's outputs, in float64; the numbers of a regression stay."""
    values = outputs.astype(np.float64)
    if task == "classification":
        shifted = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
    if task == "multilabel":
        return np.asarray(np.exp(-np.logaddexp(0, -values)))
    return values


def compute_metric(metric: Metric, targets: NDArray[Any], outputs: NDArray[Any], task: Task) -> float:
    """The metric's value from a network's outputs (N, …); RefusedError where it is undefined for these samples."""
    if metric.needs == "labels":
        return compute_from_labels(metric, targets, compute_labels(outputs, task), task)
    if task == "regression":
        outputs = outputs.reshape(targets.shape)
    return _compute(metric, targets, outputs if metric.raw else compute_probabilities(outputs, task), task)


def compute_from_labels(
    metric: Metric, targets: NDArray[Any], labels: NDArray[Any], task: Task, classes: int = 0
) -> float:
    """The value of a metric that needs labels alone; RefusedError where it is undefined for these samples."""
    if task == "regression":
        labels = labels.reshape(targets.shape)
    return _compute(metric, targets, labels, task)


def _compute(metric: Metric, targets: NDArray[Any], given: NDArray[Any], task: Task) -> float:
    if task not in metric.tasks:
        raise RefusedError(f"{metric.name} is a metric of {' and '.join(metric.tasks)}, and this is a {task}.")
    if task == "multilabel":
        targets = targets.astype(np.int64)
    with warnings.catch_warnings():
        # What scikit-learn warns of is said below, as a number that there is not.
        warnings.simplefilter("ignore")
        value = metric.function(targets, given)
    if not np.isfinite(value):
        raise RefusedError(
            f"{metric.name} is undefined for the {len(targets)} samples tested: a class or label is absent."
        )
    return value


def build_users_metric(
    name: str,
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    better: Literal["higher", "lower"] = "higher",
    unit: str = "",
    needs: Literal["labels", "scores"] = "scores",
) -> Metric:
    """A user's function `(targets, outputs, …) -> float` as a metric; it is given labels if it needs no more.

    NaN from it means undefined. StudyError for anything else than a number, or for what it raises.
    """

    def compute(targets: NDArray[Any], given: NDArray[Any]) -> float:
        try:
            value = function(targets, given, **arguments)
        except Exception as error:
            raise StudyError(f"metric {name} failed: {type(error).__name__}: {error} ({_find_place(error)})") from error
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
            raise StudyError(f"metric {name} gave {type(value).__name__}{shape}; one number is needed")
        return float(value)

    every: tuple[Task, ...] = ("classification", "multilabel", "regression")
    return Metric(name, better, unit, needs, every, False, compute, raw=True)


def _find_place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}" if trace else "no place known"
