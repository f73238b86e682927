"""The hierarchical model of several data sets: what a contrast would be on another data set of the kind.

Each data set has an effect of its own, which its folds know with an error; these effects are draws of one Student
distribution (Corani, Benavoli, Demšar, Mangili & Zaffalon 2017, Machine Learning 106, 1817). The priors are theirs:
uniform for the mean effect μ and for the scale σ between data sets, and for the degrees of freedom 1 + a gamma variate
whose shape is uniform in [1, 2] and whose rate is uniform in [0.01, 0.1].
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from tune_app.analysis.datasets import MIN_DATA_SETS
from tune_app.analysis.estimands import SAME
from tune_app.analysis.t_tests import LEVEL, TTest
from tune_app.errors import RefusedError

CHAINS = 200
KEPT = 300  # draws of each chain
DROPPED = 200  # before them
WIDEST = 1000.0  # σ goes up to so many times the spread of the data sets' means
SHAPES, RATES = (1.0, 2.0), (0.01, 0.1)
Array = NDArray[np.float64]
Weigh = Callable[[Array], Array]


class Within(NamedTuple):
    """What one data set's folds say of its own effect: Student(df, mean, scale) if nothing else were known.

    `largest` is the largest difference of a single pair of fits in absolute value; no mean effect is beyond it.
    """

    mean: float
    scale: float
    df: float
    largest: float


@dataclass(frozen=True)
class Posterior:
    """Draws of the mean effect over data sets, the scale between them, and the degrees of freedom of that."""

    mean: Array
    scale: Array
    df: Array

    def find_probabilities(self, rope: float) -> tuple[float, float, float]:
        """How probable it is that on a new data set an effect below −rope, within ±rope, above rope is the likeliest.

        The three numbers of `HierarchicalTest.probs` in baycomp. They sum to 1.
        """
        below = stats.t.cdf(-rope, self.df, self.mean, self.scale)
        above = stats.t.sf(rope, self.df, self.mean, self.scale)
        likeliest = np.argmax([below, 1 - below - above, above], axis=0)
        worse, equal, better = np.bincount(likeliest, minlength=3) / likeliest.size
        return float(worse), float(equal), float(better)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% credible interval of the mean effect."""
        low, high = np.quantile(self.mean, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)


def build_within(test: TTest, differences: Array) -> Within:
    """What a t-test of one data set's differences says: its effect, its standard error, its degrees of freedom."""
    return Within(test.effect, test.standard_error, test.df, float(np.abs(differences).max()))


def build_within_folds(differences: Array, n_splits: int, rope: float) -> Within:
    """What the J differences of (replicated) K-fold cross-validation say, K = `n_splits`, as Corani et al. have it.

    Folds correlate by 1/K, and their spread has a uniform prior: it is integrated out, which leaves J − 2 degrees of
    freedom. Differences that are all equal are taken as spread evenly within ±rope, for want of a spread of their own.
    Raises RefusedError for fewer than three differences, and for equal ones without a rope.
    """
    count, rho = differences.size, 1 / n_splits if n_splits > 1 else 0.0
    if count < 3:
        raise RefusedError(f"{count} differences on one data set are too few (at least 3); run more replicates.")
    is_spread = bool(np.ptp(differences) > SAME)
    squares = float(((differences - differences.mean()) ** 2).sum()) if is_spread else count * rope**2 / 3
    if not squares:
        raise RefusedError("all differences on one data set are equal, and without a rope their error is not known.")
    variance = squares * (1 + (count - 1) * rho) / ((1 - rho) * count * (count - 2))
    mean, largest = float(differences.mean()), float(np.abs(differences).max())
    return Within(mean, math.sqrt(variance), count - 2, max(largest, rope))


def sample_posterior(data_sets: Sequence[Within], seed: int = 0) -> Posterior:
    """Draws of 200 chains, each 300 after 200; the same data and seed give the same draws. Five data sets or more.

    A Gibbs sampler: both Student distributions are normal ones of random precision, so that the data sets' effects can
    be integrated out of the steps for μ and σ, and chains do not stick where σ is near 0.
    """
    if len(data_sets) < MIN_DATA_SETS:
        raise RefusedError(f"{len(data_sets)} data sets are too few for a hierarchical test, which needs five.")
    sampler = _Sampler(data_sets, np.random.default_rng(seed))
    for _ in range(DROPPED):
        sampler.step()
    draws = []
    for _ in range(KEPT):
        sampler.step()
        draws.append((sampler.mean * sampler.unit, sampler.scale * sampler.unit, sampler.df))
    return Posterior(*(np.array(values).ravel() for values in zip(*draws, strict=True)))


