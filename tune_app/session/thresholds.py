"""ROC and precision-recall curves from the outputs that fits of two classes left in side files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app.analysis.thresholds import CURVES, average_curves, sample_curve
from tune_app.records import RecordSet
from tune_app.records.thresholds import THRESHOLD_COLUMNS
from tune_app.session.backfill import Outputs, find_completed, find_task, read_outputs
from tune_app.study import TrialSpec


def build_thresholds(records: RecordSet, specs: Sequence[TrialSpec], folder: Path) -> pd.DataFrame | None:
    """One row per (curve, trial, x), averaged over the trial's fits whose scores are recorded; None without any.

    The positive class is the second. A fit that was tested on one class alone has no curve.
    """
    frames = []
    for spec in specs:
        curves: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in CURVES}
        for record in find_completed(records, [spec]):
            found = read_outputs(folder / record.outputs) if record.outputs else None
            if found is None:
                continue
            if not _is_of_two_classes(found):
                return None  # and neither are the others: the task is the study's
            outputs, targets, has_scores = found
            truth = targets == 1
            if has_scores and truth.any() and not truth.all():
                scores = outputs[:, 1].astype(np.float64) - outputs[:, 0]
                for kind in CURVES:
                    curves[kind].append(sample_curve(kind, truth, scores))
        frames += [
            average_curves(sampled).assign(curve=kind, trial=spec.id) for kind, sampled in curves.items() if sampled
        ]
    return pd.concat(frames, ignore_index=True)[list(THRESHOLD_COLUMNS)] if frames else None


def _is_of_two_classes(found: Outputs) -> bool:
    outputs, targets, _ = found
    return find_task(outputs, targets) == "classification" and outputs.shape[1:] == (2,)
