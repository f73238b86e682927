"""ROC and precision-recall curves of two classes: of one fit, and averaged over a condition's fits.

They are averaged, not pooled: scores of different fits need not be on one scale.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app.analysis.labels import build_rows
from tune_app.records.results import Results

ROC, PRECISION_RECALL = "roc", "precision-recall"
CURVES = (ROC, PRECISION_RECALL)
GRID = np.linspace(0, 1, 101)  # false-positive rates, or recalls, at which fits are averaged
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def build_roc(truth: NDArray[np.bool_], scores: NDArray[Any]) -> Curve:
    """False- and true-positive rates (T + 1,), from the strictest threshold down; equal scores are one threshold.

    `truth` (N,) says which samples are of the positive class, of which there are both kinds.
    """
    hits, alarms = _count(truth, scores)
    rates = (np.concatenate([[0.0], counts / counts[-1]]) for counts in (alarms, hits))
    false_positive, true_positive = rates
    return false_positive, true_positive


def build_precision_recall(truth: NDArray[np.bool_], scores: NDArray[Any]) -> Curve:
    """Recall and precision (T,), from the strictest threshold down; `truth` has a sample of the positive class."""
    hits, alarms = _count(truth, scores)
    return hits / hits[-1], hits / (hits + alarms)


def _count(truth: NDArray[np.bool_], scores: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True and false positives at each distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # the last sample of each distinct score
    hits = np.cumsum(truth[order], dtype=np.float64)[last]
    return hits, np.flatnonzero(last) + 1 - hits


def sample_curve(kind: str, truth: NDArray[np.bool_], scores: NDArray[Any]) -> NDArray[np.float64]:
    """The curve (101,) at `GRID`: the true-positive rate, linear between thresholds, or the precision.

    Of precision it is that of the strictest threshold that reaches the recall: between two there is none.
    """
    if kind == ROC:
        false_positive, true_positive = build_roc(truth, scores)
        place = np.searchsorted(false_positive, GRID, side="right") - 1
        after = np.minimum(place + 1, len(false_positive) - 1)
        width = false_positive[after] - false_positive[place]
        share = np.divide(GRID - false_positive[place], width, out=np.zeros_like(GRID), where=width > 0)
        found: NDArray[np.float64] = true_positive[place] + share * (true_positive[after] - true_positive[place])
        return found
    recall, precision = build_precision_recall(truth, scores)
    reached = np.searchsorted(recall, np.minimum(GRID, recall[-1]) - 1e-12, side="left")
    at_recall: NDArray[np.float64] = precision[reached]
    return at_recall


def average_curves(curves: Iterable[NDArray[np.float64]]) -> pd.DataFrame:
    """x, mean, low (lowest) and high (highest) of curves (101,) of as many fits as there are, and how many: fits."""
    stacked = np.stack(list(curves))
    columns = {"mean": stacked.mean(axis=0), "low": stacked.min(axis=0), "high": stacked.max(axis=0)}
    return pd.DataFrame({"x": GRID, **columns, "fits": len(stacked)})


def build_threshold_curves(results: Results) -> pd.DataFrame:
    """One row per (condition, curve, x): row, curve, x, mean, low, high, fits; over folds and replicates.

    Empty where no scores of two classes were recorded.
    """
    columns = ["row", "curve", "x", "mean", "low", "high", "fits"]
    if results.thresholds is None or results.thresholds.empty:
        return pd.DataFrame(columns=columns)
    labels = {spec.id: row.label for row in build_rows(results.study) for spec in row.trials}
    frame = results.thresholds[results.thresholds["trial"].isin(labels.keys())]
    frame = frame.assign(row=frame["trial"].map(labels), mean=frame["mean"] * frame["fits"])
    order = {label: place for place, label in enumerate(dict.fromkeys(labels.values()))}
    found = frame.groupby(["row", "curve", "x"], sort=False, as_index=False).agg(
        {"mean": "sum", "low": "min", "high": "max", "fits": "sum"}
    )
    found["mean"] /= found["fits"]
    return found.sort_values("row", key=lambda rows: rows.map(order), kind="stable")[columns]
