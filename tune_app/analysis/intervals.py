"""Intervals for means over the folds of a cross-validation."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def corrected_interval(scores: Sequence[float], n_splits: int, level: float = 0.95) -> tuple[float, float]:
    """The corrected resampled interval for the mean of J scores from (replicated) K-fold cross-validation.

    mean ± t(J-1) · s · sqrt(1/J + 1/(K-1)), after Nadeau & Bengio 2003 and Bouckaert & Frank 2004. Folds share training
    images, so the naive interval is too narrow; this one is the accepted heuristic, as no unbiased estimate exists
    (Bengio & Grandvalet 2004). (nan, nan) for fewer than two scores.
    """
    count = len(scores)
    if count < 2:
        return math.nan, math.nan
    mean, spread = float(np.mean(scores)), float(np.std(scores, ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * spread * math.sqrt(1 / count + 1 / (n_splits - 1))
    return mean - half, mean + half
