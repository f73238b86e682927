"""Intervals for scores: of a mean over the folds of a cross-validation, and of one share of images."""

import math
from collections.abc import Sequence
from functools import lru_cache

from scipy import stats

from tune_app.analysis.t_tests import LEVEL, build_corrected_t_test


def corrected_interval(scores: Sequence[float], n_splits: int, overlap: float | None = None) -> tuple[float, float]:
    """The corrected resampled 95% interval for the mean of J scores from (replicated) K-fold cross-validation.

    mean ± t(J-1) · s · sqrt(1/J + 1/(K-1)); see `CorrectedTTest`. (nan, nan) for fewer than two scores.
    """
    return build_corrected_t_test(scores, n_splits, overlap).interval if len(scores) > 1 else (math.nan, math.nan)


@lru_cache(maxsize=4096)  # fits of a large study name the same numbers of images rightly
def wilson_interval(successes: int, images: int) -> tuple[float, float]:
    """Wilson's 95% interval for the accuracy of one network on `images` images.

    It speaks of this network on other images of the same kind, not of other seeds.
    """
    interval = stats.binomtest(successes, images).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)
