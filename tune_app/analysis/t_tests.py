"""t-tests of an effect: paired over the folds of a cross-validation, and unpaired over replicates."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

LEVEL = 0.95
POWER = 0.80
# Student's distribution is `special.stdtr` and its quantile `special.stdtrit` here: `stats.t` gives the same numbers a
# hundred times slower, and a large study has thousands of tests.


class TTest(ABC):
    """An effect with a standard error and the degrees of freedom that this error is known with."""

    effect: float

    @property
    @abstractmethod
    def standard_error(self) -> float: ...

    @property
    @abstractmethod
    def df(self) -> float: ...

    @abstractmethod
    def with_replicates(self, replicates: int) -> "TTest":
        """The same effect and spread, as `replicates` replicates would show them."""

    @property
    def t(self) -> float:
        return self.effect / self.standard_error

    @property
    def p_value(self) -> float:
        """Two-sided, against no effect."""
        return float(2 * special.stdtr(self.df, -abs(self.t)))

    @property
    def half_width(self) -> float:
        """Of the 95% interval."""
        return float(special.stdtrit(self.df, (1 + LEVEL) / 2)) * self.standard_error

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the effect."""
        return self.build_interval()

    def build_interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The two-sided interval of the effect at a level of confidence."""
        half = float(special.stdtrit(self.df, (1 + level) / 2)) * self.standard_error
        return self.effect - half, self.effect + half

    def find_p_value(self, value: float) -> float:
        """Two-sided, against an effect of `value`."""
        return float(2 * special.stdtr(self.df, -abs(self.effect - value) / self.standard_error))

    def build_posterior(self, rope: float) -> tuple[float, float, float]:
        """P(effect < -rope), P(|effect| ≤ rope), P(effect > rope) under Student(df, effect, standard error).

        With the corrected error this is the Bayesian correlated t-test (Benavoli et al. 2017).
        """
        below = float(special.stdtr(self.df, (-rope - self.effect) / self.standard_error))
        above = float(special.stdtr(self.df, -(rope - self.effect) / self.standard_error))
        return below, 1 - below - above, above

    @property
    def smallest_detectable(self) -> float:
        """The true effect that the test finds at the 5% level with a probability of 80%, the spread being as observed.

        The upper tail of the noncentral t alone: the other one's share is below 0.1% at this power.
        """
        return _find_detectable_shift(self.df) * self.standard_error


@lru_cache(maxsize=4096)  # most tests of a study have the same degrees of freedom
def _find_detectable_shift(df: float) -> float:
    """In standard errors."""
    critical = special.stdtrit(df, (1 + LEVEL) / 2)
    return float(optimize.brentq(lambda nc: stats.nct.sf(critical, df, nc) - POWER, 0, critical + 40))


@dataclass(frozen=True)
class CorrectedTTest(TTest):
    """The corrected resampled t-test of J paired differences (Nadeau & Bengio 2003, Bouckaert & Frank 2004).

    Folds share training images, so the error of the mean is s·sqrt(1/J + 1/(K-1)), not s·sqrt(1/J). It is the accepted
    heuristic, no more: no unbiased estimate of a cross-validation's variance exists (Bengio & Grandvalet 2004).
    """

    effect: float
    spread: float  # sample standard deviation of the differences
    n_pairs: int
    n_splits: int
    overlap: float | None = None  # n_test/n_train where folds are unequal, the mean over the splits

    @property
    def _overlap(self) -> float:
        """n_test/n_train; one observation a replicate shares nothing that the formula knows of."""
        if self.n_splits <= 1:
            return 0.0
        return 1 / (self.n_splits - 1) if self.overlap is None else self.overlap

    @property
    def standard_error(self) -> float:
        return self.spread * math.sqrt(1 / self.n_pairs + self._overlap)

    @property
    def df(self) -> float:
        return self.n_pairs - 1

    def with_replicates(self, replicates: int) -> "CorrectedTTest":
        return replace(self, n_pairs=replicates * self.n_splits)


@dataclass(frozen=True)
class WelchTTest(TTest):
    """Welch's t-test between sets of independent observations, whose spreads may differ: two, or a sum of more."""

    effect: float
    variances: tuple[float, ...]
    counts: tuple[int, ...]
    per_replicate: tuple[int, ...] = ()  # how many of the observations are of one replicate, 1 if left out

    @property
    def _shares(self) -> list[float]:
        return [variance / count for variance, count in zip(self.variances, self.counts, strict=True)]

    @property
    def standard_error(self) -> float:
        return math.sqrt(sum(self._shares))

    @property
    def df(self) -> float:
        weights = (share**2 / (count - 1) for share, count in zip(self._shares, self.counts, strict=True))
        return sum(self._shares) ** 2 / sum(weights)

    def with_replicates(self, replicates: int) -> "WelchTTest":
        return replace(self, counts=tuple(replicates * each for each in self.per_replicate or (1,) * len(self.counts)))


def build_corrected_t_test(
    differences: Sequence[float] | NDArray[np.float64], n_splits: int, overlap: float | None = None
) -> CorrectedTTest:
    """The test of J ≥ 2 differences from (replicated) K-fold cross-validation, K = `n_splits`.

    K = 1 stands for one observation a replicate, as where folds are joined; there is nothing to correct then.
    """
    mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1))
    return CorrectedTTest(mean, spread, len(differences), n_splits, overlap)


def build_welch_t_test(
    first: NDArray[np.float64], second: NDArray[np.float64], per_replicate: tuple[int, ...] = ()
) -> WelchTTest:
    """The test of mean(first) − mean(second); two independent observations or more on either side."""
    return replace(build_sum_t_test([first, -second]), per_replicate=per_replicate)


def build_sum_t_test(parts: Sequence[NDArray[np.float64]]) -> WelchTTest:
    """The test of the sum of the parts' means; each part has two independent observations or more."""
    variances = tuple(float(np.var(part, ddof=1)) for part in parts)
    return WelchTTest(float(sum(np.mean(part) for part in parts)), variances, tuple(map(len, parts)))


def fill_in_holm(family: Sequence[dict[str, Any]]) -> None:
    """Put `p_holm` into each row of a family that has a `p_value`."""
    tested = [row for row in family if row["p_value"] is not None]
    for row, p_holm in zip(tested, adjust_by_holm([row["p_value"] for row in tested]), strict=True):
        row["p_holm"] = float(p_holm)


def adjust_by_holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """The p-values of one family, adjusted by Holm's step-down method, in the order given."""
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted
