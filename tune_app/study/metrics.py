"""How metrics are read: unit, direction, and which numbers of a record they are.

In records, claims and tables a metric's name begins with the part that it is of: `test_macro_f1`, `validation_loss`.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from tune_app.study.define import Definition

Better = Literal["higher", "lower"]
ROLES = ("test", "validation", "train", "holdout")
SHARE = "share"  # the unit of what lies between 0 and 1
NATS_PER_IMAGE = "nats/image"


@dataclass(frozen=True)
class MetricFacts:
    """How a metric is read."""

    unit: str
    better: Better


# Of the metrics that ship; each is computed in `parts/metrics.py`.
SHIPPED_METRICS: dict[str, MetricFacts] = {
    name: MetricFacts(SHARE, "higher")
    for name in (
        *("accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "weighted_f1", "f1"),
        *("precision_macro", "recall_macro", "auroc", "average_precision", "top5_accuracy", "subset_accuracy"),
    )
}
SHIPPED_METRICS |= {name: MetricFacts("", "higher") for name in ("mcc", "kappa", "r2")}
SHIPPED_METRICS |= {name: MetricFacts(SHARE, "lower") for name in ("ece", "hamming_loss")}
_ERRORS = ("rmse", "mse", "mae", "median_absolute_error", "max_error")
SHIPPED_METRICS |= {"log_loss": MetricFacts("nats", "lower"), "brier": MetricFacts("", "lower")}
SHIPPED_METRICS |= {name: MetricFacts("", "lower") for name in _ERRORS}
# What tells the task of a study; of most metrics of classification there are several tasks.
_OF_NUMBERS = frozenset((*_ERRORS, "r2"))
_OF_LABELS = frozenset(("subset_accuracy", "hamming_loss"))
# Where the values of metrics end whose unit does not say so; those of errors end at 0.
_BOUNDS: dict[str, tuple[float, float]] = {"mcc": (-1, 1), "kappa": (-1, 1), "r2": (-math.inf, 1), "brier": (0, 2)}
_BOUNDS |= dict.fromkeys((*_ERRORS, "log_loss"), (0, math.inf))
_NATS = frozenset(("auto", "cross_entropy", "binary_cross_entropy"))  # losses that are cross-entropies
# What scikit-learn calls them, where we say it otherwise. Its neg_brier_score is another: that of two classes halved.
ALIASES = {
    "f1_macro": "macro_f1",
    "f1_micro": "micro_f1",
    "f1_weighted": "weighted_f1",
    "macro_precision": "precision_macro",
    "macro_recall": "recall_macro",
    "roc_auc": "auroc",
    "matthews_corrcoef": "mcc",
    "cohen_kappa": "kappa",
    "neg_log_loss": "log_loss",
    "neg_root_mean_squared_error": "rmse",
    "neg_mean_squared_error": "mse",
    "neg_mean_absolute_error": "mae",
    "neg_median_absolute_error": "median_absolute_error",
    "neg_max_error": "max_error",
}


_OF_A_FIT = {
    "validation_accuracy_auc": MetricFacts(SHARE, "higher"),
    "epochs_to_target": MetricFacts("epochs", "lower"),
    "fit_seconds": MetricFacts("s", "lower"),
}
_ACCURACY_STUDY = (
    *("test_accuracy", "test_loss", "train_accuracy", "validation_accuracy"),
    *("validation_accuracy_auc", "epochs_to_target", "fit_seconds"),
)


def is_epoch_metric(metric: str) -> bool:
    """Whether it has a value for each epoch, which a window of epochs averages."""
    return metric.startswith(("train_", "validation_", "holdout_")) and metric not in _OF_A_FIT


def find_facts(
    metric: str, definitions: Mapping[str, Definition] | None = None, loss_unit: str = NATS_PER_IMAGE
) -> MetricFacts:
    """Unit and direction of a metric named with its part, such as `test_macro_f1`; KeyError for an unknown one."""
    if metric in _OF_A_FIT:
        return _OF_A_FIT[metric]
    role, _, name = metric.partition("_")
    if role not in ROLES:
        raise KeyError(metric)
    if name == "loss":
        return MetricFacts(loss_unit, "lower")
    definition = (definitions or {}).get(name)
    if definition is not None and definition.kind == "metric":
        shipped = SHIPPED_METRICS.get(find_shipped(name, definitions), MetricFacts("", "higher"))
        unit = shipped.unit if definition.unit is None else definition.unit
        return MetricFacts(unit, definition.better or shipped.better)
    return SHIPPED_METRICS[ALIASES.get(name, name)]


def find_shipped(name: str, definitions: Mapping[str, Definition] | None = None) -> str:
    """The name by which the metric ships, or the reference of a study's own."""
    definition = (definitions or {}).get(name)
    reference = definition.reference if definition is not None and definition.kind == "metric" else name
    return ALIASES.get(reference, reference)


def find_bounds(metric: str, definitions: Mapping[str, Definition] | None = None) -> tuple[float, float] | None:
    """The least and the greatest value of a metric named with its part, infinite where there is none; None for both."""
    shipped = find_shipped(metric.partition("_")[2], definitions)
    if shipped in _BOUNDS:
        return _BOUNDS[shipped]
    # No share lies outside [0, 1]; of a study's own metrics the unit says so.
    return (0, 1) if find_facts(metric, definitions).unit == SHARE else None


def find_loss_unit(
    named: Collection[str], losses: Collection[str], definitions: Mapping[str, Definition], sample: str
) -> str:
    """The unit of a study's losses: nats per `sample` of a cross-entropy, empty for any other loss.

    `named` are the study's metrics: they tell its task, which decides what the loss `auto` is. Where they are all the
    user's own, the task is not known, and there is no unit.
    """
    shipped = {find_shipped(name, definitions) for name in named}
    used = {definitions[loss].reference if loss in definitions else loss for loss in losses}
    is_unknown = bool(named) and not shipped & SHIPPED_METRICS.keys()
    if not used <= _NATS or shipped & _OF_NUMBERS or ("auto" in used and is_unknown):
        return ""
    return "nats/label" if "binary_cross_entropy" in used or shipped & _OF_LABELS else f"nats/{sample}"


def list_summarised(named: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics of a study's tables, the primary one first; `named` are those that the study names."""
    if not named:
        return _ACCURACY_STUDY
    return (*(f"test_{name}" for name in named), "test_loss", f"validation_{named[0]}", "fit_seconds")


def list_known(named: tuple[str, ...]) -> tuple[str, ...]:
    """Every metric that a claim may be about."""
    names = dict.fromkeys((*named, "accuracy", "loss"))
    roles = [f"{role}_{name}" for name in names for role in ("test", "validation")]
    return tuple(dict.fromkeys((*roles, "train_accuracy", "train_loss", *_OF_A_FIT)))
