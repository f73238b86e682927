"""The audit's verdicts and shares against other computations of the same, on the committed records and small cases."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tests.builders import build_results, build_study
from tune_app.analysis.audit.costs import build_audit
from tune_app.analysis.audit.evidence import SIGN_FLIP, T_TEST, Effect, count_collapsed, subtract_sound
from tune_app.analysis.audit.settings import ADDED, REMOVED, SHARED, WHOLE, Setting, find_settings
from tune_app.analysis.audit.shares import (
    BOOTSTRAP,
    BOTH_WAYS,
    BY_TRAINING,
    EXACT,
    FIELLER,
    build_shares,
    find_bootstrap_interval,
    find_fieller_interval,
)
from tune_app.records.results import Results, read_results
from tune_app.study import TrialSpec

AUDIT = Path(__file__).parents[2] / "results" / "audit"
SKIPS, REPLICAS, NORMALISES = "test-skips-layers", "replica-statistics", "test-normalisation"
LARGE = "CNN+BN, all images, batches of 1,000"


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results(AUDIT)


@pytest.fixture(scope="module")
def audit(results: Results) -> pd.DataFrame:
    return build_audit(results)


def scores_of(results: Results, setting: Setting, protocol: str) -> NDArray[np.float64]:
    """(replicate, fold), under carry-over (replicate, 1)."""
    rows = []
    for spec in setting.conditions[protocol]:
        folds = range(spec.folds)[-1:] if "carry-over" in spec.protocol else range(spec.folds)
        rows.append([results.records.folds[spec.id, fold].scores["test_accuracy"] for fold in folds])
    return np.array(rows)


def pick(audit: pd.DataFrame, defect: str, way: str, setting: str = LARGE) -> dict[Any, Any]:
    chosen = (audit["setting"] == setting) & (audit["defect"] == defect) & (audit["way"] == way)
    (row,) = audit[chosen].to_dict("records")
    return row


@pytest.mark.parametrize("defect", [SKIPS, REPLICAS])
def test_direction_and_size_are_decided_by_the_permutation_test_of_the_mean(
    results: Results, audit: pd.DataFrame, defect: str
) -> None:
    setting = find_settings(results)[0]
    whole, without, sound = (
        scores_of(results, setting, name) for name in ("as-reported", f"as-reported without {defect}", "sound")
    )
    gains = (without - whole).ravel()
    excess = gains - (sound.mean() - whole.ravel()) / 2
    row = pick(audit, defect, REMOVED)
    for values, p_value in ((gains, row["p_cost"]), (excess, row["p_half"])):
        found = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert p_value == pytest.approx(found.pvalue)
    assert row["test"] == SIGN_FLIP


def test_the_verdicts_on_the_two_hypotheses_are_one_family(audit: pd.DataFrame) -> None:
    family = audit[audit["family"] == "the two hypotheses"]
    assert len(family) == 8, "two in each of four settings"
    adjusted = multipletests(family["p_value"].to_numpy(float), method="holm")[1]
    assert family["p_holm"].to_numpy(float) == pytest.approx(adjusted)
    assert set(family["defect"]) == {SKIPS, REPLICAS}
    decided = family[~family["explains"].str.startswith("undecided")]
    assert (decided["p_holm"] < 0.05).all()
    assert set(decided["setting"]) == {LARGE}
    assert decided.set_index("defect")["explains"].to_dict() == {
        REPLICAS: "less than half of the gap, if any",
        SKIPS: "more than half of the gap",
    }


def test_three_replicates_at_batches_of_100_decide_only_before_the_adjustment(audit: pd.DataFrame) -> None:
    row = pick(audit, SKIPS, REMOVED, "CNN+BN, all images, batches of 100")
    assert row["explains_unadjusted"] == "more than half of the gap"
    assert row["explains"].startswith("undecided")
    assert row["p_value"] < 0.05 < row["p_holm"]
    assert row["test"] == T_TEST


def test_what_cannot_change_a_test_score_has_no_verdict(audit: pd.DataFrame) -> None:
    row = pick(audit, "last-batch-accuracy", REMOVED)
    assert (row["cost"], row["family"], row["explains"]) == (0, "", "")
    assert math.isnan(row["p_value"])


def test_networks_below_half_of_their_median_are_flagged(results: Results, audit: pd.DataFrame) -> None:
    whole = scores_of(results, find_settings(results)[0], "as-reported").ravel()
    assert whole[whole < 0.5 * np.median(whole)] == pytest.approx([0.2168])
    assert pick(audit, *WHOLE)["collapsed_with"] == 1
    assert pick(audit, SKIPS, REMOVED)["collapsed_without"] == 0
    assert count_collapsed(np.array([[0.1], [0.9]])) == 0, "of two, none is the odd one out"


@pytest.mark.parametrize(
    ("replicates", "rate", "test"), [(6, 0.05, T_TEST), (7, 0.05, SIGN_FLIP), (9, 0.05 / 8, T_TEST)]
)
def test_the_sign_flip_test_decides_from_where_two_of_its_p_values_reach_the_rate(
    replicates: int, rate: float, test: str
) -> None:
    values = np.random.default_rng(0).normal(1, 1, replicates)
    outcome = Effect(values, [values]).decide(rate)
    assert outcome.test == test
    expected = (
        stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
        if test == SIGN_FLIP
        else stats.ttest_1samp(values, 0)
    )
    assert outcome.p_value == pytest.approx(expected.pvalue)


def test_power_does_not_fall_with_another_replicate() -> None:
    source = np.random.default_rng(1)
    found = []
    for replicates in range(3, 11):
        data = source.normal(1.0, 1.0, (400, replicates))
        found.append(np.mean([Effect(values, [values]).decide(0.05).p_value < 0.05 for values in data]))
    steps = np.diff(found)
    assert steps.min() > -0.05, "two standard errors of a difference of two rates of 400"
    assert found[-1] > found[0] + 0.5


def test_the_sound_mean_stands_for_replicates_only_where_it_is_known_well() -> None:
    values = np.random.default_rng(2).normal(0.5, 0.1, 10)
    tight = np.full((3, 4), 0.98) + np.linspace(-1e-3, 1e-3, 12).reshape(3, 4)
    differences, is_known = subtract_sound(values, range(10), tight, range(3))
    assert is_known
    assert differences == pytest.approx(values - tight.mean())
    assert not subtract_sound(values, range(10), 100 * (tight - 0.98), range(3))[1]
    own, is_paired = subtract_sound(values[:3], [0, 1, 2], 100 * (tight - 0.98), range(3))
    assert is_paired
    assert own == pytest.approx(values[:3] - 100 * (tight.mean(axis=1) - 0.98))


def build_two_by_two(protocols: list[str], regularizer: str, score: Any, replicates: int = 3) -> Results:
    grid = [{"model": "cnn", "regularizer": regularizer, "folds": 4, "protocol": protocols}]
    study = build_study(grid=grid, replicates=replicates, baseline={"protocol": "sound"}, data={"name": "digits"})
    return build_results(study, score)


def find_by_orders(value: Any, players: list[str]) -> dict[str, float]:
    """Shapley's value from its definition: the mean over all orders of what a player adds."""
    found = dict.fromkeys(players, 0.0)
    orders = list(itertools.permutations(players))
    for order in orders:
        present: frozenset[str] = frozenset()
        for player in order:
            found[player] += (value(present | {player}) - value(present)) / len(orders)
            present |= {player}
    return found


