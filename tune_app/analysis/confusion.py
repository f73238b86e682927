"""Which digits a condition takes for which, and which test images it gets wrong most often."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app.analysis.labels import build_rows
from tune_app.records import RecordSet, unpack_labels
from tune_app.records.results import Results
from tune_app.study import TrialSpec
from tune_app.study.once import once


def iterate_predictions(
    records: RecordSet, specs: Iterable[TrialSpec], images: int
) -> Iterator[tuple[TrialSpec, int, NDArray[np.integer[Any]]]]:
    """(trial, fold, predicted labels) of the completed fits that were tested on `images` images."""
    for spec in specs:
        for fold in range(spec.folds):
            record = records.folds.get((spec.id, fold))
            if record is None or record.predictions is None:
                continue
            predicted = unpack_labels(record.predictions)
            if len(predicted) == images:
                yield spec, fold, predicted


def count_confusions(
    predictions: Iterable[NDArray[np.integer[Any]]], labels: NDArray[np.integer[Any]], classes: int
) -> pd.DataFrame:
    """One row per (true, predicted) class: `count` over all predictions, and `share` of the true class's images."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    for predicted in predictions:
        np.add.at(matrix, (labels, predicted), 1)
    true, guess = np.indices(matrix.shape)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return pd.DataFrame(
        {"true": true.ravel(), "predicted": guess.ravel(), "count": matrix.ravel(), "share": share.ravel()}
    )


@once
def build_confusions(results: Results) -> pd.DataFrame:
    """One row per (trial, true, predicted): row, trial, true, predicted, count, share; summed over the trial's folds.

    Empty without the test labels.
    """
    columns = ["row", "trial", "true", "predicted", "count", "share"]
    if results.test is None:
        return pd.DataFrame(columns=columns)
    labels = results.test.labels
    rows = build_rows(results.study)
    specs = [spec for row in rows for spec in row.trials]
    found: dict[str, list[NDArray[np.integer[Any]]]] = {}
    for spec, _, predicted in iterate_predictions(results.records, specs, len(labels)):
        found.setdefault(spec.id, []).append(predicted)
    classes = 1 + max(int(array.max()) for arrays in [[labels], *found.values()] for array in arrays)
    frames = [
        count_confusions(found[spec.id], labels, classes).assign(row=row.label, trial=spec.id)
        for row in rows
        for spec in row.trials
        if spec.id in found
    ]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def rank_confused(
    predictions: Iterable[NDArray[np.integer[Any]]], labels: NDArray[np.integer[Any]], most: int
) -> list[tuple[int, int, int]]:
    """The `most` images that most predictions get wrong: (row of `labels`, wrong predictions, commonest wrong label).

    Ties go to the earlier image and the smaller label; images that every prediction gets right are left out.
    """
    stacked = np.stack(list(predictions))  # (fit, image)
    wrong = stacked != labels
    counts = wrong.sum(axis=0)
    worst = np.argsort(-counts, kind="stable")[:most]
    return [
        (int(image), int(counts[image]), int(np.bincount(stacked[wrong[:, image], image]).argmax()))
        for image in worst
        if counts[image]
    ]


def build_confused(results: Results, labels: NDArray[np.integer[Any]], most: int = 10) -> pd.DataFrame:
    """One row per (condition, rank): row, rank (from 1), image (row of `labels`), true, predicted, wrong_fits, fits."""
    rows = []
    for row in build_rows(results.study):
        found = [guess for _, _, guess in iterate_predictions(results.records, row.trials, len(labels))]
        for rank, (image, wrong, guess) in enumerate(rank_confused(found, labels, most) if found else [], start=1):
            rows.append((row.label, rank, image, int(labels[image]), guess, wrong, len(found)))
    return pd.DataFrame(rows, columns=["row", "rank", "image", "true", "predicted", "wrong_fits", "fits"])
