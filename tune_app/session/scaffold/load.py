"""The data of the study: a function that returns all samples in memory."""

import numpy as np
from sklearn.datasets import load_digits

from tune_app import Data


def load(block: int = 139) -> Data:
    """The 1,797 digits of scikit-learn, 8×8 pixels each, of 13 writers.

    Replace it by your own: inputs (N, …) as uint8, float32 or int64, targets (N,) as class indices from 0. Leave
    `classes` out and give float32 targets, and it is a regression. The scale is up to you: by default inputs are
    standardised with the mean and standard deviation of each fold's training part alone.
    """
    digits = load_digits()
    images = digits.images.astype(np.float32)[:, None]  # (N, 8, 8) → (N, channels, height, width)
    # A group is what must not be split between training and held-out samples: a patient, a writer, a day. The digits
    # do not say who wrote them, but they lie in the order of writing, so blocks of 1797 / 13 stand in for writers.
    writer = np.arange(len(images)) // block
    return Data(
        inputs=images,
        targets=digits.target.astype(np.int64),
        classes=tuple(str(name) for name in digits.target_names),
        groups={"writer": writer},
    )