def test_with_all_sets_of_defects_the_share_is_the_mean_over_all_orders() -> None:
    """CNN without regularizer: two defects can change a test score."""

    def cost(present: frozenset[str]) -> float:
        return 0.1 * ("carry-over" in present) + 0.05 * (NORMALISES in present) + 0.06 * (len(present) == 2)

    def score(spec: TrialSpec, fold: int) -> float:
        scatter = ((7 * fold + 3 * spec.replicate + len(spec.protocol)) % 5 - 2) * 1e-3
        return 0.95 + scatter - cost(frozenset(spec.protocol) & {"carry-over", NORMALISES})

    results = build_two_by_two(["sound", "as-reported", "carry-over", NORMALISES], "none", score)
    shares = build_shares(results, find_settings(results)[0])
    expected = find_by_orders(cost, ["carry-over", NORMALISES])
    assert {share.method for share in shares} == {EXACT}
    for share in shares:
        assert share.test.effect == pytest.approx(expected[share.defect], abs=0.003)
        assert share.test.interval[0] < expected[share.defect] < share.test.interval[1]
    assert sum(share.ratio for share in shares) == pytest.approx(1)


def test_two_trainings_are_enough_for_the_shares_of_the_defects_of_the_test() -> None:
    training = "carry-over + replica-statistics + train-mode-validation"

    def cost(present: frozenset[str]) -> float:
        return (
            0.02 * (training in present)
            + 0.2 * (SKIPS in present)
            + 0.01 * (NORMALISES in present)
            - 0.09 * ({training, SKIPS} <= present)
            + 0.03 * (len(present) == 3)
        )

    def score(spec: TrialSpec, fold: int) -> float:
        units = frozenset(spec.protocol) & {SKIPS, NORMALISES}
        if "carry-over" in spec.protocol:
            units |= {training}
        return 0.95 + ((7 * fold + 3 * spec.replicate) % 5 - 2) * 1e-3 - cost(units)

    without = [f"as-reported without {names}" for names in (SKIPS, NORMALISES, f"{NORMALISES}+{SKIPS}")]
    protocols = ["sound", SKIPS, NORMALISES, f"{NORMALISES}+{SKIPS}", "as-reported", *without]
    results = build_two_by_two(protocols, "batchnorm", score)
    shares = build_shares(results, find_settings(results)[0])
    expected = find_by_orders(cost, [training, SKIPS, NORMALISES])
    assert {share.method for share in shares} == {BY_TRAINING}
    assert {share.defect for share in shares} == expected.keys()
    for share in shares:
        assert share.test.effect == pytest.approx(expected[share.defect], abs=0.003)


