"""Means per condition, for every metric; test accuracy per trial and per grid entry."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from tune_app.analysis.cells import find_cells
from tune_app.analysis.contrast_rows import SHARES
from tune_app.analysis.crossed import CrossedTTest
from tune_app.analysis.estimands import METHODS, Inference, Sample, find_source, infer
from tune_app.analysis.frames import find_reported, is_single_class
from tune_app.analysis.labels import build_row_label
from tune_app.analysis.metrics import Scores, build_scores, find_overlap
from tune_app.analysis.sides import Condition
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import Metric, TrialSpec
from tune_app.study.metrics import list_summarised
from tune_app.study.once import once

# What the interval of a mean is called: it is that of the paired test, with the scores for differences.
INTERVALS = {
    METHODS["crossed", "paired"]: "crossed interval (fits × images)",
    METHODS["corrected", "paired"]: "corrected resampled interval",
    METHODS["fits", "paired"]: "t interval over fits",
    METHODS["replicates", "paired"]: "t interval over replicate means",
}
DESCRIBED = ("mean", "std", "min", "max", "ci95_low", "ci95_high", "method", "estimand", *SHARES)


def build_trials(results: Results) -> pd.DataFrame:
    """One row per trial: fits completed of planned, mean and spread over folds (sample standard deviation).

    The spread describes the folds; it is not the error of the mean. What must not be averaged has no mean, and `flags`
    says why. What was predicted is empty without a plan, or with one that an earlier version made.
    """
    planned: dict[Any, Any] = {} if results.plan is None else results.plan.set_index("trial").to_dict("index")
    rows = []
    for trial in results.study.grid_trials():
        spec = trial.spec
        summary = _summarise_fits(results, [spec])
        costs = _compare_costs(results, spec, planned.get(spec.id, {}))
        rows.append({"trial": spec.id, **spec.condition, "replicate": spec.replicate, **summary, **costs})
    return pd.DataFrame(rows)


def _compare_costs(results: Results, spec: TrialSpec, plan: Mapping[str, Any]) -> dict[str, float | None]:
    """Seconds of all fits and peak bytes, predicted; the peak as recorded."""
    seconds, memory = plan.get("predicted_fit_seconds"), plan.get("predicted_memory_bytes")
    records = (results.records.folds.get((spec.id, fold)) for fold in range(spec.folds))
    return {
        "predicted_seconds_total": None if seconds is None else seconds * spec.folds,
        "predicted_memory_bytes": memory,
        "peak_memory_bytes": max((r.peak_memory_bytes for r in records if r and r.peak_memory_bytes), default=None),
    }


def build_conditions(results: Results) -> list[pd.DataFrame]:
    """One table per grid entry, one row per condition over all its replicates, with the reported figure beside it.

    `difference` is our mean minus the reported figure, in accuracy.
    """
    tables = []
    for entry_trials in results.study.entries():
        groups: dict[tuple[Any, ...], list[TrialSpec]] = {}
        for trial in entry_trials:
            groups.setdefault(tuple(trial.spec.condition.values()), []).append(trial.spec)
        tables.append(pd.DataFrame([build_condition(results, specs) for specs in groups.values()]))
    return tables


def build_condition(results: Results, specs: Sequence[TrialSpec]) -> dict[str, Any]:
    """A row of `build_conditions`: the levels, the fits, means and intervals over the replicates `specs`."""
    reported = find_reported(results, specs[0])
    summary = _summarise_fits(results, specs)
    figure = reported.test_accuracy if reported else None
    mean = summary[f"{results.study.primary}_mean"]
    return {
        "row": build_row_label(specs[0], results.study),
        **specs[0].condition,
        "replicates": len(specs),
        **summary,
        "reported_test_accuracy": figure,
        "difference": None if figure is None or mean is None else mean - figure,
    }


def _summarise_fits(results: Results, specs: Sequence[TrialSpec]) -> dict[str, Any]:
    keys = [(spec.id, fold) for spec in specs for fold in range(spec.folds)]
    records = [results.records.folds[key] for key in keys if key in results.records.folds]
    stuck = sum(is_single_class(record) for record in records)
    failed = sum(record.status == "failed" for record in records)
    counts = {"failed": failed, "missing": len(keys) - len(records), "stuck on one class": stuck}
    primary = results.study.primary
    first, loss = (_summarise(results, tuple(specs), metric) for metric in (primary, "test_loss"))
    return {
        "fits_planned": len(keys),
        "fits_completed": sum(record.status == "completed" for record in records),
        **{f"{primary}_{name}": first[name] for name in DESCRIBED},
        "test_loss_mean": loss["mean"],
        "fit_seconds_total": sum(record.fit_seconds for record in records),
        "flags": ", ".join(f"{count} {what}" for what, count in counts.items() if count),
    }


def build_condition_scores(results: Results) -> pd.DataFrame:
    """One row per (metric, condition); the columns are in docs/results.md."""
    conditions = results.study.conditions()
    rows = [
        _condition_row(results, specs, metric)
        for metric in list_summarised(results.study.metrics.named)
        for specs in conditions
    ]
    return pd.DataFrame(rows)


def _condition_row(results: Results, specs: Condition, metric: Metric) -> dict[str, Any]:
    planned = [(spec.id, fold) for spec in specs for fold in range(spec.folds)]
    return {
        "metric": metric,
        "unit": results.study.describe_metric(metric).unit,
        "better": results.study.describe_metric(metric).better,
        "row": build_row_label(specs[0], results.study),
        **specs[0].condition,
        "replicates": len(specs),
        "fits_planned": len(planned),
        "fits_completed": sum(results.records.is_completed(*fit) for fit in planned),
        **_summarise(results, specs, metric),
    }


def _summarise(results: Results, specs: Condition, metric: Metric) -> Mapping[str, Any]:
    known, key = _keep_summaries(results), (tuple(spec.id for spec in specs), metric)
    if key not in known:
        known[key] = _build_summary(results, specs, metric)
    return known[key]


@once
def _keep_summaries(_: Results) -> dict[tuple[tuple[str, ...], Metric], Mapping[str, Any]]:
    """Where the summaries of these results are kept: half a dozen tables and figures ask for each."""
    return {}


def _build_summary(results: Results, specs: Condition, metric: Metric) -> Mapping[str, Any]:
    names = ("mean", "std", "min", "max", "ci95_low", "ci95_high")
    none = {"method": "", "estimand": "", "n": 0, **dict.fromkeys((*names, *SHARES))}
    try:
        scores = build_scores(results, specs, metric)
    except RefusedError as refusal:
        return none | {"reason": str(refusal)}
    found = infer_mean(results, specs, metric, scores)
    low, high = found.test.interval if found.test else (math.nan, math.nan)
    std = float(scores.std(ddof=1)) if scores.size > 1 else math.nan
    numbers = (scores.mean(), std, scores.min(), scores.max(), low, high)
    shares = found.test.shares if isinstance(found.test, CrossedTTest) else (None,) * len(SHARES)
    return {
        "method": found.method,
        "estimand": found.estimand or "",
        "n": scores.size,
        **dict(zip(names, map(float, numbers), strict=True)),
        **dict(zip(SHARES, shares, strict=True)),
        "reason": "",
    }


def infer_mean(results: Results, specs: Condition, metric: Metric, scores: Scores) -> Inference:
    """What the mean of a condition's scores is known with."""
    source = find_source(specs[0], metric)
    cells = find_cells(results, specs, metric) if source == "test" else None
    sample = Sample(scores, cells, find_overlap(results, specs))
    try:
        found = infer([sample], source, results.study.inference == "new-images")
        return replace(found, method=INTERVALS[found.method])
    except RefusedError as refusal:
        return Inference(reason=str(refusal))
