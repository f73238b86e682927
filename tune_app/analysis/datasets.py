"""Inference over several data sets: wins, average ranks, and the tests that take one score a data set.

The data sets are the sample; folds and replicates of one are none (Demšar 2006, Garcia & Herrera 2008).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tune_app.analysis.t_tests import adjust_by_holm
from tune_app.errors import RefusedError, StudyError, choices

MIN_DATA_SETS = 5
ALPHA = 0.05  # of the critical difference
WILCOXON = "Wilcoxon signed-rank test"
RANK_Z = "z test of average ranks"
_DIGITS = 12  # significant digits that count: scores that differ by less are equal but for rounding errors
Better = Literal["higher", "lower"]
Table = NDArray[np.float64]


@dataclass(frozen=True)
class Against:
    """A condition against the baseline, over data sets.

    `wins`, `ties` and `losses` are the data sets on which it is better, equal, worse. `rank_difference` is the
    baseline's average rank minus the condition's: positive is better. `method` is empty where nothing was tested. Of
    Wilcoxon's test `statistic` is the smaller rank sum, of the z test it is z. `p_value` is two-sided and `p_holm` is
    adjusted for all conditions against the baseline. `at_smallest`: no result on these data sets gives a smaller p.
    """

    condition: str
    wins: int
    ties: int
    losses: int
    average_rank: float
    rank_difference: float
    method: str = ""
    statistic: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    at_smallest: bool = False

    def describe(self) -> str:
        """A clause: in how many data sets the condition is better, or worse if that is more often, with the p-value."""
        total = self.wins + self.ties + self.losses
        order, count = ("worse", self.losses) if self.losses > self.wins else ("better", self.wins)
        relation = f"{order} than the baseline on {count} of {total} data sets"
        if self.ties == total:
            relation = f"equal to the baseline on all {total} data sets"
        elif self.ties:
            relation += f" and equal on {self.ties}"
        if self.p_holm is None:
            return f"{self.condition} is {relation}"
        notes = " after Holm" * (self.method == RANK_Z)
        if self.at_smallest and self.p_holm > ALPHA:
            notes += ", the smallest possible"
        return f"{self.condition} is {relation} ({self.method}, {_format_p(self.p_holm)}{notes})"


@dataclass(frozen=True)
class Friedman:
    """Friedman's test that all conditions rank alike, corrected for ties, and the F of Iman & Davenport (1980).

    F has (`conditions` − 1, (`conditions` − 1)(`data_sets` − 1)) degrees of freedom; it is the better approximation of
    the two. It is infinite where all data sets rank alike; `p_f` is then the exact probability of that.
    """

    data_sets: int
    conditions: int
    chi_square: float
    p_chi_square: float
    f: float
    p_f: float

    @property
    def df(self) -> tuple[int, int]:
        """The degrees of freedom of F; the first is that of chi-square too."""
        return self.conditions - 1, (self.conditions - 1) * (self.data_sets - 1)

    def describe(self) -> str:
        """A sentence with F and its p-value."""
        f = f"F{self.df} = {self.f:.2f}" if math.isfinite(self.f) else "all data sets rank alike"
        return f"Friedman's test over {self.data_sets} data sets: {f}, {_format_p(self.p_f)} (Iman and Davenport)."


@dataclass(frozen=True)
class Pair:
    """Two conditions by Nemenyi's test, adjusted for all pairs; `rank_difference` is positive if `first` is better."""

    first: str
    second: str
    rank_difference: float
    p_value: float


@dataclass(frozen=True)
class Summary:
    """What several data sets say about conditions.

    `average_ranks` by condition: 1 is best, ties share the mean of their ranks. `against` has a row for each condition
    but the baseline. With three conditions or more there are `friedman`, `pairs`, and `critical_difference`: average
    ranks that differ by more are different at the 5% level (Nemenyi). `reason` says why nothing was tested.
    """

    baseline: str
    data_sets: int
    average_ranks: dict[str, float]
    against: tuple[Against, ...]
    friedman: Friedman | None = None
    pairs: tuple[Pair, ...] = ()
    critical_difference: float | None = None
    reason: str = ""

    def describe(self) -> str:
        """Plain sentences: the test of all conditions, each condition against the baseline, why nothing was tested."""
        first = [self.friedman.describe()] if self.friedman else []
        return " ".join([*first, *(f"{row.describe()}." for row in self.against), *filter(None, [self.reason])])

    def build_frame(self) -> pd.DataFrame:
        """A row for each condition but the baseline; the columns are the fields of `Against`, then `reason`."""
        rows = [{**asdict(row), "reason": self.reason} for row in self.against]
        return pd.DataFrame(rows, columns=[*Against.__dataclass_fields__, "reason"])


