"""The metrics that ship, as functions `(targets, labels or outputs) -> float` that a user's own could be.

N is the number of samples, C that of classes, T that of numbers to predict. `targets` and `labels` are class indices
(N,), or 0 and 1 (N, C) where several labels may hold, and numbers (N,) or (N, T) in a regression. `outputs` (N, C) are
a network's raw scores: logits of a softmax, or of a sigmoid each where several labels may hold. `classes` is C, filled
in. Each raises RefusedError, with a sentence, where its definition divides by zero: no value stands in for it.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tune_app.errors import RefusedError

Array = NDArray[Any]
Floats = NDArray[np.float64]
BINS = 15  # of the calibration error, as in its source


def compute_probabilities(outputs: Array, *, exclusive: bool = True) -> Floats:
    """Softmax over the classes of each sample, or a sigmoid each where several labels may hold; outputs (N, C)."""
    values = outputs.astype(np.float64)
    return np.exp(_log_softmax(values) if exclusive else -np.logaddexp(0, -values))


def _log_softmax(values: Floats) -> Floats:
    shifted = values - values.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _log_odds(outputs: Array) -> Floats:
    """log p/(1 - p) of each class: it orders samples as p does, and has no ties where p rounds to 1."""
    values = outputs.astype(np.float64)
    top = values.argmax(axis=1)[:, None]
    highest = np.take_along_axis(values, top, axis=1)
    shares = np.exp(values - highest)
    with np.errstate(divide="ignore"):  # at the largest, which is set below; elsewhere the difference is 1 or more
        odds = values - highest - np.log(shares.sum(axis=1, keepdims=True) - shares)
    others = values.copy()
    np.put_along_axis(others, top, -np.inf, axis=1)
    np.put_along_axis(odds, top, highest - np.logaddexp.reduce(others, axis=1, keepdims=True), axis=1)
    return np.asarray(odds)


def _spread(targets: Array, classes: int) -> NDArray[np.bool_]:
    """Which classes hold for each sample (N, C)."""
    return np.asarray(targets.astype(bool) if targets.ndim == 2 else np.arange(classes) == targets[:, None])


def _count(targets: Array, labels: Array, classes: int) -> tuple[Floats, Floats, Floats]:
    """For each class (C,): samples that have it and are given it, that are given it, that have it."""
    if targets.ndim == 2:
        truth, given = targets.astype(bool), labels.astype(bool)
        counts = [each.sum(axis=0) for each in (truth & given, given, truth)]
    else:
        counts = [np.bincount(each, minlength=classes) for each in (targets[targets == labels], labels, targets)]
    both, named, present = (each.astype(np.float64) for each in counts)
    return both, named, present


def _refuse(name: str, reason: str) -> RefusedError:
    return RefusedError(f"{name} is undefined: {reason}.")


def _require(name: str, defined: ArrayLike, targets: Array, reason: str) -> None:
    """Refuse unless defined for all classes (C,); `{0} {1}` in the reason becomes `class 3 is` or `labels 0, 2 are`."""
    wrong = np.flatnonzero(~np.asarray(defined, dtype=bool)).tolist()
    if wrong:
        noun = "label" if targets.ndim == 2 else "class"
        plural = ("labels" if targets.ndim == 2 else "classes") if len(wrong) > 1 else noun
        listed = ", ".join(map(str, wrong[:5])) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise _refuse(name, reason.format(f"{plural} {listed}", "are" if len(wrong) > 1 else "is"))


def check_count(name: str, classes: int) -> None:
    """RefusedError for a number of classes that the metric says nothing about."""
    if name == "f1" and classes != 2:
        raise _refuse(name, f"it is for two classes, and these are {classes}; choose macro_f1")
    if name == "top5_accuracy" and classes <= 5:
        raise _refuse(name, f"it is for more than five classes, and would be 1 for any outputs of {classes}")


def accuracy(targets: Array, labels: Array) -> float:
    """Share of the samples whose class is named."""
    return float(np.mean(targets == labels))


def balanced_accuracy(targets: Array, labels: Array, *, classes: int) -> float:
    """Mean over the classes of the share of their samples that are named; every class needs a sample."""
    return _average_recall("balanced_accuracy", targets, labels, classes)


def recall_macro(targets: Array, labels: Array, *, classes: int) -> float:
    """The same for classes, and for labels of which several may hold."""
    return _average_recall("recall_macro", targets, labels, classes)


def _average_recall(name: str, targets: Array, labels: Array, classes: int) -> float:
    both, _, present = _count(targets, labels, classes)
    _require(name, present, targets, "no sample is of {0}")
    return float(np.mean(both / present))


def precision_macro(targets: Array, labels: Array, *, classes: int) -> float:
    """Mean over classes, or labels, of the share of right ones among the samples named so; each has to be named."""
    both, named, _ = _count(targets, labels, classes)
    _require("precision_macro", named, targets, "{} {} named for no sample")
    return float(np.mean(both / named))


def macro_f1(targets: Array, labels: Array, *, classes: int) -> float:
    """Mean over classes, or labels, of F1 = 2 TP / (2 TP + FP + FN): 0 for one that is never named rightly."""
    both, named, present = _count(targets, labels, classes)
    _require("macro_f1", named + present, targets, "{} {} neither among the targets nor named")
    return float(np.mean(2 * both / (named + present)))


def micro_f1(targets: Array, labels: Array, *, classes: int) -> float:
    """F1 of the counts over all classes or labels; of classes that exclude each other it is the accuracy."""
    both, named, present = (each.sum() for each in _count(targets, labels, classes))
    if named + present == 0:
        raise _refuse("micro_f1", "no label holds or is named for any sample")
    return float(2 * both / (named + present))


def weighted_f1(targets: Array, labels: Array, *, classes: int) -> float:
    """Mean of F1 over classes or labels, weighted by their samples: one without samples has no weight."""
    both, named, present = _count(targets, labels, classes)
    if present.sum() == 0:
        raise _refuse("weighted_f1", "no label holds for any sample")
    return float(np.sum(present * 2 * both / np.maximum(named + present, 1)) / present.sum())


def f1(targets: Array, labels: Array, *, classes: int) -> float:
    """F1 of class 1, the second, of two."""
    check_count("f1", classes)
    both, named, present = _count(targets, labels, classes)
    if named[1] + present[1] == 0:
        raise _refuse("f1", "class 1 is neither among the targets nor named")
    return float(2 * both[1] / (named[1] + present[1]))


def mcc(targets: Array, labels: Array, *, classes: int) -> float:
    """Correlation of targets and labels, -1 to 1. Source: Gorodkin, Comput. Biol. Chem. 28 (2004), R_K."""
    both, named, present = _count(targets, labels, classes)
    total, varied_named, varied = len(targets), len(targets) ** 2 - named @ named, len(targets) ** 2 - present @ present
    if varied == 0:
        raise _refuse("mcc", "the targets are all of one class")
    if varied_named == 0:
        raise _refuse("mcc", "the samples are all given one class")
    return float((both.sum() * total - named @ present) / np.sqrt(varied_named * varied))


def kappa(targets: Array, labels: Array, *, classes: int) -> float:
    """Cohen's: agreement beyond that of chance, as a share of what is possible."""
    both, named, present = _count(targets, labels, classes)
    total, chance = len(targets), named @ present / len(targets)
    if chance == total:
        raise _refuse("kappa", "the samples are all of one class and all given it")
    return float((both.sum() - chance) / (total - chance))


