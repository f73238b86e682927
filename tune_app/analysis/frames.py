"""Tidy tables: a row per epoch, per fold, per trial, per condition. Every factor is a column of each."""

from typing import Any

import numpy as np
import pandas as pd

from tune_app.analysis.intervals import corrected_interval, wilson_interval
from tune_app.analysis.results import Reference, Results
from tune_app.records import FoldRecord, record_to_dict, unpack_labels
from tune_app.study import Study, TrialSpec

_LEFT_OUT = ("schema", "kind", "trial", "test_predictions")


def build_epochs(results: Results) -> pd.DataFrame:
    """One row per (trial, fold, epoch); units as in `EpochRecord`, folds counted from 1."""
    return _build_rows(results, "epoch")


def build_folds(results: Results) -> pd.DataFrame:
    """One row per (trial, fold), failed ones included; units as in `FoldRecord`, folds counted from 1.

    `single_class` is true where the network gives every test image the same label: it has not learnt. The Wilson
    interval is that of this one network on other images, not of the method.
    """
    return _build_rows(results, "fold")


def _build_rows(results: Results, kind: str) -> pd.DataFrame:
    conditions = {trial.spec.id: trial.spec.condition for trial in results.study.grid_trials()}
    rows = []
    for record in results.records.in_order(conditions):
        if isinstance(record, FoldRecord) != (kind == "fold"):
            continue
        content = record_to_dict(record)
        row = {"trial": record.trial, **conditions[record.trial]}
        row |= {name: value for name, value in content.items() if name not in _LEFT_OUT}
        row["fold"] = record.fold + 1
        if isinstance(record, FoldRecord):
            row["single_class"] = is_single_class(record)
            row["test_accuracy_wilson95_low"], row["test_accuracy_wilson95_high"] = _wilson(record)
        rows.append(row)
    return pd.DataFrame(rows)


def _wilson(record: FoldRecord) -> tuple[float | None, float | None]:
    if record.test_predictions is None or record.test_accuracy is None:
        return None, None
    images = len(unpack_labels(record.test_predictions))
    return wilson_interval(round(record.test_accuracy * images), images)


def is_single_class(record: FoldRecord) -> bool:
    """Whether the network tested gives every image the same label."""
    return record.test_predictions is not None and len(np.unique(unpack_labels(record.test_predictions))) == 1


def build_trials(results: Results) -> pd.DataFrame:
    """One row per trial: fits completed of planned, mean and spread over folds (sample standard deviation).

    The spread describes the folds; it is not the error of the mean.
    """
    rows = []
    for trial in results.study.grid_trials():
        spec = trial.spec
        summary = _summarise(results, [spec])
        rows.append({"trial": spec.id, **spec.condition, "replicate": spec.replicate, **summary})
    return pd.DataFrame(rows)


def build_conditions(results: Results) -> list[pd.DataFrame]:
    """One table per grid entry, one row per condition over all its replicates, with the reported figure beside it.

    `difference` is our mean minus the reported figure, in accuracy; a narrower network than the reported one has none.
    """
    tables = []
    study = results.study
    for entry_trials in study.entries():
        groups: dict[tuple[Any, ...], list[TrialSpec]] = {}
        for trial in entry_trials:
            groups.setdefault(tuple(trial.spec.condition.values()), []).append(trial.spec)
        tables.append(pd.DataFrame([_condition_row(results, specs) for specs in groups.values()]))
    return tables


def _condition_row(results: Results, specs: list[TrialSpec]) -> dict[str, Any]:
    spec = specs[0]
    reported = results.reference.get((spec.model, spec.regularizer, spec.folds)) if spec.width == 1 else None
    summary = _summarise(results, specs)
    figure = reported.test_accuracy if reported else None
    mean = summary["test_accuracy_mean"]
    return {
        "row": build_row_label(spec, results.study, results.reference),
        **spec.condition,
        "replicates": len(specs),
        **summary,
        "reported_test_accuracy": figure,
        "difference": None if figure is None or mean is None else mean - figure,
    }


def _summarise(results: Results, specs: list[TrialSpec]) -> dict[str, Any]:
    keys = [(spec.id, fold) for spec in specs for fold in range(spec.folds)]
    records = [results.records.folds[key] for key in keys if key in results.records.folds]
    # Under carry-over one network goes through all folds; the last fold's is the one that the trial ends with.
    dependent, last = specs[0].has_dependent_folds, specs[0].folds - 1
    counted = [record for record in records if not dependent or record.fold == last]
    scores = [record.test_accuracy for record in counted if record.test_accuracy is not None]
    losses = [record.test_loss for record in counted if record.test_loss is not None]
    low, high = corrected_interval(scores, 1 if dependent else specs[0].folds)
    stuck = sum(is_single_class(record) for record in records)
    failed = sum(record.status == "failed" for record in records)
    notes = [f"{failed} failed"] * (failed > 0) + [f"{stuck} stuck on one class"] * (stuck > 0)
    return {
        "fits_planned": len(keys),
        "fits_completed": sum(record.status == "completed" for record in records),
        "test_accuracy_mean": float(np.mean(scores)) if scores else None,
        "test_accuracy_std": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        "test_accuracy_min": min(scores, default=None),
        "test_accuracy_max": max(scores, default=None),
        "test_accuracy_ci95_low": low if len(scores) > 1 else None,
        "test_accuracy_ci95_high": high if len(scores) > 1 else None,
        "test_loss_mean": float(np.mean(losses)) if losses else None,
        "fit_seconds_total": sum(record.fit_seconds for record in records),
        "flags": ", ".join(notes),
    }


def build_row_label(spec: TrialSpec, study: Study, reference: Reference) -> str:
    """The reference's own label where there is one; what else varies in the study stands behind it."""
    reported = reference.get((spec.model, spec.regularizer, spec.folds))
    label = reported.row if reported else f"{spec.model} {spec.regularizer} (folds={spec.folds})"
    others = [name for name in study.varying_factors() if name not in ("model", "regularizer", "folds", "width")]
    extra = [_spell_level(name, spec.condition[name]) for name in others]
    if spec.width != 1:
        extra.insert(0, f"width {spec.width:g}")
    return f"{label}, {', '.join(extra)}" if extra else label


def _spell_level(factor: str, level: Any) -> str:
    if factor == "protocol":
        return str(level)
    if factor == "train_images":
        return "all images" if level is None else f"{level:,} images"
    return f"{factor.replace('_', ' ')} {level}"
