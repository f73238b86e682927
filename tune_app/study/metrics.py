"""How metrics are read: unit, direction, and which numbers of a record they are.

In records, claims and tables a metric's name begins with the part that it is of: `test_macro_f1`, `validation_loss`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tune_app.study.define import Definition

Better = Literal["higher", "lower"]
ROLES = ("test", "validation", "train", "holdout")
SHARE = "share"  # the unit of what lies between 0 and 1


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
SHIPPED_METRICS |= {
    name: MetricFacts("", "lower") for name in ("rmse", "mse", "mae", "median_absolute_error", "max_error")
}
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


def find_facts(metric: str, definitions: Mapping[str, Definition] | None = None) -> MetricFacts:
    """Unit and direction of a metric named with its part, such as `test_macro_f1`; KeyError for an unknown one."""
    if metric in _OF_A_FIT:
        return _OF_A_FIT[metric]
    role, _, name = metric.partition("_")
    if role not in ROLES:
        raise KeyError(metric)
    if name == "loss":
        return MetricFacts("nats/image", "lower")
    definition = (definitions or {}).get(name)
    if definition is not None and definition.kind == "metric":
        shipped = SHIPPED_METRICS.get(
            ALIASES.get(definition.reference, definition.reference), MetricFacts("", "higher")
        )
        unit = shipped.unit if definition.unit is None else definition.unit
        return MetricFacts(unit, definition.better or shipped.better)
    return SHIPPED_METRICS[ALIASES.get(name, name)]


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
