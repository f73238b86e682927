"""The chance that a design decides a claim, and the replicates that it needs: one computation before a run and after.

It goes by the interval that the claim is judged by, with the effect given and the spread as observed (in this study, in
a pilot, or assumed). A spread is an estimate itself, so power is averaged over what it may truly be, σ² = s²·df/χ²(df).
That average is the assurance (O'Hagan, Stevens & Campbell 2005).
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from tune_app.analysis.t_tests import LEVEL, TTest

MOST_REPLICATES = 1000
TARGETS = (0.8, 0.9)
SPREADS = (np.arange(50) + 0.5) / 50  # quantiles that the average is taken over
CERTAIN = 40.0  # a noncentrality from which on the power is 1
Region = tuple[float, float]  # the effects that a claim allows, from and to


@dataclass(frozen=True)
class Power:
    """For an effect: the assurance of the design as it is, and the replicates for an assurance of 80% and of 90%.

    `replicates` are None where 1000 are too few. `spread_range` has the factors between which the true spread lies, in
    units of the one given (95%).
    """

    effect: float
    power: float
    replicates: tuple[int | None, ...]
    spread_range: tuple[float, float]


def find_power(
    test: TTest,
    effect: float,
    region: Region,
    fewest: int = 1,
    level: float = LEVEL,
    spread_df: float | None = None,
    *,
    is_enough: bool = True,
) -> Power:
    """The power to show that an effect lies in `region`, or outside it if it does, by the interval of `test`.

    `fewest` replicates are needed before there is a verdict at all, and the design has them if it `is_enough`.
    `spread_df`: the degrees of freedom behind the spread, those of the test if left out, infinite for one that is
    assumed.
    """
    df = test.df if spread_df is None else spread_df
    factors = _build_spread_factors(df)
    counts = range(fewest, MOST_REPLICATES + 1)
    needed = []
    average = cache(lambda count: _average(test.with_replicates(count), effect, region, level, factors))
    for target in TARGETS:
        index = bisect_left(counts, target, key=average)
        needed.append(counts[index] if index < len(counts) else None)
    power = _average(test, effect, region, level, factors) if is_enough else 0.0
    bounds = stats.chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], df) / df if math.isfinite(df) else np.ones(2)
    return Power(effect, power, tuple(needed), (float(bounds[0] ** -0.5), float(bounds[1] ** -0.5)))


def _build_spread_factors(df: float) -> NDArray[np.float64]:
    """What to multiply the spread by, at equally likely values of what it truly is."""
    if not math.isfinite(df):
        return np.ones(1)
    factors: NDArray[np.float64] = np.sqrt(df / stats.chi2.ppf(SPREADS, df))
    return factors


def _average(test: TTest, effect: float, region: Region, level: float, factors: NDArray[np.float64]) -> float:
    errors = test.standard_error * factors
    critical = float(special.stdtrit(test.df, (1 + level) / 2))
    low, high = region
    if low < effect < high:
        above = _exceed((effect - low) / errors, test.df, critical)
        below = _exceed((high - effect) / errors, test.df, critical)
        return float(np.mean(np.maximum(0.0, above + below - 1)))
    distance = low - effect if effect <= low else effect - high
    return float(np.mean(_exceed(distance / errors, test.df, critical)))


def _exceed(noncentralities: NDArray[np.float64], df: float, critical: float) -> NDArray[np.float64]:
    """P(t' > critical) of the noncentral t; 1 where the noncentrality is far above."""
    shares = np.ones_like(noncentralities)
    close = noncentralities < critical + CERTAIN
    shares[close] = stats.nct.sf(critical, df, noncentralities[close])
    return shares
