"""A real ablation that takes a second: nearest neighbours on breast cancers, with and without three components."""

import itertools
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

Scores = NDArray[np.float64]
COMPONENTS = ("scaling", "worst", "neighbours")
REPLICATES, FOLDS = 2, 5


@cache
def score_ablation() -> dict[frozenset[str], Scores]:
    """Accuracies (replicate, fold) by the components present: inputs scaled, ten more columns, nine neighbours."""
    inputs, targets = load_breast_cancer(return_X_y=True)
    splits = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPLICATES, random_state=0)
    found = {}
    for size in range(len(COMPONENTS) + 1):
        for present in map(frozenset, itertools.combinations(COMPONENTS, size)):
            scaler = StandardScaler() if "scaling" in present else FunctionTransformer()
            model = make_pipeline(scaler, KNeighborsClassifier(9 if "neighbours" in present else 1))
            columns = inputs if "worst" in present else inputs[:, :20]
            scores = cross_val_score(model, columns, targets, cv=splits)
            found[present] = scores.reshape(REPLICATES, FOLDS)
    return found