def subset_accuracy(targets: Array, labels: Array) -> float:
    """Share of the samples of which every label is right."""
    return float(np.mean((targets.astype(bool) == labels.astype(bool)).all(axis=1)))


def hamming_loss(targets: Array, labels: Array) -> float:
    """Share of wrong labels, over samples and labels."""
    return float(np.mean(targets.astype(bool) != labels.astype(bool)))


def _rank(targets: Array, outputs: Array) -> tuple[NDArray[np.bool_], Array]:
    """Truth and order of the scores of each class or label (N, C), of the second alone where there are two."""
    scores = outputs if targets.ndim == 2 else _log_odds(outputs)
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in scores.T], axis=1)
    truth = _spread(targets, outputs.shape[1])
    return (truth[:, 1:], ranks[:, 1:]) if targets.ndim == 1 and outputs.shape[1] == 2 else (truth, ranks)


def auroc(targets: Array, outputs: Array) -> float:
    """Area under the ROC curve of the second class of two; mean over more, each against the rest; mean over labels."""
    from sklearn.metrics import roc_auc_score

    held = _spread(targets, outputs.shape[1])
    _require("auroc", held.any(axis=0), targets, "no sample is of {0}")
    _require("auroc", ~held.all(axis=0), targets, "every sample is of {0}")
    truth, ranks = _rank(targets, outputs)
    return float(np.mean([roc_auc_score(truth[:, c], ranks[:, c]) for c in range(truth.shape[1])]))


