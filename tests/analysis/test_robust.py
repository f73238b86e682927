"""Companions of the t-test, compared with scipy and with published numbers."""

import math

import numpy as np
import pytest
from scipy import stats

from tune_app.analysis.robust import (
    estimate_hodges_lehmann,
    estimate_shift,
    estimate_superiority,
    run_sign_flip_test,
)


@pytest.mark.parametrize("n", [2, 3, 8, 12])
def test_the_sign_flip_test_is_scipys_permutation_test_of_the_mean(n: int) -> None:
    values = np.random.default_rng(n).normal(0.8, 1, n)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert run_sign_flip_test(values) == pytest.approx(expected, abs=1e-12)


def test_ten_replicates_of_one_sign_have_the_smallest_p_value_there_is() -> None:
    assert run_sign_flip_test(np.arange(1.0, 11)) == pytest.approx(2 / 2**10)
    assert run_sign_flip_test(np.full(5, 0.25)) == pytest.approx(2 / 2**5), "equal sums count, whatever their rounding"


def test_many_values_are_tested_by_draws_that_agree_with_the_exact_test() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, 18)
    exact = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=2**18).pvalue
    assert run_sign_flip_test(values) == pytest.approx(exact, abs=0.005)
    assert run_sign_flip_test(values) == run_sign_flip_test(values), "the same data, the same number"


def test_hodges_and_lehmann_on_the_depression_scores_of_hollander_and_wolfe() -> None:
    """Their example 3.1, as in the help of R's wilcox.test: the median of Walsh averages of nine differences."""
    first = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    second = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    found = estimate_hodges_lehmann(first - second)
    assert found.value == pytest.approx(0.46, abs=0.001)
    walsh = sorted((a + b) / 2 for i, a in enumerate(first - second) for b in (first - second)[i:])
    assert (found.low, found.high) == (walsh[5], walsh[-6]), "qsignrank(0.025, 9) is 6"


def test_too_few_values_have_a_median_without_an_interval() -> None:
    five = estimate_hodges_lehmann(np.arange(5.0))
    assert five.value == 2
    assert math.isnan(five.low)
    assert estimate_hodges_lehmann(np.arange(6.0))[1:] == (0, 5), "six have the whole range: 96.9%"
    assert math.isnan(estimate_shift(np.arange(3.0), np.arange(3.0)).low)


def test_the_shift_of_two_sides_lies_where_the_mann_whitney_test_accepts_it() -> None:
    source = np.random.default_rng(2)
    first, second = source.normal(1, 1, 9), source.normal(0, 1, 8)
    found = estimate_shift(first, second)
    for edge, step in ((found.low, -1e-6), (found.high, 1e-6)):
        inside = stats.mannwhitneyu(first - (edge - step), second, method="exact").pvalue
        outside = stats.mannwhitneyu(first - (edge + step), second, method="exact").pvalue
        assert outside <= 0.05 < inside


def test_the_probability_of_superiority_counts_pairs_and_ties_half() -> None:
    first, second = np.array([1.0, 2, 2, 5]), np.array([0.0, 2, 3])
    expected = np.mean([(a > b) + 0.5 * (a == b) for a in first for b in second])
    found = estimate_superiority(first, second)
    assert found.value == pytest.approx(expected)
    assert 0 <= found.low < found.value < found.high <= 1
    turned = estimate_superiority(second, first)
    assert (1 - turned.value, 1 - turned.high, 1 - turned.low) == pytest.approx(tuple(found), abs=1e-8)


def test_complete_separation_is_no_certainty() -> None:
    three, ten = (estimate_superiority(np.arange(100.0, 100 + n), np.arange(float(n))) for n in (3, 10))
    assert three.value == three.high == 1
    assert 0.4 < three.low < 0.6
    assert 0.75 < ten.low < 0.9
    assert estimate_superiority(np.arange(3.0), np.arange(100.0, 103)).low == 0
