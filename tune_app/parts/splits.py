"""Labels in, index arrays out: stratified limits and the K splits of a cross-validation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import resample

from tune_app.errors import StudyError


@dataclass(frozen=True)
class Split:
    """Positions in the training images of a trial; `fold` counts from 0, the two arrays are disjoint and cover."""

    fold: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def build_limit(labels: NDArray[np.integer[Any]], images: int | None, seed: int) -> NDArray[np.int64]:
    """Sorted positions of `images` images in which the classes keep their shares; all positions for None."""
    positions = np.arange(len(labels), dtype=np.int64)
    if images is None or images == len(labels):
        return positions
    return np.sort(resample(positions, replace=False, n_samples=images, stratify=labels, random_state=seed))


def build_splits(labels: NDArray[np.integer[Any]], n_splits: int, splitter: str, seed: int) -> tuple[Split, ...]:
    """The `n_splits` shuffled splits of `len(labels)` images.

    Raises StudyError if there are fewer images, or for `stratified` fewer images of some class, than folds.
    """
    fewest = int(np.unique(labels, return_counts=True)[1].min()) if splitter == "stratified" else len(labels)
    if not 2 <= n_splits <= fewest:
        of = "images of the rarest class" if splitter == "stratified" else "images"
        raise StudyError(
            f"folds: {n_splits} folds of {fewest} {of}; choose from 2 to {fewest}, or train on more images"
        )
    kind = KFold if splitter == "kfold" else StratifiedKFold
    folds = kind(n_splits=n_splits, shuffle=True, random_state=seed).split(labels, labels)
    return tuple(Split(fold, train, validation) for fold, (train, validation) in enumerate(folds))
