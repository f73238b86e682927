"""What fitted models say of real data: targets, and raw outputs as a network gives them. Write to neither."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_linnerud
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

Array = NDArray[Any]
Pair = tuple[Array, Array]  # targets, outputs


@functools.cache
def digits() -> Pair:
    """Ten classes (N,) and logits (N, 10) of a model that is right in some 9 of 10."""
    inputs, targets = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=200, C=1e-4).fit(inputs[:300], targets[:300])
    return targets[300:], model.decision_function(inputs[300:])


@functools.cache
def tumours() -> Pair:
    """Two classes (N,) and logits (N, 2), the first of them a constant as a network's may be."""
    inputs, targets = load_breast_cancer(return_X_y=True)
    inputs = StandardScaler().fit_transform(inputs[:, :3])
    scores = LogisticRegression().fit(inputs[:200], targets[:200]).decision_function(inputs[200:])
    return targets[200:], np.stack([np.full(len(scores), 0.7), scores + 0.7], axis=1)


@functools.cache
def traits() -> Pair:
    """Labels (N, 3) of which several may hold, and logits (N, 3): is a digit even, above 5, a square."""
    inputs, digits = load_digits(return_X_y=True)
    traits = np.stack([digits % 2 == 0, digits > 5, np.isin(digits, [0, 1, 4, 9])], axis=1).astype(np.uint8)
    models = [LogisticRegression(max_iter=200, C=1e-4).fit(inputs[:300], column) for column in traits[:300].T]
    return traits[300:], np.stack([model.decision_function(inputs[300:]) for model in models], axis=1)


@functools.cache
def progression() -> Pair:
    inputs, targets = load_diabetes(return_X_y=True)
    return targets[200:].astype(np.float32), LinearRegression().fit(inputs[:200], targets[:200]).predict(inputs[200:])


@functools.cache
def bodies() -> Pair:
    """Weight, waist and pulse (N, 3) from exercises."""
    inputs, targets = load_linnerud(return_X_y=True)
    return targets.astype(np.float32), LinearRegression().fit(inputs, targets).predict(inputs)
