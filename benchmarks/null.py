"""python -m benchmarks.null: how often the tests find a difference that is not there. Prints a Markdown table.

Two learners of equal merit are cross-validated on simulated data sets: each is a nearest-centroid classifier on a block
of five features of its own, and the two blocks are drawn alike, so that no learner is the better one. Real folds, real
overlap of training images; nothing about their correlation is assumed. The first rows alone draw differences from a
normal distribution with the correlation 1/K that the correction assumes.
"""

import math
import sys
import time
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tune_app.analysis.t_tests import build_corrected_t_test

IMAGES = 200  # of a data set, and of its test set
FEATURES = 5
SHIFT = 0.5  # of a class's mean, in standard deviations of a feature
SEED_NOISE = 1.0  # of a centroid, in standard errors of it: what weights and shuffling do to a network
REFERENCE_REPLICATES = 60
Scored = Literal["correlation 1/K", "held-out fold", "test set"]
Array = NDArray[np.float64]


def run_null(
    folds: int,
    replicates: int,
    data_sets: int,
    seed: int,
    scored_on: Scored = "held-out fold",
    seed_noise: float = 0.0,
    same_images: bool = False,
) -> tuple[float, float]:
    """The share of data sets in which p < 0.05, by the naive and by the corrected paired t-test.

    With `same_images` the null is about new seeds and splits of the very same images: each data set's differences are
    taken from their own mean over 60 further replicates.
    """
    source = np.random.default_rng(seed)
    if scored_on == "correlation 1/K":
        shared, own = (source.normal(0, 1, (data_sets, n)) for n in (1, replicates * folds))
        return _count_findings(math.sqrt(1 / folds) * shared + math.sqrt(1 - 1 / folds) * own, folds)
    images, test = (source.normal(SHIFT, 1, (data_sets, IMAGES, 2, FEATURES)) for _ in range(2))

    def draw(count: int) -> Array:  # (data set, replicate × fold)
        drawn = [_run_replicate(source, images, test, folds, scored_on, seed_noise) for _ in range(count)]
        return np.concatenate(drawn, axis=1)

    differences = draw(replicates)
    if same_images:
        differences = differences - draw(REFERENCE_REPLICATES).mean(axis=1, keepdims=True)
    return _count_findings(differences, folds)


def _run_replicate(
    source: np.random.Generator, images: Array, test: Array, folds: int, scored_on: Scored, seed_noise: float
) -> Array:
    """Accuracy of the first learner minus that of the second, (data set, fold).

    An image here is its features times its label ±1, so a learner names it rightly if it points along the centroid.
    """
    size = IMAGES // folds
    shuffled = images[:, source.permutation(IMAGES)].reshape(len(images), folds, size, 2, FEATURES)
    sums = shuffled.sum(axis=2)
    centroids = (sums.sum(axis=1, keepdims=True) - sums) / (IMAGES - size)  # (data set, fold, learner, feature)
    centroids += source.normal(0, seed_noise / math.sqrt(IMAGES - size), centroids.shape)
    if scored_on == "held-out fold":
        right = np.einsum("dfilp,dflp->dfil", shuffled, centroids) > 0
    else:
        right = np.einsum("dilp,dflp->dfil", test, centroids) > 0
    accuracies = right.mean(axis=2)
    difference: Array = accuracies[..., 0] - accuracies[..., 1]
    return difference


def _count_findings(differences: Array, folds: int) -> tuple[float, float]:
    p_values = np.array(list(_test(differences, folds)))
    naive, corrected = (p_values < 0.05).mean(axis=0)
    return float(naive), float(corrected)


def _test(differences: Array, folds: int) -> Iterator[tuple[float, float]]:
    for row in differences:
        if np.ptp(row) == 0:  # no spread, no test: not a finding
            yield 1.0, 1.0
            continue
        test = build_corrected_t_test(row, folds)
        naive_t = test.effect / (test.spread / math.sqrt(test.n_pairs))
        yield float(2 * stats.t.sf(abs(naive_t), test.df)), test.p_value


def main() -> None:
    data_sets, seed, start = 4000, 0, time.perf_counter()
    settings: list[tuple[str, Scored, float, bool]] = [
        ("correlation 1/K, as assumed", "correlation 1/K", 0.0, False),
        ("new images, held-out fold", "held-out fold", 0.0, False),
        ("new images, held-out fold, noisy seeds", "held-out fold", SEED_NOISE, False),
        ("new images, one test set", "test set", 0.0, False),
        ("new images, one test set, noisy seeds", "test set", SEED_NOISE, False),
        ("same images, one test set, noisy seeds", "test set", SEED_NOISE, True),
    ]
    lines = ["| the null is about | folds | replicates | naive | corrected |", "| --- | --- | --- | --- | --- |"]
    for label, scored_on, noise, same in settings:
        for folds, replicates in ((4, 1), (4, 3), (10, 1), (10, 3), (10, 10)):
            naive, corrected = run_null(folds, replicates, data_sets, seed, scored_on, noise, same)
            lines.append(f"| {label} | {folds} | {replicates} | {naive:.1%} | {corrected:.1%} |")
    sys.stdout.write("\n".join(lines) + f"\n\n{data_sets} data sets a row, seed {seed}\n")
    sys.stderr.write(f"{time.perf_counter() - start:.0f} s\n")


if __name__ == "__main__":
    main()
