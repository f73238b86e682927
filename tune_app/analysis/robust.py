"""Companions of a t-test that assume less: signs, ranks, the probability that one condition beats the other."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from tune_app.analysis.t_tests import LEVEL

Values = NDArray[np.float64]
EXACT_UP_TO = 16  # values whose signs are all tried; above, a sample of them
DRAWS = 100_000
TOLERANCE = 1e-12  # sums that differ by less are equal
EDGE = 1e-9  # probabilities closer to 0 or 1 are taken as these


class Estimate(NamedTuple):
    """A number with its 95% interval; the interval is (nan, nan) where too few values allow none."""

    value: float
    low: float
    high: float


def run_sign_flip_test(differences: Values, seed: int = 0) -> float:
    """The two-sided p-value of the randomisation test of the mean: each difference might have had the other sign.

    Exact up to 16 differences, its smallest p being 2 / 2^n; above by 100,000 draws, which count the data themselves as
    one (Phipson & Smyth 2010). It assumes differences that are independent, and symmetric about 0 without an effect.
    """
    observed = abs(float(np.sum(differences))) - TOLERANCE * max(1.0, float(np.abs(differences).sum()))
    if len(differences) <= EXACT_UP_TO:
        signs = np.array(list(itertools.product((1, -1), repeat=len(differences) - 1)), dtype=np.int8)  # the first is +
        rest = signs @ differences[1:] if len(differences) > 1 else np.zeros(1)
        return float(np.mean(np.abs(differences[0] + rest) >= observed))
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], dtype=np.int8), (DRAWS, len(differences)))
    return float((np.sum(np.abs(signs @ differences) >= observed) + 1) / (DRAWS + 1))


def estimate_hodges_lehmann(differences: Values) -> Estimate:
    """The median of the means of all pairs, with the interval of Wilcoxon's signed-rank test (exact up to 50).

    Fewer than six differences give no 95% interval.
    """
    n = len(differences)
    first, second = np.triu_indices(n)
    walsh = np.sort((differences[first] + differences[second]) / 2)
    cut = _find_signed_rank_cut(n)
    low, high = (walsh[cut - 1], walsh[-cut]) if cut else (math.nan, math.nan)
    return Estimate(float(np.median(walsh)), float(low), float(high))


def estimate_shift(first: Values, second: Values) -> Estimate:
    """The median of all differences between the sides, with the interval of the Mann–Whitney test."""
    pairs = np.sort(np.subtract.outer(first, second).ravel())
    cut = _find_rank_sum_cut(len(first), len(second))
    low, high = (pairs[cut - 1], pairs[-cut]) if cut else (math.nan, math.nan)
    return Estimate(float(np.median(pairs)), float(low), float(high))


def _find_signed_rank_cut(n: int) -> int:
    """The place (from 1) of the interval's end among the sorted Walsh averages, 0 if it would be the whole line."""
    counts = np.ones(1)
    for rank in range(1, n + 1):  # the distribution of the signed-rank statistic, by convolution
        counts = np.convolve(counts, np.concatenate([[0.5], np.zeros(rank - 1), [0.5]]))
    return _find_cut(counts)


def _find_rank_sum_cut(first: int, second: int) -> int:
    """The same among the sorted differences of all pairs of the two sides."""
    counts = np.ones(1)  # Gaussian binomial coefficients: products of (1 − q^(m+i)) / (1 − q^i)
    for i in range(1, second + 1):
        counts = np.convolve(counts, np.concatenate([[1.0], np.zeros(first + i - 1), [-1.0]]))
        quotient = counts.copy()
        for place in range(i, len(quotient)):
            quotient[place] += quotient[place - i]
        counts = quotient[: first * i + 1]
    return _find_cut(counts / counts.sum())


def _find_cut(probabilities: Values) -> int:
    """The largest c with P(statistic ≤ c − 1) ≤ 2.5%, 0 if there is none."""
    return int(np.searchsorted(np.cumsum(probabilities), (1 - LEVEL) / 2 + 1e-12, side="right"))


def estimate_superiority(first: Values, second: Values) -> Estimate:
    """P(a draw of the first is above one of the second), ties counting half: rliable's probability of improvement.

    The interval is Newcombe's score interval (2006, method 5), which holds its level with few draws and at 0 and 1.
    """
    sizes = len(first), len(second)
    ranks = stats.rankdata(np.concatenate([first, second]))
    share = float((ranks[: sizes[0]].sum() - sizes[0] * (sizes[0] + 1) / 2) / (sizes[0] * sizes[1]))
    z, extra = stats.norm.ppf((1 + LEVEL) / 2), sum(sizes) / 2 - 1

    def excess(value: float) -> float:
        spread = 1 + extra * (1 - value) / (2 - value) + extra * value / (1 + value)
        return float((share - value) ** 2 - z**2 * value * (1 - value) * spread / (sizes[0] * sizes[1]))

    low = optimize.brentq(excess, 0.0, min(share, 1 - EDGE)) if share > 0 else 0.0
    high = optimize.brentq(excess, max(share, EDGE), 1.0) if share < 1 else 1.0
    return Estimate(share, float(low), float(high))
