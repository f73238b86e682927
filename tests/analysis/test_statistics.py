"""The formulas, compared with baycomp, statsmodels, scipy and cases by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from tune_app.analysis.intervals import wilson_interval
from tune_app.analysis.networks import Discordance, count_discordance, run_mcnemar, run_paired_bootstrap
from tune_app.analysis.speed import build_area_under_curve, find_epochs_to_target
from tune_app.analysis.t_tests import (
    CorrectedTTest,
    adjust_by_holm,
    build_corrected_t_test,
    build_welch_t_test,
)

DESIGNS = [(1, 4), (3, 4), (1, 10), (10, 10)]  # replicates, folds


def scores_of(replicates: int, folds: int) -> tuple[np.ndarray, np.ndarray]:
    source = np.random.default_rng(folds)
    first = source.normal(0.98, 0.004, replicates * folds)
    return first, first + source.normal(0.002, 0.003, replicates * folds)


@pytest.mark.parametrize(("replicates", "folds"), DESIGNS)
@pytest.mark.parametrize("rope", [0.0, 0.001])
def test_the_posterior_equals_baycomps(replicates: int, folds: int, rope: float) -> None:
    baycomp = pytest.importorskip("baycomp")
    first, second = scores_of(replicates, folds)
    below, within, above = build_corrected_t_test(second - first, folds).build_posterior(rope)
    theirs = baycomp.CorrelatedTTest.probs(first, second, rope=rope, runs=replicates)
    ours = (below, within, above) if rope else (below, above)
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(("replicates", "folds"), DESIGNS)
def test_the_p_value_is_twice_the_smaller_tail_of_baycomps_posterior(replicates: int, folds: int) -> None:
    baycomp = pytest.importorskip("baycomp")
    first, second = scores_of(replicates, folds)
    tails = baycomp.CorrelatedTTest.probs(first, second, rope=0, runs=replicates)
    assert build_corrected_t_test(second - first, folds).p_value == pytest.approx(2 * min(tails), abs=1e-12)


def test_the_corrected_test_equals_a_case_by_hand() -> None:
    test = build_corrected_t_test([0.01, 0.02, 0.03, 0.02], 4)
    spread = math.sqrt(2 * 0.01**2 / 3)
    assert test.effect == pytest.approx(0.02, abs=1e-12)
    assert test.standard_error == pytest.approx(spread * math.sqrt(1 / 4 + 1 / 3), abs=1e-12)
    t = 0.02 / (spread * math.sqrt(7 / 12))
    assert test.t == pytest.approx(t, abs=1e-12)
    # The t distribution with 3 degrees of freedom has a closed form.
    angle = t / math.sqrt(3)
    cdf = 0.5 + (math.atan(angle) + angle / (1 + angle**2)) / math.pi
    assert test.p_value == pytest.approx(2 * (1 - cdf), abs=1e-12)


def test_the_interval_excludes_zero_exactly_when_p_is_below_five_percent() -> None:
    for shift in np.linspace(-0.01, 0.01, 41):
        first, second = scores_of(1, 10)
        test = build_corrected_t_test(second - first + shift, 10)
        low, high = test.interval
        assert (low > 0 or high < 0) == (test.p_value < 0.05)


def test_welchs_test_equals_scipys() -> None:
    source = np.random.default_rng(1)
    first, second = source.normal(0, 1, 5), source.normal(0.5, 3, 8)
    test, theirs = build_welch_t_test(first, second), stats.ttest_ind(first, second, equal_var=False)
    assert (test.t, test.p_value, test.df) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.df), abs=1e-12)
    bounds = theirs.confidence_interval(0.95)
    assert test.interval == pytest.approx((bounds.low, bounds.high), abs=1e-12)


def test_holm_equals_statsmodels() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005, 0.9, 0.03]
    assert adjust_by_holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)
    assert adjust_by_holm([]).size == 0


@pytest.mark.parametrize(("right", "images"), [(9920, 10000), (0, 60), (60, 60), (31, 60)])
def test_wilsons_interval_equals_statsmodels(right: int, images: int) -> None:
    theirs = proportion_confint(right, images, method="wilson")
    assert wilson_interval(right, images) == pytest.approx(theirs, abs=1e-12)


def test_wilsons_interval_of_the_published_example() -> None:
    assert wilson_interval(9920, 10000) == pytest.approx((0.9901, 0.9936), abs=5e-5)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 9), (12, 12), (20, 40), (24, 1), (300, 250)])
def test_mcnemar_equals_statsmodels(first: int, second: int) -> None:
    method, p_value = run_mcnemar(Discordance(first, second, 1000))
    exact = first + second < 25
    theirs = mcnemar([[400, first], [second, 100]], exact=exact).pvalue if first + second else 1.0
    assert p_value == pytest.approx(theirs, abs=1e-12)
    assert method.startswith("exact") == exact


def test_the_bootstrap_over_images_agrees_with_scipys_bca() -> None:
    source = np.random.default_rng(3)
    first, second = source.random(500) < 0.95, source.random(500) < 0.90
    counts = count_discordance(first, second)
    difference = first.astype(float) - second
    theirs = stats.bootstrap((difference,), np.mean, n_resamples=10_000, method="BCa", rng=source).confidence_interval
    assert counts.effect == pytest.approx(difference.mean())
    assert run_paired_bootstrap(counts) == pytest.approx((theirs.low, theirs.high), abs=0.003)
    low, high = run_paired_bootstrap(Discordance(counts.only_second, counts.only_first, 500))
    assert (-high, -low) == pytest.approx(run_paired_bootstrap(counts), abs=0.003)


@pytest.mark.parametrize("sizes", [(3, 0, 30), (9, 1, 60)])
def test_the_bootstraps_bias_and_acceleration_show_where_images_are_few(sizes: tuple[int, int, int]) -> None:
    first, second, images = sizes
    differences = np.repeat([1.0, -1.0, 0.0], [first, second, images - first - second])
    theirs = {
        method: stats.bootstrap((differences,), np.mean, n_resamples=10_000, method=method, rng=0).confidence_interval
        for method in ("BCa", "percentile")
    }
    ours = run_paired_bootstrap(Discordance(*sizes))
    assert ours == pytest.approx(tuple(theirs["BCa"]), abs=1e-9), "the resamples are multiples of 1/images"
    assert ours != pytest.approx(tuple(theirs["percentile"]), abs=1e-9)


def test_equal_networks_have_no_bootstrap_interval_and_a_p_value_of_one() -> None:
    counts = count_discordance(np.ones(50, dtype=bool), np.ones(50, dtype=bool))
    assert all(map(math.isnan, run_paired_bootstrap(counts)))
    assert run_mcnemar(counts)[1] == 1


@pytest.mark.parametrize(("pairs", "folds"), [(4, 4), (12, 4), (10, 10)])
def test_a_true_difference_as_large_as_the_smallest_detectable_is_found_four_times_in_five(
    pairs: int, folds: int
) -> None:
    source = np.random.default_rng(pairs)
    difference = CorrectedTTest(0.0, 1.0, pairs, folds).smallest_detectable
    # Errors with the correlation 1/K that the correction assumes, for which it is exact.
    shared = source.normal(0, math.sqrt(1 / folds), (20_000, 1))
    own = source.normal(0, math.sqrt(1 - 1 / folds), (20_000, pairs))
    scale = math.sqrt(1 - 1 / folds)  # the spread that is seen within a study
    draws = (shared + own) / scale + difference
    found = [np.abs(draws.mean(1)) / draws.std(1, ddof=1) / math.sqrt(1 / pairs + 1 / (folds - 1))]
    assert np.mean(found[0] > stats.t.ppf(0.975, pairs - 1)) == pytest.approx(0.8, abs=0.015)


def test_more_replicates_narrow_the_corrected_interval_only_down_to_its_floor() -> None:
    test = CorrectedTTest(0.01, 0.01, 4, 4)
    floor = 1.96 * 0.01 * math.sqrt(1 / 3)
    widths = [test.with_replicates(count).half_width for count in (1, 2, 10, 100, 10_000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(floor, rel=0.01)
    assert widths[-1] > floor


def test_learning_speed_of_a_known_curve() -> None:
    curve = [0.5, 0.9, 0.85, 0.95]
    assert find_epochs_to_target(curve, 0.9) == 2
    assert find_epochs_to_target(curve, 0.96) is None
    assert build_area_under_curve(curve) == pytest.approx(0.8)