def summarise_over_data_sets(scores: pd.DataFrame, better: Better, baseline: str) -> Summary:
    """What `scores` (a row a data set, a column a condition, each a mean over folds) say over the data sets.

    Two conditions are compared by Wilcoxon's test. Its differences are ranked across data sets, so they must be of one
    unit: no root mean squared errors of different quantities. More are compared by their ranks within each data set.
    Under five data sets nothing is tested. Raises RefusedError for a score that is missing or infinite, StudyError for
    a baseline that is no condition and for conditions of one name.
    """
    names = [str(name) for name in scores.columns]
    _check(scores, names, baseline)
    table = _settle(scores.to_numpy(dtype=float) * (1.0 if better == "higher" else -1.0))
    ranks = np.asarray(stats.rankdata(-table, axis=1), dtype=float)
    average = ranks.mean(axis=0) if len(ranks) else np.full(len(names), math.nan)
    position = names.index(baseline)
    rows = [_count(names, table, average, index, position) for index in range(len(names)) if index != position]
    average_ranks = dict(zip(names, average.tolist(), strict=True))
    if reason := _find_reason(table):
        return Summary(baseline, len(table), average_ranks, tuple(rows), reason=reason)
    if len(names) == 2:
        tested = _test_two(rows[0], table[:, 1 - position], table[:, position])
        return Summary(baseline, len(table), average_ranks, (tested,))
    return Summary(
        baseline,
        len(table),
        average_ranks,
        _test_against(rows, ranks.shape),
        run_friedman(ranks),
        _compare_pairs(names, average, ranks.shape),
        find_critical_difference(*ranks.shape),
    )


def run_wilcoxon(differences: Sequence[float] | Table) -> tuple[float, float]:
    """Wilcoxon's signed-rank test: the smaller of the two rank sums, and its exact two-sided p-value.

    Differences of zero are ranked and then left out (Pratt 1959). The distribution is that of these ranks under all
    signs, so it is exact with ties and zeros too, where tables and scipy's `exact` are not. Nothing but zeros: p is 1.
    """
    values = np.asarray(differences, dtype=float)
    ranks = stats.rankdata(np.abs(values))
    smaller = min(float(ranks[values > 0].sum()), float(ranks[values < 0].sum()))
    doubled = np.rint(2 * ranks[values != 0]).astype(int)  # ties have halves
    chances = np.ones(1)
    for rank in doubled:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    return smaller, min(1.0, 2 * float(chances[: round(2 * smaller) + 1].sum()))


def run_friedman(ranks: Table) -> Friedman:
    """The test of ranks (data sets, conditions), each row from 1; some row has ranks that differ."""
    data_sets, conditions = ranks.shape
    expected = (conditions + 1) / 2
    within = float(((ranks - expected) ** 2).sum())  # less than without ties, which is their correction
    between = data_sets * float(((ranks.mean(axis=0) - expected) ** 2).sum())
    chi_square = data_sets * (conditions - 1) * between / within
    if (ranks == ranks[0]).all():
        sizes = np.unique(ranks[0], return_counts=True)[1]
        orders = math.factorial(conditions) // math.prod(math.factorial(size) for size in sizes.tolist())
        f, p_f = math.inf, float(orders) ** (1 - data_sets)
    else:
        f = compute_iman_davenport(chi_square, data_sets, conditions)
        p_f = float(stats.f.sf(f, conditions - 1, (conditions - 1) * (data_sets - 1)))
    p_chi_square = float(stats.chi2.sf(chi_square, conditions - 1))
    return Friedman(data_sets, conditions, chi_square, p_chi_square, f, p_f)


def compute_iman_davenport(chi_square: float, data_sets: int, conditions: int) -> float:
    """The F of Iman & Davenport (1980) that belongs to Friedman's chi-square."""
    return (data_sets - 1) * chi_square / (data_sets * (conditions - 1) - chi_square)


