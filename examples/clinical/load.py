"""The data of the study: scikit-learn's breast cancer table, with patients that are made up."""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from tune_app import Data

MEAN_RADIUS = 0  # the column that tells one sample's size


def load(most: int = 4) -> Data:
    """569 tissue samples of 30 measurements each, malignant or benign, of patients with 1 to `most` samples.

    The table does not say whose sample is whose, so the patients are constructed: see `build_patients`.
    """
    table = load_breast_cancer()
    inputs = table.data.astype(np.float32)
    targets = table.target.astype(np.int64)
    return Data(
        inputs=inputs,
        targets=targets,
        classes=tuple(str(name) for name in table.target_names),
        groups={"patient": build_patients(inputs[:, MEAN_RADIUS], targets, most)},
    )


def build_patients(sizes: NDArray[np.float32], targets: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The number of each sample's patient, (N,).

    Samples of one patient have one diagnosis and are alike: those of a class, ordered by size, are dealt to patients
    in runs of 1 to `most`. So a split that ignores patients has near copies of its held-out samples in training.
    """
    lengths = np.random.default_rng(0)  # fixed: the same patients in every run
    patients = np.empty(len(targets), dtype=np.int64)
    number = 0
    for label in np.unique(targets):
        waiting = np.flatnonzero(targets == label)
        waiting = waiting[np.argsort(sizes[waiting], kind="stable")]
        while len(waiting):
            length = int(lengths.integers(1, most + 1))
            patients[waiting[:length]] = number
            waiting = waiting[length:]
            number += 1
    return patients