class _Sampler:
    """The state of all chains: arrays (chain, 1) of what the data sets share, (chain, data set) of what each has."""

    def __init__(self, data_sets: Sequence[Within], generator: np.random.Generator) -> None:
        means, scales, dfs, largest = np.array(data_sets, dtype=float).T
        self.generator = generator
        self.unit = max(float(np.std(means)), float(np.median(scales)))  # numbers near 1 whatever the metric's unit
        self.x, self.s, self.within_df = means / self.unit, scales / self.unit, dfs
        self.bound = float(largest.max()) / self.unit
        self.widest = WIDEST * max(float(np.std(self.x)), float(self.s.min()))
        shape = CHAINS, len(data_sets)
        self.kappa, self.lam = np.ones(shape), np.ones(shape)  # precisions of the folds' and the data sets' normals
        self.mean = np.full((CHAINS, 1), float(np.mean(self.x)))
        self.scale = np.exp(generator.uniform(-3, 1, (CHAINS, 1)))
        self.df = np.exp(generator.uniform(0, 4, (CHAINS, 1))) + 1

    def step(self) -> None:
        """One sweep: μ and σ without the effects, the effects, the degrees of freedom without λ, λ and κ."""
        generator = self.generator
        self._move_scale()
        variances = self._find_variances(self.scale)
        precision = (1 / variances).sum(axis=1, keepdims=True)
        centre = (self.x / variances).sum(axis=1, keepdims=True) / precision
        self.mean = self._draw_bounded(centre, np.sqrt(1 / precision))
        between, within = self.lam / self.scale**2, self.kappa / self.s**2
        centre = (self.mean * between + self.x * within) / (between + within)
        effects = centre + generator.standard_normal(centre.shape) / np.sqrt(between + within)
        distance = ((effects - self.mean) / self.scale) ** 2
        self._move_df(distance)
        self.lam = generator.gamma((self.df + 1) / 2, 1.0, distance.shape) / ((self.df + distance) / 2)
        distance = ((self.x - effects) / self.s) ** 2
        self.kappa = generator.gamma((self.within_df + 1) / 2, 1.0, distance.shape) / ((self.within_df + distance) / 2)

    def _find_variances(self, scale: Array) -> Array:
        """Of the data sets' means about μ, the effects integrated out."""
        variances: Array = scale**2 / self.lam + self.s**2 / self.kappa
        return variances

    def _draw_bounded(self, centre: Array, spread: Array) -> Array:
        """Normal draws within ±bound."""
        low, high = (special.ndtr((end - centre) / spread) for end in (-self.bound, self.bound))
        share = low + (high - low) * self.generator.random(centre.shape)
        draws = centre + spread * special.ndtri(np.clip(share, 1e-15, 1 - 1e-15))
        bounded: Array = np.clip(draws, -self.bound, self.bound)
        return bounded

    def _move_scale(self) -> None:
        """Metropolis steps of log σ, small ones and wide ones."""

        def weigh(scale: Array) -> Array:
            variances = self._find_variances(scale)
            fit = -((self.x - self.mean) ** 2 / variances + np.log(variances)).sum(axis=1, keepdims=True) / 2
            log: Array = np.where(scale < self.widest, fit + np.log(scale), -np.inf)  # log σ: of the step's measure
            return log

        self.scale = self._move(self.scale, weigh)

    def _move_df(self, distance: Array) -> None:
        """The same of the degrees of freedom above 1; `distance` is ((effect − μ) / σ)²."""
        count = distance.shape[1]

        def weigh(above: Array) -> Array:
            df = above + 1
            constant = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - np.log(df) / 2
            tails = ((df + 1) / 2 * np.log1p(distance / df)).sum(axis=1, keepdims=True)
            log: Array = count * constant - tails + _find_log_prior(np.log(above))
            return log

        self.df = 1 + self._move(self.df - 1, weigh)

    def _move(self, value: Array, weigh: Weigh) -> Array:
        old = weigh(value)
        for width in (0.3, 1.0, 3.0):
            proposed = value * np.exp(width * self.generator.standard_normal(value.shape))
            new = weigh(proposed)
            taken = np.log(self.generator.random(value.shape)) < new - old
            value, old = np.where(taken, proposed, value), np.where(taken, new, old)
        return value


def _find_log_prior(log_above: Array) -> Array:
    """The log density of log(df − 1), shape and rate of the gamma distribution integrated out, but for a constant."""
    grid, density = _tabulate_prior()
    prior: Array = np.interp(log_above, grid, density, left=-np.inf, right=-np.inf)
    return prior


@cache
def _tabulate_prior() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(24)
    shape, rate = (low + (high - low) * (nodes + 1) / 2 for low, high in (SHAPES, RATES))
    grid = np.linspace(math.log(1e-6), math.log(5000), 4000)
    density = stats.gamma.pdf(np.exp(grid)[:, None, None], shape[:, None], scale=1 / rate) * np.exp(grid)[:, None, None]
    return grid, np.log(np.einsum("gab,a,b->g", density, weights, weights))