def find_critical_difference(data_sets: int, conditions: int, alpha: float = ALPHA) -> float:
    """The difference of average ranks beyond which two of all conditions differ at the level `alpha` (Nemenyi 1963)."""
    quantile = float(stats.studentized_range.ppf(1 - alpha, conditions, math.inf))
    return quantile / math.sqrt(2) * _find_rank_error((data_sets, conditions))


def _find_rank_error(shape: tuple[int, ...]) -> float:
    """The standard error of a difference of average ranks; that of ranks without ties, so with ties it is too large."""
    data_sets, conditions = shape
    return math.sqrt(conditions * (conditions + 1) / (6 * data_sets))


def _check(scores: pd.DataFrame, names: list[str], baseline: str) -> None:
    if len(set(names)) < len(names):
        raise StudyError(f"the conditions {', '.join(names)} must have a name each; rename or leave out the repeated")
    if baseline not in names:
        raise StudyError(f"the baseline {baseline!r} is no condition{choices(baseline, names)}")
    missing = np.argwhere(~np.isfinite(scores.to_numpy(dtype=float)))
    if len(missing):
        row, column = missing[0]
        raise RefusedError(
            f"{names[column]} has no score on {scores.index[row]}; a summary needs all conditions on all data sets."
        )


def _settle(table: Table) -> Table:
    """The scores rounded within each row, so that equal ones are equal whatever order their folds were summed in."""
    largest = np.abs(table).max(axis=1, initial=0.0).tolist()
    rows = [
        [round(value, _find_decimals(most)) for value in row] for row, most in zip(table.tolist(), largest, strict=True)
    ]
    return np.array(rows, dtype=float).reshape(table.shape)


def _find_decimals(largest: float) -> int:
    """The decimals that leave a number of this size the significant digits that count."""
    return _DIGITS - 1 - math.floor(math.log10(largest)) if largest > 0 else _DIGITS


def _find_reason(table: Table) -> str:
    """Why nothing can be tested, or nothing."""
    data_sets, conditions = table.shape
    if conditions < 2:
        return "Only one condition: there is nothing to compare."
    if data_sets < MIN_DATA_SETS:
        some = f"Only {data_sets} data set{'s' * (data_sets != 1)}" if data_sets else "No data set"
        return f"{some}: no test over data sets is given under five."
    if (table == table[:, :1]).all():
        return "All conditions score alike on every data set: there is nothing to test."
    return ""


def _count(names: list[str], table: Table, average: Table, index: int, baseline: int) -> Against:
    gains = table[:, index] - table[:, baseline]
    wins, losses = int((gains > 0).sum()), int((gains < 0).sum())
    rank = float(average[index])
    return Against(names[index], wins, len(gains) - wins - losses, losses, rank, float(average[baseline]) - rank)


def _test_two(row: Against, scores: Table, baseline: Table) -> Against:
    differences = np.array([_subtract(*pair) for pair in zip(scores.tolist(), baseline.tolist(), strict=True)])
    statistic, p_value = run_wilcoxon(differences)
    tested = replace(row, method=WILCOXON, statistic=statistic, p_value=p_value, p_holm=p_value)
    return replace(tested, at_smallest=statistic == 0)


def _subtract(score: float, baseline: float) -> float:
    """The difference, rounded as the scores were: 0.9 − 0.8 and 0.7 − 0.6 are ties."""
    largest = max(abs(score), abs(baseline))
    return round(score - baseline, _find_decimals(largest))


def _test_against(rows: list[Against], shape: tuple[int, ...]) -> tuple[Against, ...]:
    z = [row.rank_difference / _find_rank_error(shape) for row in rows]
    p_values = [2 * float(stats.norm.sf(abs(value))) for value in z]
    return tuple(
        replace(row, method=RANK_Z, statistic=statistic, p_value=p_value, p_holm=float(p_holm))
        for row, statistic, p_value, p_holm in zip(rows, z, p_values, adjust_by_holm(p_values), strict=True)
    )


def _compare_pairs(names: list[str], average: Table, shape: tuple[int, ...]) -> tuple[Pair, ...]:
    pairs = []
    for first, second in combinations(range(len(names)), 2):
        difference = float(average[second] - average[first])
        width = math.sqrt(2) * abs(difference) / _find_rank_error(shape)
        p_value = float(stats.studentized_range.sf(width, len(names), math.inf))
        pairs.append(Pair(names[first], names[second], difference, p_value))
    return tuple(pairs)


def _format_p(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
