"""Scores of metrics that a study named or changed after its fits were made: computed from what was recorded."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app.data import Task
from tune_app.data.npz import UNREADABLE, open_npz
from tune_app.errors import StudyError
from tune_app.parts.fingerprints import fingerprint_metrics
from tune_app.parts.scoring import Scoring, build_scoring
from tune_app.records import FoldRecord, RecordSet, RecordStore, unpack_labels
from tune_app.study import Study, TrialSpec

OWN_FIT = "own fit"  # what records call the engine of a user's own fit
Outputs = tuple[NDArray[Any], NDArray[Any], bool]  # outputs (N, …), targets (N, …), whether the outputs are scores
# A trial → its test part's classes (N,), and how many classes there are; None without a test part.
FindTargets = Callable[[TrialSpec], tuple[NDArray[Any], int] | None]


def _build_from_labels(labels: NDArray[np.int64] | None, known: tuple[NDArray[Any], int] | None) -> Outputs | None:
    """Outputs that name the labels and are no scores, as a side file would hold them."""
    if labels is None or known is None or len(known[0]) != len(labels):
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
    for record in find_completed(store.records, specs):
        lacking = tuple(name for name in scoring.names if f"test_{name}" not in record.scores)
        found = _find_outputs(record, by_id[record.trial], folder, find_targets) if lacking else None
        if found is None:
            continue
        scores, reasons = _score(scoring, record, lacking, found)
        marked = _mark(record, scoring, scores, reasons, scores, root)
        if marked != record:
            store.append(marked)
            completed += bool(scores)
    return completed


def rescore(
    store: RecordStore,
    study: Study,
    specs: Sequence[TrialSpec],
    stale: Mapping[tuple[str, int], Collection[str]],
    folder: Path,
    root: Path | None = None,
    find_targets: FindTargets | None = None,
) -> int:
    """Append records whose scores by the `stale` metrics are of the metrics' present code; how many fits they are of.

    `stale` has the names by fit (trial, fold), of fits that `can_score` holds of; the rest is as in `add_metrics`. A
    score that is undefined now is left out. The epochs of networks lose their validation scores by these metrics, and
    the fits their best epoch by the primary one: outputs are kept of what was tested alone.
    """
    scoring, by_id = build_scoring(study), {spec.id: spec for spec in specs}
    rescored = 0
    for record in find_completed(store.records, specs):
        names = tuple(name for name in scoring.names if name in stale.get((record.trial, record.fold), ()))
        found = _find_outputs(record, by_id[record.trial], folder, find_targets) if names else None
        if found is None:
            continue
        scores, reasons = _score(scoring, record, names, found)
        lacking = {f"test_{name}" for name in names}
        left = {name: value for name, value in record.scores.items() if name not in lacking}
        if record.engine != OWN_FIT:  # the epochs of a user's own fit hold what the fit says
            _drop_from_epochs(store, record, names)
        best = None if scoring.names[0] in names else record.best_epoch
        store.append(_mark(replace(record, scores=left, best_epoch=best), scoring, scores, reasons, names, root))
        rescored += 1
    return rescored


def can_score(
    record: FoldRecord,
    spec: TrialSpec,
    metric: str,
    study: Study,
    folder: Path,
    find_targets: FindTargets | None = None,
) -> bool:
    """Whether a fit's score by the metric can be computed from what is recorded; arguments as of `add_metrics`."""
    found = _find_outputs(record, spec, folder, find_targets)
    if found is None:
        return False
    is_whole = record.outputs is not None and read_outputs(folder / record.outputs) is not None
    return is_whole or build_scoring(study).find(metric).needs == "labels"


def _find_outputs(
    record: FoldRecord, spec: TrialSpec, folder: Path, find_targets: FindTargets | None
) -> Outputs | None:
    """What was recorded of a fit to compute scores from: its side file, or what its labels give; None if neither."""
    found = read_outputs(folder / record.outputs) if record.outputs else None
    if found is None and record.predictions is not None and find_targets is not None:
        found = _build_from_labels(read_labels(record), find_targets(spec))
    return found


def read_labels(record: FoldRecord) -> NDArray[np.int64] | None:
    return None if record.predictions is None else unpack_labels(record.predictions).astype(np.int64)


def _score(
    scoring: Scoring, record: FoldRecord, names: tuple[str, ...], found: Outputs
) -> tuple[dict[str, float], dict[str, str]]:
    """The scores by metric, and for those that are undefined the reason; names as in a record."""
    outputs, targets, has_scores = found
    task = find_task(outputs, targets)
    labels = read_labels(record)
    scores, reasons = scoring.explain(names, outputs, targets, task, labels=labels, has_scores=has_scores)
    return scores, {f"test_{name}": reason for name, reason in reasons.items()}


def _mark(
    record: FoldRecord,
    scoring: Scoring,
    scores: Mapping[str, float],
    reasons: Mapping[str, str],
    names: Collection[str],
    root: Path | None,
) -> FoldRecord:
    """The record with the scores, and with the fingerprints of the named metrics as they are now."""
    own = {name: part for name, part in scoring.definitions.items() if name in names}
    named = {**record.scores, **{f"test_{name}": value for name, value in scores.items()}}
    defined = {name: reason for name, reason in record.undefined.items() if name not in named}
    code = {**record.fingerprints, **fingerprint_metrics(own, root)}
    return replace(record, scores=named, undefined={**defined, **reasons}, fingerprints=code)


def _drop_from_epochs(store: RecordStore, record: FoldRecord, names: Collection[str]) -> None:
    """Append the epochs of a fit without their validation scores by the named metrics, where they have such."""
    old = {f"validation_{name}" for name in names}
    for epoch in range(1, record.epochs + 1):
        found = store.records.epochs.get((record.trial, record.fold, epoch))
        if found and old & found.scores.keys():
            left = {name: value for name, value in found.scores.items() if name not in old}
            store.append(replace(found, scores=left))


def build_pooled(records: RecordSet, study: Study, folder: Path) -> pd.DataFrame:
    """One row per (metric, trial) where held-out folds are scored: the value over all held-out samples together.

    Columns: metric, trial, replicate, value, n (samples), reason. For metrics whose mean over folds is another number.
    """
    scoring, rows = build_scoring(study), list[dict[str, Any]]()
    specs = [trial.spec for trial in study.grid_trials() if study.test == "none"]
    for spec in specs:
        parts = [record for record in find_completed(records, [spec]) if record.outputs]
        read = [found for record in parts if (found := read_outputs(folder / str(record.outputs)))]
        if len(read) < spec.folds:
            continue
        rows += [_pool(scoring, name, spec, read) for name in scoring.names if not scoring.find(name).averages]
    return pd.DataFrame(rows, columns=["metric", "trial", "replicate", "value", "n", "reason"])


def _pool(scoring: Scoring, name: str, spec: TrialSpec, read: Sequence[Outputs]) -> dict[str, Any]:
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


def find_completed(records: RecordSet, specs: Sequence[TrialSpec]) -> Iterator[FoldRecord]:
    """The records of the trials' completed fits, in order."""
    for spec in specs:
        for fold in range(spec.folds):
            if records.is_completed(spec.id, fold):
                yield records.folds[spec.id, fold]


def read_outputs(path: Path) -> Outputs | None:
    """Outputs, targets, whether they are scores; None for a file that is gone or damaged."""
    try:
        with open_npz(path) as arrays:
            return arrays["outputs"], arrays["targets"], bool(arrays["has_scores"])
    except UNREADABLE:
        return None
