"""Scores of metrics that a study named after its fits were made: computed from what was recorded, trained never."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app.data import Task
from tune_app.errors import StudyError
from tune_app.parts.fingerprints import fingerprint_metrics
from tune_app.parts.scoring import Scoring, build_scoring
from tune_app.records import FoldRecord, RecordSet, RecordStore, unpack_labels
from tune_app.study import Study, TrialSpec

# A trial → its test part's classes (N,), and how many classes there are; None without a test part.
FindTargets = Callable[[TrialSpec], tuple[NDArray[Any], int] | None]


def _build_from_labels(
    labels: NDArray[np.int64], known: tuple[NDArray[Any], int] | None
) -> tuple[NDArray[Any], NDArray[Any], bool] | None:
    """Outputs that name the labels and are no scores, as a side file would hold them."""
    if known is None or len(known[0]) != len(labels):
        return None
    return np.eye(known[1], dtype=np.float16)[labels], known[0], False


def add_metrics(
    store: RecordStore,
    study: Study,
    specs: Sequence[TrialSpec],
    folder: Path,
    root: Path | None = None,
    find_targets: FindTargets | None = None,
) -> int:
    """Append records with the scores that the study names and they lack; how many records were so completed.

    Side files lie below `folder`; what metrics read, below `root`. A fit whose outputs were not kept stays without the
    score, and its tables say so; where `find_targets` gives the classes of a trial's test part, the labels that are
    recorded serve for metrics that need no more.
    """
    scoring, by_id = build_scoring(study), {spec.id: spec for spec in specs}
    completed = 0
    for record in _find_completed(store.records, specs):
        lacking = tuple(name for name in scoring.names if f"test_{name}" not in record.scores)
        labels = None if record.predictions is None else unpack_labels(record.predictions).astype(np.int64)
        found = _read_outputs(folder / record.outputs) if lacking and record.outputs else None
        if found is None and lacking and labels is not None and find_targets is not None:
            found = _build_from_labels(labels, find_targets(by_id[record.trial]))
        if not lacking or found is None:
            continue
        outputs, targets, has_scores = found
        task = find_task(outputs, targets)
        scores, reasons = scoring.explain(lacking, outputs, targets, task, labels=labels, has_scores=has_scores)
        undefined = {f"test_{name}": reason for name, reason in reasons.items()}
        if scores or undefined != record.undefined:
            named = {**record.scores, **{f"test_{name}": value for name, value in scores.items()}}
            own = {name: part for name, part in scoring.definitions.items() if name in scores}
            code = {**record.fingerprints, **fingerprint_metrics(own, root)}
            store.append(replace(record, scores=named, fingerprints=code, undefined=undefined))
            completed += bool(scores)
    return completed


def build_pooled(records: RecordSet, study: Study, folder: Path) -> pd.DataFrame:
    """One row per (metric, trial) where held-out folds are scored: the value over all held-out samples together.

    Columns: metric, trial, replicate, value, n (samples), reason. For metrics whose mean over folds is another number.
    """
    scoring, rows = build_scoring(study), list[dict[str, Any]]()
    specs = [trial.spec for trial in study.grid_trials() if study.test == "none"]
    for spec in specs:
        parts = [record for record in _find_completed(records, [spec]) if record.outputs]
        read = [found for record in parts if (found := _read_outputs(folder / str(record.outputs)))]
        if len(read) < spec.folds:
            continue
        rows += [_pool(scoring, name, spec, read) for name in scoring.names if not scoring.find(name).averages]
    return pd.DataFrame(rows, columns=["metric", "trial", "replicate", "value", "n", "reason"])


def _pool(
    scoring: Scoring, name: str, spec: TrialSpec, read: Sequence[tuple[NDArray[Any], NDArray[Any], bool]]
) -> dict[str, Any]:
    outputs, targets = (np.concatenate([part[index] for part in read]) for index in (0, 1))
    row = {"metric": f"test_{name}", "trial": spec.id, "replicate": spec.replicate, "value": None, "n": len(targets)}
    task = find_task(outputs, targets)
    if not all(part[2] for part in read) and scoring.find(name).needs == "scores":
        return row | {"reason": "it needs scores, and the condition gives labels alone."}
    try:
        value, reasons = scoring.explain((name,), outputs, targets, task)
    except StudyError as error:
        return row | {"reason": str(error)}
    reason = f"{name} is undefined: {reasons[name]}." if reasons else ""
    return row | {"value": value.get(name), "reason": reason}


def find_task(outputs: NDArray[Any], targets: NDArray[Any]) -> Task:
    """The kind of task that a side file is of, as its types tell: numbers of a regression are float32."""
    if outputs.dtype == np.float32:
        return "regression"
    return "multilabel" if targets.ndim == 2 else "classification"


def _find_completed(records: RecordSet, specs: Sequence[TrialSpec]) -> Iterator[FoldRecord]:
    for spec in specs:
        for fold in range(spec.folds):
            if records.is_completed(spec.id, fold):
                yield records.folds[spec.id, fold]


def _read_outputs(path: Path) -> tuple[NDArray[Any], NDArray[Any], bool] | None:
    """Outputs, targets, whether they are scores; None for a file that is gone or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays["outputs"], arrays["targets"], bool(arrays["has_scores"])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None
