"""Power and the replicates that a claim needs, compared with statsmodels and with simulated studies."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from tune_app.analysis.power import find_power
from tune_app.analysis.t_tests import CorrectedTTest, WelchTTest

KNOWN = math.inf  # degrees of freedom of a spread that is no estimate
ABOVE = (0.0, math.inf)


@pytest.mark.parametrize(("pairs", "effect"), [(4, 1.0), (12, 0.8), (40, 0.3)])
def test_with_a_known_spread_it_is_the_power_of_the_t_test(pairs: int, effect: float) -> None:
    """statsmodels' one-sided power at 2.5%: a verdict needs the interval on one side of the edge."""
    test = CorrectedTTest(effect, 1.0, pairs, 1)
    expected = TTestPower().power(effect, pairs, 0.025, alternative="larger")
    assert find_power(test, effect, ABOVE, spread_df=KNOWN).power == pytest.approx(expected, abs=1e-6)


def test_the_replicates_are_the_fewest_that_reach_the_power() -> None:
    test = CorrectedTTest(0.5, 1.0, 3, 1)
    found = find_power(test, 0.5, ABOVE, fewest=2, spread_df=KNOWN)
    for target, count in zip((0.8, 0.9), found.replicates, strict=True):
        assert count
        powers = [find_power(test.with_replicates(n), 0.5, ABOVE, spread_df=KNOWN).power for n in (count - 1, count)]
        assert powers[0] < target <= powers[1]
        assert count == math.ceil(TTestPower().solve_power(0.5, None, 0.025, target, alternative="larger"))


def test_an_uncertain_spread_asks_for_more() -> None:
    test = CorrectedTTest(0.5, 1.0, 4, 1)
    sure, unsure = (find_power(test, 0.5, ABOVE, spread_df=df) for df in (KNOWN, 3))
    assert sure.replicates[0]
    assert unsure.replicates[0]
    assert unsure.replicates[0] > sure.replicates[0]
    assert unsure.spread_range == pytest.approx((0.57, 3.73), abs=0.01), "of three degrees of freedom"


def test_a_floor_that_replicates_do_not_lower_is_told() -> None:
    test = CorrectedTTest(0.002, 0.01, 4, 4)  # its error never falls below 0.01 · sqrt(1/3)
    assert find_power(test, 0.002, ABOVE, spread_df=KNOWN).replicates == (None, None)


def test_a_region_with_two_edges_needs_both_ends_inside() -> None:
    source = np.random.default_rng(0)
    test = CorrectedTTest(0.0, 1.0, 16, 1)
    draws = source.normal(0.1, 1, (20_000, 16))
    half = stats.t.ppf(0.975, 15) * draws.std(1, ddof=1) / 4
    inside = np.mean((draws.mean(1) - half > -0.9) & (draws.mean(1) + half < 0.9))
    assert find_power(test, 0.1, (-0.9, 0.9), spread_df=KNOWN).power == pytest.approx(inside, abs=0.02)


def test_unpaired_sides_count_replicates_on_each() -> None:
    test = WelchTTest(1.0, (1.0, 1.0), (3, 3))
    found = find_power(test, 1.0, ABOVE, spread_df=KNOWN)
    assert found.replicates[0]
    assert test.with_replicates(found.replicates[0]).counts == (found.replicates[0],) * 2
