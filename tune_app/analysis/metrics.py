"""Scores of fits by metric, or a sentence that says why there are none."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tune_app.analysis.frames import is_single_class
from tune_app.analysis.labels import build_row_label
from tune_app.analysis.speed import build_area_under_curve, find_epochs_to_target
from tune_app.analysis.undefined import describe_undefined
from tune_app.errors import RefusedError
from tune_app.records import FoldRecord
from tune_app.records.results import Results
from tune_app.study import Metric, Study, TrialSpec, Window
from tune_app.study.metrics import is_epoch_metric
from tune_app.study.once import once

Scores = NDArray[np.float64]  # (replicate, fold)


def choose_rope(study: Study, metric: Metric) -> float:
    """The half-width of the region of practical equivalence, 0 for a metric that has none."""
    return study.find_rope(metric)


def find_overlap(results: Results, specs: Sequence[TrialSpec]) -> float | None:
    """n_test/n_train, the mean over the splits, where records give the sizes; None where folds are even."""
    sizes = [
        (record.n_test, record.n_train)
        for spec in specs
        for record in find_folds(results, spec)
        if record and record.n_test and record.n_train
    ]
    return float(np.mean([test / train for test, train in sizes])) if sizes else None


def find_mixed_code(results: Results, specs: Sequence[TrialSpec]) -> str:
    """The first part, or the data, of which the fits have several versions; empty if none, or if asserted."""
    if (results.environment or {}).get("same_code"):
        return ""
    seen: dict[str, set[str]] = {}
    for spec in specs:
        for record in find_folds(results, spec):
            for kind, value in record.fingerprints.items() if record else ():
                part = {"model": f"model {spec.model}", "data": f"data set {spec.dataset}"}.get(kind, f"part {kind}")
                seen.setdefault(part, set()).add(value)
    return next((part for part, values in seen.items() if len(values) > 1), "")


def build_scores(results: Results, specs: Sequence[TrialSpec], metric: Metric, window: Window | None = None) -> Scores:
    """The scores (replicate, fold) of a condition; where folds are joined (replicate, 1), those of the last.

    `window` is the first and last epoch that an epoch metric is averaged over, the last epoch alone if left out. Raises
    RefusedError for a missing fold, one that names a single class, or one that never reaches the target.
    """
    if metric == "fit_seconds" and (shared := _find_shared(results.study, specs)):
        raise RefusedError(f"{_label(results, specs)} shares its training with {shared}: its time is counted once.")
    records = [find_folds(results, spec) for spec in specs]
    fits = [record for row in records for record in row if record is not None]
    planned = sum(spec.folds for spec in specs)
    if len(fits) < planned:
        raise RefusedError(
            f"{_label(results, specs)} has fits {len(fits)}/{planned}: a mean over some of the folds is another "
            "number; run the study again to complete it."
        )
    stuck = sum(map(is_single_class, fits))
    if stuck:
        raise RefusedError(
            f"{stuck} of the {planned} networks of {_label(results, specs)} give (nearly) every test image the same "
            "label: they have not learnt, and a mean of learnt and unlearnt networks describes neither."
        )
    if undefined := describe_undefined(fits, metric):
        raise RefusedError(undefined)
    scores = [
        [_score(results, spec, record, metric, window) for record in row if record]
        for spec, row in zip(specs, records, strict=True)
    ]
    late = sum(score is None for row in scores for score in row)
    if late:
        raise RefusedError(
            f"{late} of the {planned} networks of {_label(results, specs)} never reach a validation accuracy of "
            f"{results.study.target_accuracy:g}, so their number of epochs is not known; train longer, set a lower "
            "target_accuracy, or use validation_accuracy_auc."
        )
    array = np.array(scores, dtype=np.float64)
    # One network went through all folds: they are one observation, the network as it came out of the last one.
    return array[:, -1:] if specs[0].has_dependent_folds else array


def build_replicate_scores(results: Results, specs: Sequence[TrialSpec]) -> NDArray[np.float64]:
    """The primary score of each replicate: the mean over its folds, or its last fold's. Raises RefusedError."""
    scores: NDArray[np.float64] = build_scores(results, specs, results.study.primary).mean(axis=1)
    return scores


def _find_shared(study: Study, specs: Sequence[TrialSpec]) -> str:
    """Another trial of the study that has its fits in common with one of `specs`."""
    trainings = _group_by_training(study)
    sharing = {other: spec.id for spec in specs for other in trainings.get(spec.training.id, ())}
    return next((other for other in sharing if other != sharing[other]), "")


@once
def _group_by_training(study: Study) -> Mapping[str, Sequence[str]]:
    """The id of a training → the trials that have its fits in common."""
    found: dict[str, list[str]] = {}
    for trial in study.grid_trials():
        found.setdefault(trial.spec.training.id, []).append(trial.spec.id)
    return found


def _label(results: Results, specs: Sequence[TrialSpec]) -> str:
    return build_row_label(specs[0], results.study)


def find_folds(results: Results, spec: TrialSpec) -> list[FoldRecord | None]:
    """The completed records of a trial's folds, None for each that there is not."""
    trial = spec.id
    records = [results.records.folds.get((trial, fold)) for fold in range(spec.folds)]
    return [record if record and record.status == "completed" else None for record in records]


def _score(
    results: Results, spec: TrialSpec, record: FoldRecord, metric: Metric, window: Window | None
) -> float | None:
    if metric == "fit_seconds":
        return record.fit_seconds
    if metric in record.scores:
        return record.scores[metric]
    last = record.epochs if spec.recipe.patience else spec.recipe.epochs
    if not record.epochs:
        raise RefusedError(f"{_label(results, [spec])} is fitted at once: it has no epochs, and no {metric}.")
    by_epoch = is_epoch_metric(metric)
    first_epoch, last_epoch = window or ((last, last) if by_epoch else (1, last))
    name = metric if by_epoch else "validation_accuracy"
    epochs = [results.records.epochs.get((record.trial, record.fold, n)) for n in range(first_epoch, last_epoch + 1)]
    if None in epochs:
        raise RefusedError(
            f"{record.trial}, fold {record.fold + 1}, lacks epochs in the records; run it again with --fresh."
        )
    found = [epoch.scores.get(name) for epoch in epochs if epoch]
    curve = [score for score in found if score is not None]
    if len(curve) < len(found):
        raise RefusedError(f"{name} is not recorded for every epoch of {record.trial}, fold {record.fold + 1}.")
    if metric == "epochs_to_target":
        return find_epochs_to_target(curve, results.study.target_accuracy)
    return build_area_under_curve(curve)