def test_with_both_ways_alone_the_share_is_their_mean_and_the_rest_completes_the_gap(audit: pd.DataFrame) -> None:
    shares = audit[(audit["setting"] == LARGE) & (audit["way"] == SHARED)]
    assert set(shares["method"]) == {BOTH_WAYS}
    for defect in (SKIPS, REPLICAS, NORMALISES):
        ways = [pick(audit, defect, way)["cost"] for way in (REMOVED, ADDED)]
        assert pick(audit, defect, SHARED)["cost"] == pytest.approx(np.mean(ways))
    assert shares["cost"].sum() == pytest.approx(pick(audit, *WHOLE)["cost"])
    assert shares["share_of_gap"].sum() == pytest.approx(1)
    assert audit[audit["way"].isin([REMOVED, ADDED])]["share_of_gap"].isna().all()


def test_a_shares_interval_is_welchs_over_its_independent_fits(results: Results, audit: pd.DataFrame) -> None:
    setting = find_settings(results)[0]
    names = ("as-reported", f"as-reported without {SKIPS}", "sound", SKIPS)
    whole, without, sound, alone = (scores_of(results, setting, name).ravel() for name in names)
    found = stats.ttest_ind((without - whole) / 2, -(sound - alone) / 2, equal_var=False).confidence_interval()
    row = pick(audit, SKIPS, SHARED)
    assert (row["ci95_low"], row["ci95_high"]) == pytest.approx((found.low, found.high))


def test_fieller_is_the_root_of_its_quadratic_where_the_fits_are_one_sample() -> None:
    source = np.random.default_rng(3)
    gap = source.normal(1.0, 0.3, 12)
    block = np.column_stack([0.6 * gap + source.normal(0, 0.1, 12), gap])
    (a, b), covariance = block.mean(axis=0), np.cov(block.T) / 12
    t = stats.t.ppf(0.975, 11)
    roots = np.roots(
        [b**2 - t**2 * covariance[1, 1], -2 * (a * b - t**2 * covariance[0, 1]), a**2 - t**2 * covariance[0, 0]]
    )
    assert find_fieller_interval([block]) == pytest.approx(sorted(roots))


def test_no_fieller_interval_ends_where_the_gap_may_be_nothing_and_a_bootstrap_is_told_as_such(
    audit: pd.DataFrame,
) -> None:
    gap = np.array([-1.0, 3.0, -0.5, 2.0, 0.4, 0.2, 0.1, 0.3])
    assert find_fieller_interval([np.column_stack([gap / 2, gap])]) is None
    large, small = (pick(audit, SKIPS, SHARED, name) for name in (LARGE, "CNN+BN, all images, batches of 100"))
    assert pick(audit, *WHOLE)["ci95_low"] < 0
    assert (large["share_interval"], small["share_interval"]) == (BOOTSTRAP, FIELLER)
    assert large["share_low"] < large["share_of_gap"] < large["share_high"]


def test_the_bootstrap_draws_fits_within_blocks_and_needs_six() -> None:
    source = np.random.default_rng(4)
    first = np.column_stack([source.normal(0.4, 0.05, 10), source.normal(0.5, 0.05, 10)])
    second = np.column_stack([source.normal(0.3, 0.05, 12), source.normal(0.5, 0.05, 12)])

    def divide(i: NDArray[np.intp], j: NDArray[np.intp], axis: int = -1) -> Any:
        share, gap = (first[i, column].mean(axis=axis) + second[j, column].mean(axis=axis) for column in (0, 1))
        return share / gap

    found = stats.bootstrap(
        (np.arange(10), np.arange(12)),
        divide,
        method="percentile",
        n_resamples=10_000,
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert find_bootstrap_interval([first, second]) == pytest.approx((found.low, found.high), abs=0.004)
    assert find_bootstrap_interval([first[:5], second]) is None
