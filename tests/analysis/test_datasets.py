"""Several data sets: published numbers, scipy's tests, exact distributions, and what is refused."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tune_app.analysis.datasets import (
    RANK_Z,
    WILCOXON,
    compute_iman_davenport,
    find_critical_difference,
    run_friedman,
    run_wilcoxon,
    summarise_over_data_sets,
)
from tune_app.errors import RefusedError, StudyError

# AUCs of Demšar (2006), table 6. He ranks voting's 0.975 and 0.975 second and third, by digits that are not printed.
TREES = pd.DataFrame(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)
SETS = ["mnist", "digits", "svhn", "cifar10", "iris", "wine", "letters"]


def build_scores(gains: list[float], better: str = "higher") -> pd.DataFrame:
    """A baseline and a network with dropout whose scores are better by `gains`."""
    base = np.linspace(0.7, 0.9, len(gains))
    sign = 1 if better == "higher" else -1
    return pd.DataFrame({"plain": base, "dropout": base + sign * np.array(gains)}, index=SETS[: len(gains)])


def test_average_ranks_and_wins_are_those_of_demsar() -> None:
    summary = summarise_over_data_sets(TREES, "higher", "C4.5")
    assert summary.data_sets == 14
    assert list(summary.average_ranks.values()) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert [(row.wins, row.ties, row.losses) for row in summary.against] == [(10, 2, 2), (7, 1, 6), (11, 1, 2)]
    assert sum(summary.average_ranks.values()) == pytest.approx(10)


def test_friedmans_statistics_are_those_of_demsar_without_the_correction_for_ties() -> None:
    ranks = np.array(list(summarise_over_data_sets(TREES, "higher", "C4.5").average_ranks.values()))
    uncorrected = 12 * 14 / (4 * 5) * ((ranks**2).sum() - 4 * 5**2 / 4)
    assert uncorrected == pytest.approx(9.28, abs=5e-3)
    assert compute_iman_davenport(uncorrected, 14, 4) == pytest.approx(3.69, abs=5e-3)


def test_friedmans_test_is_scipys_and_its_f_that_of_an_analysis_of_variance_of_the_ranks() -> None:
    found = summarise_over_data_sets(TREES, "higher", "C4.5").friedman
    assert found is not None
    theirs = stats.friedmanchisquare(*TREES.to_numpy().T)
    assert (found.chi_square, found.p_chi_square) == pytest.approx((theirs.statistic, theirs.pvalue))
    ranks = stats.rankdata(-TREES.to_numpy(), axis=1)
    between = 14 * ((ranks.mean(axis=0) - 2.5) ** 2).sum() / 3
    residual = (((ranks - 2.5) ** 2).sum() - 3 * between) / 39
    assert found.f == pytest.approx(between / residual)
    assert found.df == (3, 39)
    assert found.p_f == pytest.approx(stats.f.sf(between / residual, 3, 39))


@pytest.mark.parametrize(
    ("conditions", "critical"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)]
)  # table 5 a of Demšar (2006)
def test_nemenyis_critical_values_are_the_published_ones(conditions: int, critical: float) -> None:
    found = find_critical_difference(14, conditions) / math.sqrt(conditions * (conditions + 1) / (6 * 14))
    assert found == pytest.approx(critical, abs=1e-3)


def test_nemenyi_and_holm_conclude_as_demsar_does() -> None:
    summary = summarise_over_data_sets(TREES, "higher", "C4.5")
    assert summary.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert max(abs(pair.rank_difference) for pair in summary.pairs) < 1.25, "5%: no pair differs"
    at_10 = find_critical_difference(14, 4, alpha=0.10)
    assert at_10 == pytest.approx(1.12, abs=5e-3)
    beyond = {(pair.first, pair.second) for pair in summary.pairs if abs(pair.rank_difference) > at_10}
    assert beyond == {("C4.5", "C4.5+m"), ("C4.5", "C4.5+m+cf")}
    assert beyond == {(pair.first, pair.second) for pair in summary.pairs if pair.p_value < 0.10}
    rows = {row.condition: row for row in summary.against}
    assert {row.method for row in summary.against} == {RANK_Z}
    published = {"C4.5+m+cf": (2.416, 0.016), "C4.5+m": (2.342, 0.019), "C4.5+cf": (0.512, 0.607)}
    for name, numbers in published.items():
        assert (rows[name].statistic, rows[name].p_value) == pytest.approx(numbers, abs=2e-3)
    assert rows["C4.5+m+cf"].p_holm == pytest.approx(3 * 0.0157, abs=1e-3)
    assert rows["C4.5+m"].p_holm == rows["C4.5+m+cf"].p_holm, "step-down: never below the one before"


def test_every_pair_stands_once_and_its_sign_says_who_is_better() -> None:
    summary = summarise_over_data_sets(TREES, "higher", "C4.5+m")
    assert {frozenset((pair.first, pair.second)) for pair in summary.pairs} == {
        frozenset(pair) for pair in itertools.combinations(TREES.columns, 2)
    }
    for pair in summary.pairs:
        gap = summary.average_ranks[pair.second] - summary.average_ranks[pair.first]
        assert pair.rank_difference == pytest.approx(gap)


def test_wilcoxons_test_is_scipys_exact_one_without_ties() -> None:
    generator = np.random.default_rng(0)
    for count in (5, 9, 20, 40):
        differences = generator.normal(0.3, 1, count)
        theirs = stats.wilcoxon(differences, method="exact")
        assert run_wilcoxon(differences) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_wilcoxons_test_is_scipys_permutation_with_ties_and_zeros_by_pratt() -> None:
    differences = [0.0, 0.1, -0.1, 0.3, 0.2, 0.2, 0.0, 0.5, -0.4]
    every_sign = stats.PermutationMethod(n_resamples=np.inf)
    theirs = stats.wilcoxon(differences, zero_method="pratt", method=every_sign)
    assert run_wilcoxon(differences) == pytest.approx((theirs.statistic, theirs.pvalue))


@pytest.mark.parametrize("sizes", [[1, 2, 3, 4, 5, 6, 7], [1, 1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 2, 3, 3, 4]])
def test_wilcoxons_test_errs_no_more_often_than_its_level_under_all_signs(sizes: list[float]) -> None:
    p_values = [
        run_wilcoxon([size * sign for size, sign in zip(sizes, signs, strict=True)])[1]
        for signs in itertools.product((-1, 1), repeat=len(sizes))
    ]
    for level in (0.05, 0.1, 0.3):
        assert np.mean(np.array(p_values) <= level) <= level
    assert np.mean(np.array(p_values) <= max(p_values)) == 1
    assert min(p_values) == pytest.approx(2 / 2 ** np.count_nonzero(sizes)), "it is not needlessly careful"


def test_two_conditions_of_demsar_are_compared_by_wilcoxon() -> None:
    """He halves the ranks of the two zeros, R− = 12; Pratt leaves them out: 12 − 1.5."""
    summary = summarise_over_data_sets(TREES[["C4.5", "C4.5+m"]], "higher", "C4.5")
    (row,) = summary.against
    assert (row.method, row.statistic) == (WILCOXON, 10.5)
    assert row.p_value is not None
    assert row.p_value < 0.05, "the smaller sum is below the critical 21"
    assert summary.friedman is None
    assert not summary.pairs


def test_differences_that_only_rounding_separates_are_ties() -> None:
    scores = pd.DataFrame({"a": [0.8, 0.6, 0.1 + 0.2, 0.5, 0.4, 0.3], "b": [0.9, 0.7, 0.3, 0.6, 0.5, 0.1]})
    (row,) = summarise_over_data_sets(scores, "higher", "a").against
    assert (row.wins, row.ties, row.losses) == (4, 1, 1)
    assert row.statistic == 6, "0.2 is the largest, and the four of 0.1 share 3.5"
    large = summarise_over_data_sets(scores * 1e6, "higher", "a").against[0]
    assert large.statistic == 6


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_sentence_says_on_how_many_data_sets_and_by_which_test(better: str) -> None:
    gains = [0.02, 0.03, 0.01, 0.05, 0.04, 0.06, -0.005]
    summary = summarise_over_data_sets(build_scores(gains, better), better, "plain")  # type: ignore[arg-type]
    exact = stats.wilcoxon(gains, method="exact").pvalue
    assert summary.describe() == (
        f"dropout is better than the baseline on 6 of 7 data sets (Wilcoxon signed-rank test, p = {exact:.3f})."
    )
    assert summary.average_ranks == pytest.approx({"plain": 13 / 7, "dropout": 8 / 7})


def test_a_condition_that_is_mostly_worse_is_called_worse_and_ties_are_named() -> None:
    sentence = summarise_over_data_sets(build_scores([-0.02, -0.01, 0.01, 0, -0.03, -0.04]), "higher", "plain")
    assert sentence.describe().startswith("dropout is worse than the baseline on 4 of 6 data sets and equal on 1 (")


def test_five_data_sets_cannot_reach_five_percent_and_the_sentence_says_so() -> None:
    summary = summarise_over_data_sets(build_scores([0.1, 0.2, 0.05, 0.3, 0.15]), "higher", "plain")
    assert summary.against[0].p_value == 0.0625
    assert summary.describe().endswith(
        "on 5 of 5 data sets (Wilcoxon signed-rank test, p = 0.062, the smallest possible)."
    )


@pytest.mark.parametrize(
    ("count", "start"), [(1, "Only 1 data set:"), (3, "Only 3 data sets:"), (4, "Only 4 data sets:")]
)
def test_under_five_data_sets_wins_are_counted_and_nothing_is_tested(count: int, start: str) -> None:
    for scores in (build_scores([0.1] * count), TREES[:count]):
        summary = summarise_over_data_sets(scores, "higher", scores.columns[0])
        assert summary.reason == f"{start} no test over data sets is given under five."
        assert summary.describe().endswith(summary.reason)
        rest, base = scores.to_numpy()[:, 1:], scores.to_numpy()[:, :1]
        assert [row.wins for row in summary.against] == (rest > base).sum(axis=0).tolist()
        assert [row.losses for row in summary.against] == (rest < base).sum(axis=0).tolist()
        assert summary.friedman is None
        assert summary.critical_difference is None
        assert {row.p_value for row in summary.against} == {None}


def test_several_conditions_are_described_after_friedmans_test() -> None:
    summary = summarise_over_data_sets(TREES, "higher", "C4.5")
    first, second, *rest = summary.describe().split(". ")
    assert first.startswith("Friedman's test over 14 data sets: F(3, 39) = ")
    assert second.startswith("C4")
    assert rest
    assert (
        "C4.5+m+cf is better than the baseline on 11 of 14 data sets and equal on 1 "
        "(z test of average ranks, p = 0.047 after Holm)." in summary.describe()
    )


def test_data_sets_that_all_rank_alike_give_the_chance_of_that_and_no_division_by_zero() -> None:
    scores = pd.DataFrame({"a": [1.0, 2, 3, 4, 5], "b": [2.0, 3, 4, 5, 6], "c": [3.0, 4, 5, 6, 7]})
    found = summarise_over_data_sets(scores, "lower", "a").friedman
    assert found is not None
    assert (found.chi_square, found.f) == (10, math.inf)
    assert found.p_f == pytest.approx(6.0**-4)
    assert "all data sets rank alike, p < 0.001" in found.describe()
    tied = run_friedman(np.array([[1.5, 1.5, 3.0]] * 5))
    assert tied.p_f == pytest.approx(3.0**-4), "with the ties there are three orders"


def test_conditions_that_score_alike_everywhere_are_not_tested() -> None:
    for names in (["plain", "dropout"], ["plain", "dropout", "both"]):
        scores = pd.DataFrame(dict.fromkeys(names, np.linspace(0, 1, 6)))
        summary = summarise_over_data_sets(scores, "higher", "plain")
        assert "score alike" in summary.reason
        assert summary.describe().startswith("dropout is equal to the baseline on all 6 data sets.")


def test_the_frame_has_a_row_for_each_condition_but_the_baseline() -> None:
    frame = summarise_over_data_sets(TREES, "higher", "C4.5+m").build_frame()
    assert frame["condition"].tolist() == ["C4.5", "C4.5+cf", "C4.5+m+cf"]
    assert (frame[["wins", "ties", "losses"]].sum(axis=1) == 14).all()
    refused = summarise_over_data_sets(TREES[:2], "higher", "C4.5+m").build_frame()
    assert list(refused) == list(frame)
    assert refused["p_value"].isna().all()


def test_incomplete_scores_and_unknown_baselines_are_refused_by_name() -> None:
    scores = build_scores([0.1] * 6)
    scores.loc["svhn", "dropout"] = math.nan
    with pytest.raises(RefusedError, match="dropout has no score on svhn"):
        summarise_over_data_sets(scores, "higher", "plain")
    with pytest.raises(StudyError, match="did you mean 'plain'"):
        summarise_over_data_sets(build_scores([0.1] * 6), "higher", "plane")
    with pytest.raises(StudyError, match="a name each"):
        summarise_over_data_sets(TREES.set_axis(list("aabc"), axis=1), "higher", "a")
    alone = summarise_over_data_sets(TREES[["C4.5"]], "higher", "C4.5")
    assert alone.describe() == "Only one condition: there is nothing to compare."
