"""A balanced grid with real predictions: nearest neighbours on digits stand behind its levels."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from tests.builders import build_results, build_study
from tune_app.analysis.designs import INTERACTION, MAIN
from tune_app.records import RecordSet, pack_labels
from tune_app.records.results import Results, TestSet
from tune_app.study import Study, TrialSpec

Array = NDArray[Any]
IMAGES = 60
WIDTHS, REGULARIZERS = (0.05, 0.1), ("dropout", "none", "batchnorm")
NEIGHBOURS = {"none": 1, "dropout": 3, "batchnorm": 9}  # what stands behind the levels: another network each
GRID = [{"model": "cnn", "width": list(WIDTHS), "regularizer": list(REGULARIZERS), "folds": 4, "replicates": 2}]


@cache
def load() -> tuple[Array, Array]:
    inputs, targets = load_digits(return_X_y=True)
    return inputs, targets.astype(np.uint8)


@cache
def predict(width: float, regularizer: str, replicate: int, fold: int) -> Array:
    """What nearest neighbours, taught by 40 digits, say of the test images: by a quarter of the columns, or by half."""
    inputs, targets = load()
    columns = slice(None, None, 4) if width == WIDTHS[0] else slice(None, None, 2)
    train = np.random.default_rng([replicate, fold]).choice(np.arange(IMAGES, len(inputs)), 40)
    model = KNeighborsClassifier(NEIGHBOURS[regularizer]).fit(inputs[train][:, columns], targets[train])
    labels: Array = model.predict(inputs[:IMAGES, columns])
    return labels


def find_labels() -> Array:
    return load()[1][:IMAGES]


def find_right(width: float, regularizer: str, replicate: int, fold: int) -> Array:
    right: Array = (predict(width, regularizer, replicate, fold) == find_labels()).astype(float)
    return right


def score(spec: TrialSpec, fold: int) -> float:
    return float(find_right(spec.width, spec.regularizer, spec.replicate, fold).mean())


def build_predicted(study: Study) -> Results:
    """Results whose records hold the predictions that their accuracies are of."""
    bare, records = build_results(study, score), RecordSet()
    specs = {trial.spec.id: trial.spec for trial in study.grid_trials()}
    for record in bare.records.folds.values():
        spec = specs[record.trial]
        labels = predict(spec.width, spec.regularizer, spec.replicate, record.fold)
        records.add(replace(record, predictions=pack_labels(labels)))
    empty = np.zeros((0, 8, 8), np.uint8), np.zeros(0, np.int64)
    return replace(bare, records=records, test=TestSet(find_labels(), np.arange(IMAGES), *empty))


def build_crossed_results(**changes: Any) -> Results:
    return build_predicted(build_study(**({"grid": GRID, "baseline": {"regularizer": "none"}} | changes)))


# The effects of this grid, in the order of its tables, with their families.
CHANGES = {
    "width: 0.05 → 0.1": MAIN,
    "regularizer: none → dropout": MAIN,
    "regularizer: none → batchnorm": MAIN,
    "width: 0.05 → 0.1 × regularizer: none → dropout": INTERACTION,
    "width: 0.05 → 0.1 × regularizer: none → batchnorm": INTERACTION,
}