def average_precision(targets: Array, outputs: Array) -> float:
    """Sum of precision times the gain in recall along the order of the scores, averaged as auroc is."""
    from sklearn.metrics import average_precision_score

    held = _spread(targets, outputs.shape[1])
    if targets.ndim == 1 and outputs.shape[1] == 2:
        held[:, 0] = True  # of two classes the second alone counts
    _require("average_precision", held.any(axis=0), targets, "no sample is of {0}")
    truth, ranks = _rank(targets, outputs)
    return float(np.mean([average_precision_score(truth[:, c], ranks[:, c]) for c in range(truth.shape[1])]))


def log_loss(targets: Array, outputs: Array) -> float:
    """Mean of -ln p of the truth, in nats a sample; of independent labels in nats a label. Nothing is clipped."""
    values = outputs.astype(np.float64)
    if targets.ndim == 2:
        losses = np.logaddexp(0, np.where(targets > 0, -values, values))
    else:
        losses = -np.take_along_axis(_log_softmax(values), targets.astype(np.int64)[:, None], axis=1)
    if np.isinf(losses).any():
        impossible = int(np.isinf(losses).any(axis=1).sum())
        raise RefusedError(
            f"log_loss is infinite: the truth has probability 0 for {impossible} of {len(targets)} samples."
        )
    return float(losses.mean())


def brier(targets: Array, outputs: Array) -> float:
    """Mean over samples of the sum over all classes or labels of (p - truth)²: 0 to 2 for classes.

    For two classes this is twice the square for the second alone, which scikit-learn gives by default. Source: Brier,
    Monthly Weather Review 78 (1950).
    """
    probabilities = compute_probabilities(outputs, exclusive=targets.ndim == 1)
    return float(np.mean(np.sum((probabilities - _spread(targets, outputs.shape[1])) ** 2, axis=1)))


def ece(targets: Array, outputs: Array) -> float:
    """Gap between confidence and accuracy in 15 bins of equal width, averaged over samples.

    Confidence is the probability of the class that is named; a bin holds its upper edge. Source: Guo et al., On
    calibration of modern neural networks, ICML 2017.
    """
    probabilities = compute_probabilities(outputs)
    confidence, right = probabilities.max(axis=1), outputs.argmax(axis=1) == targets
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence, side="left")
    gaps = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(targets))


def top5_accuracy(targets: Array, outputs: Array) -> float:
    """Share of the samples whose class is among the five of largest output; of equal ones the first classes count."""
    check_count("top5_accuracy", outputs.shape[1])
    truth = np.take_along_axis(outputs, targets[:, None], axis=1)
    before = np.arange(outputs.shape[1]) < targets[:, None]
    return float(np.mean(((outputs > truth) | ((outputs == truth) & before)).sum(axis=1) < 5))


def _find_errors(targets: Array, numbers: Array) -> Floats:
    return np.asarray(targets.astype(np.float64) - numbers.astype(np.float64))


def rmse(targets: Array, numbers: Array) -> float:
    """Root of the mean squared error, in the targets' unit; of several numbers the mean of their roots."""
    return float(np.mean(np.sqrt(np.mean(_find_errors(targets, numbers) ** 2, axis=0))))


def mse(targets: Array, numbers: Array) -> float:
    """Mean squared error, in the square of the targets' unit."""
    return float(np.mean(_find_errors(targets, numbers) ** 2))


def mae(targets: Array, numbers: Array) -> float:
    """Mean absolute error, in the targets' unit."""
    return float(np.mean(np.abs(_find_errors(targets, numbers))))


def median_absolute_error(targets: Array, numbers: Array) -> float:
    """Median of the absolute errors, in the targets' unit; of several numbers the mean of their medians."""
    return float(np.mean(np.median(np.abs(_find_errors(targets, numbers)), axis=0)))


def max_error(targets: Array, numbers: Array) -> float:
    """Largest absolute error of all, in the targets' unit."""
    return float(np.max(np.abs(_find_errors(targets, numbers))))


def r2(targets: Array, numbers: Array) -> float:
    """1 - squared errors by squared deviations from the mean of the targets; of several numbers the mean of theirs."""
    if len(targets) < 2:
        raise _refuse("r2", "one sample has no variance")
    truth = targets.astype(np.float64)
    if np.any(np.ptp(truth, axis=0) == 0):
        raise _refuse("r2", "the targets are all the same")
    deviations = np.sum((truth - truth.mean(axis=0)) ** 2, axis=0)
    return float(np.mean(1 - np.sum(_find_errors(targets, numbers) ** 2, axis=0) / deviations))
