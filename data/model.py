"""What a loader gives: arrays of samples and targets, and what is known of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tune_app.errors import DataError

Task = Literal["classification", "multilabel", "regression"]


@dataclass(frozen=True, eq=False)
class Data:
    """A data set in memory; N is the number of samples.

    `inputs` (N, …) are uint8, float32 or int64. `targets` are class indices, integers (N,) from 0; or labels of which
    several may hold, uint8 (N, C) of 0 and 1; or numbers, float32 (N,) or (N, T). `classes` are the names of the C
    classes, and none make it a regression. `groups` are columns (N,) by name, such as the patient of each sample.
    `folds` (N,) or (R, N) gives each sample's fold, counted from 0; -1 is always trained on. `time` (N,) orders the
    samples for splits that must not look ahead. `categorical` are the positions of the inputs' columns that hold codes
    from 0 of categories and no quantities. `normalise`: `fold` from each fold's training part, `all-training` from
    every sample but those of `test`, `none`, or constants (mean, std) of grey levels scaled to [0, 1].
    `test` is a part that no fold trains or validates on.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    classes: tuple[str, ...] = ()
    groups: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    folds: NDArray[np.integer[Any]] | None = None
    time: NDArray[Any] | None = None
    categorical: tuple[int, ...] = ()
    normalise: str | tuple[Any, Any] = "fold"
    test: "Data | None" = None

    @property
    def task(self) -> Task:
        """What is learned: one class of several, several labels at once, or numbers."""
        if not self.classes:
            return "regression"
        return "multilabel" if self.targets.ndim == 2 else "classification"

    @property
    def outputs(self) -> int:
        """How many numbers a network gives for a sample: one a class, or one a number to predict."""
        if self.classes:
            return len(self.classes)
        return int(self.targets.shape[1]) if self.targets.ndim == 2 else 1

    @property
    def test_part(self) -> "Data":
        """The part that no fold trains or validates on; DataError if there is none."""
        if self.test is None:
            raise DataError("the data have no test part; write test: none, and the held-out folds are scored")
        return self.test

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the arrays: bytes, shapes and types. It travels with a data set that has been asked for it once."""
        digest = hashlib.sha256()
        parts = [self] if self.test is None else [self, self.test]
        arrays = [array for part in parts for array in (part.inputs, part.targets)]
        arrays += [part.groups[name] for part in parts for name in sorted(part.groups)]
        arrays += [array for part in parts for array in (part.folds, part.time) if array is not None]
        for array in arrays:
            content = array if array.dtype.kind in "biufM" else array.astype(np.str_)
            digest.update(f"{content.dtype}{content.shape}".encode())
            digest.update(np.ascontiguousarray(content).view(np.uint8).data)
        return digest.hexdigest()[:16]


def pick_data(data: "Data | Mapping[str, Data]", name: str) -> Data:
    """The data set called `name` among several; the only one where there is but one."""
    return data if isinstance(data, Data) else data[name]
