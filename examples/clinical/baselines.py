"""What the network has to beat: two estimators of scikit-learn, in the same folds.

A function that returns an object with `fit` and `predict_proba` is a model like any other. Its inputs are those of the
network, scaled from each fold's training part alone, and `random_state`, left open here, is set by the study's seed.
"""

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression


def forest(trees: int = 100) -> RandomForestClassifier:
    """A random forest that weights its classes alike."""
    return RandomForestClassifier(trees, class_weight="balanced")


def logistic(inverse_penalty: float = 1.0) -> LogisticRegression:
    """Logistic regression with a quadratic penalty; a smaller `inverse_penalty` shrinks more."""
    return LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=1000)
