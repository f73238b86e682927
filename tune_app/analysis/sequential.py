"""Boundaries for looks at growing data: Lan–DeMets spending, repeated intervals, and what is to come.

A claim is looked at after some of its replicates, then after more, up to a number fixed beforehand. The error rate of
all looks together is spent little by little (Lan & DeMets 1983). The interval of each look is
a repeated confidence interval (Jennison & Turnbull 1989): all of them hold at once with the level of the claim, so a
verdict may be taken from any. Replicates are the unit of information. Where images are a sample too, estimates of
successive looks agree more closely than this counts on, which makes the boundaries no less safe.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from tune_app.analysis.power import Region
from tune_app.analysis.t_tests import TTest

PLANNED_LOOKS = (3, 4, 6, 8, 11, 15, 20, 30)  # replicates
GROWTH = 1.4  # of the replicates from look to look, beyond the planned ones
FUTILE = 0.1  # a lower chance to be decided at the last look stops a claim
NODES = 201  # of the quadrature over where the statistic may be
SMALLEST = 1e-300  # a nominal p below is taken as this
HIGHEST = 38.0  # a boundary above is never reached

Array = NDArray[np.float64]
POWER = 1.5  # of the fraction, in the family of Kim & DeMets
Spending = Literal["obrien-fleming", "power", "pocock"]


def spend(alpha: float, fraction: float, spending: Spending = "obrien-fleming") -> float:
    """The part of a two-sided error rate that is spent once `fraction` (0 to 1) of the information is there.

    `obrien-fleming`: 4·(1 − Φ(z/√fraction)) with z the upper quantile of α/4, almost nothing at first. `power`:
    α·fraction^1.5 (Kim & DeMets 1987), between the others. `pocock`: α·ln(1 + (e − 1)·fraction), much at first. Half
    of it is on either side, as ldbounds and gsDesign have it. All of `alpha` is spent at a fraction of 1 or more.
    """
    if fraction <= 0:
        return 0.0
    if spending == "power":
        return float(alpha * min(1.0, fraction) ** POWER)
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * min(1.0, fraction))
    return min(alpha, 4 * float(stats.norm.sf(stats.norm.isf(alpha / 4) / math.sqrt(min(1.0, fraction)))))


@lru_cache(maxsize=4096)
def find_boundaries(
    alpha: float, fractions: tuple[float, ...], spending: Spending = "obrien-fleming"
) -> tuple[float, ...]:
    """The values of |z| that decide at looks with these rising fractions of the information.

    By numerical integration over the paths that no earlier look has stopped (Armitage, McPherson & Rowe 1969).
    Published for 0.05 and five equal steps: 4.877, 3.357, 2.680, 2.290, 2.031 (ldbounds, gsDesign).
    """
    boundaries: list[float] = []
    spent, before = 0.0, 0.0
    places, masses = np.zeros(1), np.ones(1)  # a Brownian motion where it is, and with what probability, unstopped
    for fraction in fractions:
        step, now = math.sqrt(fraction - before), math.sqrt(fraction)
        rate = max(spend(alpha, fraction, spending) - spent, SMALLEST)

        def excess(z: float, places: Array = places, masses: Array = masses, s: float = step, n: float = now) -> float:
            return float(masses @ _leave(places, z * n, s))

        found = _solve(excess, rate)
        boundaries.append(found)
        places, masses = _carry_on(places, masses, found * now, step)
        spent, before = spend(alpha, fraction, spending), fraction
    return tuple(boundaries)


def _leave(places: Array, edge: float, step: float) -> Array:
    """The probability to be beyond ±edge after a normal step from each place."""
    out: Array = stats.norm.sf((edge - places) / step) + stats.norm.sf((edge + places) / step)
    return out


def _solve(excess: Callable[[float], float], rate: float) -> float:
    """The boundary that is left with the probability `rate`, on a scale of logarithms as rates may be tiny."""

    def miss(z: float) -> float:
        return math.log(max(excess(z), SMALLEST / 10)) - math.log(rate)

    return HIGHEST if miss(HIGHEST) > 0 else float(optimize.brentq(miss, 0.0, HIGHEST, xtol=1e-10))


def _carry_on(places: Array, masses: Array, edge: float, step: float) -> tuple[Array, Array]:
    """The unstopped motion after the step, at the nodes of a Gauss–Legendre quadrature between the edges."""
    reach = min(edge, float(np.abs(places).max()) + 9 * step)  # beyond is nothing that counts
    nodes, weights = _find_nodes()
    landed = reach * nodes
    densities = stats.norm.pdf((landed[:, None] - places) / step) / step
    return landed, reach * weights * (densities @ masses)


@lru_cache(maxsize=1)
def _find_nodes() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights


def find_nominal_p(alpha: float, replicates: Sequence[int], most: int, spending: Spending = "obrien-fleming") -> float:
    """The two-sided p below which the last of the looks decides; looks were after `replicates`, at most `most`.

    A look beyond `most` is a look at it, and replicates that have not grown are one look.
    """
    counts = sorted({min(count, most) for count in replicates})
    boundary = find_boundaries(alpha, tuple(count / most for count in counts), spending)[-1]
    return max(SMALLEST, float(2 * stats.norm.sf(boundary)))


def build_repeated_interval(test: TTest, nominal_p: float) -> Region:
    """The interval of a look: the nominal p as the quantile of the test's own t, so that few replicates widen it."""
    half = float(stats.t.isf(nominal_p / 2, test.df)) * test.standard_error
    return test.effect - half, test.effect + half


def find_conditional_power(test: TTest, region: Region, nominal_p: float, most: int) -> float:
    """The chance that the interval after `most` replicates lies inside or outside the region, given the data so far.

    What the effect is, the data tell no better than with their standard error, which is averaged over: the estimate
    after all replicates is about today's with the variance by which today's is less precise (predictive power,
    Spiegelhalter, Freedman & Blackburn 1986). `nominal_p` is that of the last look.
    """
    last = test.with_replicates(most)
    half = float(stats.t.isf(nominal_p / 2, last.df)) * last.standard_error
    spread = math.sqrt(max(0.0, test.standard_error**2 - last.standard_error**2))
    low, high = region
    outside = _below(low - half, test, spread) + 1 - _below(high + half, test, spread)
    inside = _below(high - half, test, spread) - _below(low + half, test, spread)
    return min(1.0, outside + max(0.0, inside))


def _below(value: float, test: TTest, spread: float) -> float:
    """The probability that the estimate after all replicates is below a value."""
    if math.isinf(value) or spread == 0:
        return float(test.effect < value)
    return float(stats.t.cdf((value - test.effect) / spread, test.df))


@dataclass(frozen=True)
class Schedule:
    """The replicates after which looks are taken: those of the study as planned, then the planned ones, then `most`."""

    first: int
    most: int

    @property
    def looks(self) -> tuple[int, ...]:
        counts = list(PLANNED_LOOKS)
        while counts[-1] < self.most:
            counts.append(math.ceil(GROWTH * counts[-1]))
        between = (count for count in counts if self.first < count < self.most)
        return tuple(dict.fromkeys((self.first, *between, max(self.first, self.most))))

    def find_next(self, replicates: int, fewest: int = 1) -> int | None:
        """The next number of replicates to look at, None after the last; no look is before `fewest` replicates."""
        return next((count for count in self.looks if count > replicates and count >= fewest), None)
