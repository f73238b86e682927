"""Means per condition, for every metric."""

import math
from typing import Any

import pandas as pd

from tune_app.analysis.contrasts import Condition
from tune_app.analysis.frames import build_row_label
from tune_app.analysis.intervals import corrected_interval
from tune_app.analysis.metrics import METRICS, SUMMARISED, RefusedError, build_scores
from tune_app.analysis.results import Results
from tune_app.study import Metric

METHOD = "mean over replicates and folds, corrected resampled interval"
DEPENDENT_METHOD = "mean over replicates (carry-over: the last fold's network), t interval"


def build_condition_scores(results: Results) -> pd.DataFrame:
    """One row per (metric, condition); the columns are in docs/results.md."""
    conditions = results.study.conditions()
    rows = [_condition_row(results, specs, metric) for metric in SUMMARISED for specs in conditions]
    return pd.DataFrame(rows)


def _condition_row(results: Results, specs: Condition, metric: Metric) -> dict[str, Any]:
    planned = [(spec.id, fold) for spec in specs for fold in range(spec.folds)]
    return {
        "metric": metric,
        "unit": METRICS[metric].unit,
        "better": METRICS[metric].better,
        "row": build_row_label(specs[0], results.study, results.reference),
        **specs[0].condition,
        "replicates": len(specs),
        "fits_planned": len(planned),
        "fits_completed": sum(results.records.is_completed(*fit) for fit in planned),
        **_summarise(results, specs, metric),
    }


def _summarise(results: Results, specs: Condition, metric: Metric) -> dict[str, Any]:
    names = ("mean", "std", "min", "max", "ci95_low", "ci95_high")
    try:
        scores = build_scores(results, specs, metric)
    except RefusedError as refusal:
        return {"method": "", "n": 0, **dict.fromkeys(names), "reason": str(refusal)}
    low, high = corrected_interval(scores.ravel().tolist(), scores.shape[1])
    std = scores.std(ddof=1) if scores.size > 1 else math.nan
    numbers = (scores.mean(), std, scores.min(), scores.max(), low, high)
    return {
        "method": DEPENDENT_METHOD if specs[0].has_dependent_folds else METHOD,
        "n": scores.size,
        **dict(zip(names, map(float, numbers), strict=True)),
        "reason": "",
    }
