"""Tidy tables: a row per epoch, per fold. Every factor is a column of each. And how rows are labelled."""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from tune_app.analysis.intervals import wilson_interval
from tune_app.records import FoldRecord, record_to_dict, unpack_labels
from tune_app.records.results import Reference, Reported, Results
from tune_app.study import Study, TrialSpec

SINGLE_CLASS_SHARE = 0.99  # a few images that fall to another label are no learning
_LEFT_OUT = ("schema", "kind", "trial", "test_predictions")


def build_epochs(results: Results) -> pd.DataFrame:
    """One row per (trial, fold, epoch); units as in `EpochRecord`, folds counted from 1."""
    return _build_rows(results, "epoch")


def build_folds(results: Results) -> pd.DataFrame:
    """One row per (trial, fold), failed ones included; units as in `FoldRecord`, folds counted from 1.

    `single_class` is true where the network gives (nearly) every test image the same label: it has not learnt. The
    Wilson interval is that of this one network on other images, not of the method.
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
    """Whether the network tested gives 99% or more of the images the same label."""
    return record.test_predictions is not None and _is_single_class(record.test_predictions)


@lru_cache(maxsize=65_536)  # every table asks again
def _is_single_class(packed: str) -> bool:
    labels = unpack_labels(packed)
    return bool(np.bincount(labels).max() >= SINGLE_CLASS_SHARE * len(labels))


def find_reported(results: Results, spec: TrialSpec) -> Reported | None:
    """The figure reported for the trial's condition; another width, data set or number of images is another one."""
    reported = results.reference.get((spec.model, spec.regularizer, spec.folds))
    if reported is None or spec.width != 1 or spec.train_images is not None or spec.test_images is not None:
        return None
    return reported if reported.dataset in ("", spec.dataset) else None


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
