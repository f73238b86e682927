"""Records and study of a results folder, held against each other: no table, no torch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tune_app.errors import RecordError
from tune_app.records import RECORDS_FILE, EpochRecord, FoldRecord, Record, unpack_labels
from tune_app.records.lines import has_checksum
from tune_app.records.results import Results
from tune_app.session.verification.check import Check, count, join_names, name_fit
from tune_app.study import TrialSpec

ROUNDING = 1e-12  # of a share that is counted again


def check_lines(folder: Path, results: Results) -> Check:
    """Every line of the records by its checksum."""
    lines = [line for line in (folder / RECORDS_FILE).read_bytes().split(b"\n") if line.strip()]
    proven = sum(map(has_checksum, lines))
    told = f"{count(proven, 'line')}, and the checksum of each is that of its text."
    if proven < len(lines):
        rest = f"{count(len(lines) - proven, 'line')} with no checksums (written by an older version)."
        told = f"{told} {rest}" if proven else rest
    problems = [
        f"{RECORDS_FILE}, {f'line {line.number}' if line.number else 'the last line'}: {line.reason}."
        for line in results.damaged
    ]
    return Check("Records", told, tuple(problems))


def check_ids(results: Results) -> Check:
    """Every record by the study: ids, which are hashes of what the trials are, replicates, folds and epochs."""
    specs = {trial.spec.id: trial.spec for trial in results.study.grid_trials()}
    records: list[Record] = [*results.records.folds.values(), *results.records.epochs.values()]
    strangers = sorted({record.trial for record in records} - specs.keys())
    problems = []
    if strangers:
        problems.append(f"{count(len(strangers), 'trial')} of the records not in the study: {join_names(strangers)}.")
    for record in records:
        if record.trial in specs:
            problems += _find_odd(record, specs[record.trial])
    fits = sum(spec.folds for spec in specs.values())
    done = sum(results.records.is_completed(spec.id, fold) for spec in specs.values() for fold in range(spec.folds))
    told = f"each record belongs to one of the {count(len(specs), 'trial')} of the study; {done:,} of {fits:,} fits"
    return Check("Ids", f"{told} are completed.", tuple(problems))


def _find_odd(record: Record, spec: TrialSpec) -> Iterator[str]:
    fit = name_fit(record.trial, record.fold)
    if record.fold >= spec.folds:
        yield f"{fit}: the trial has {count(spec.folds, 'fold')}."
    if record.replicate != spec.replicate:
        yield f"{fit}: the record is of replicate {record.replicate}, the trial of {spec.replicate}."
    is_epoch = isinstance(record, EpochRecord)
    epochs = record.epoch if isinstance(record, EpochRecord) else record.epochs
    if spec.is_shipped and epochs > spec.recipe.epochs:
        what = f"epoch {epochs}" if is_epoch else count(epochs, "epoch")
        yield f"{fit}: {what} of {spec.recipe.epochs} that the study asks for."


def check_predictions(results: Results) -> Check:
    """Accuracies and best epochs, which follow from other parts of the records."""
    problems: list[str] = []
    counted = 0
    for (trial, fold), record in results.records.folds.items():
        if record.status != "completed":
            continue
        fit = name_fit(trial, fold)
        accuracy = record.score("test_accuracy")
        if results.test is not None and record.predictions is not None and accuracy is not None:
            try:
                predicted = unpack_labels(record.predictions)
            except RecordError as error:
                problems.append(f"{fit}: {error}.")
                continue
            if len(predicted) != len(results.test.labels):
                problems.append(f"{fit}: {len(predicted):,} predictions for {len(results.test.labels):,} test images.")
                continue
            counted += 1
            share = float(np.mean(predicted == results.test.labels))
            if abs(share - accuracy) > ROUNDING:
                problems.append(f"{fit}: test_accuracy is {accuracy!r}, and its predictions give {share!r}.")
        problems += _check_best_epoch(results, record)
    told = f"the accuracy of {count(counted, 'fit')} follows from recorded predictions and the labels in test.npz."
    if not counted:
        told = "no accuracies can be counted again, as there are no labels of a common test set (test.npz)."
    return Check("Predictions", told, tuple(problems))


def _check_best_epoch(results: Results, record: FoldRecord) -> list[str]:
    """A sentence where another epoch is the best by validation accuracy, which counts where no metric is named."""
    keys = [(record.trial, record.fold, epoch) for epoch in range(1, record.epochs + 1)]
    scores = [results.records.epochs[key].score("validation_accuracy") for key in keys if key in results.records.epochs]
    known = [score for score in scores if score is not None]
    if results.study.primary != "test_accuracy" or record.best_epoch is None or len(known) < max(1, record.epochs):
        return []
    best = 1 + known.index(max(known))
    if best == record.best_epoch:
        return []
    return [f"{name_fit(record.trial, record.fold)}: best_epoch is {record.best_epoch}, and by its epochs {best}."]
