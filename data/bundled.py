"""The small data sets that come with scikit-learn."""

from typing import Literal

import numpy as np

from tune_app.data.model import Data
from tune_app.errors import DataError, choices

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")


def load_bundled(name: Literal["digits", "iris", "wine", "breast_cancer", "diabetes"]) -> Data:
    """One of scikit-learn's bundled sets, whole and in its order, with no test part.

    `digits` are images uint8 (1797, 1, 8, 8), their grey levels 0–16 as 0–240; the others are tables float32
    (N, columns). `diabetes` is a regression, in the units it was measured in: scikit-learn's own scaling has seen
    every sample. Raises DataError for another name.
    """
    from sklearn import datasets  # here, because it costs a second that other data sets need not pay

    if name not in BUNDLED:
        raise DataError(f"data set {name!r} is none of scikit-learn's bundled ones{choices(name, BUNDLED)}")
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    if name == "diabetes":
        return Data(bunch.data.astype(np.float32), bunch.target.astype(np.float32))
    inputs = (bunch.images[:, None] * 15).astype(np.uint8) if name == "digits" else bunch.data.astype(np.float32)
    return Data(inputs, bunch.target.astype(np.int64), tuple(str(label) for label in bunch.target_names))
