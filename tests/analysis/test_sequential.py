"""Looks at growing data: the boundaries, the intervals, what a family spends, the state that is kept."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pytest
from scipy import stats

from benchmarks.sequential import Setting, draw_tests, judge, list_settings, run_looks, run_unadjusted, summarise
from tune_app.analysis.looks import ClaimPath, Looks, Observed, parse_looks
from tune_app.analysis.sequential import (
    Schedule,
    Spending,
    build_repeated_interval,
    find_boundaries,
    find_conditional_power,
    find_nominal_p,
    spend,
)
from tune_app.analysis.t_tests import CorrectedTTest, build_corrected_t_test
from tune_app.errors import ResultsError

ABOVE = (0.0, math.inf)


@pytest.mark.parametrize(
    ("steps", "published"),  # ldbounds: ldBounds(n, iuse=1, alpha=0.05); gsDesign: gsDesign(n, 2, sfu=sfLDOF)
    [
        (2, (2.9626, 1.9686)),
        (3, (3.7103, 2.5114, 1.9930)),
        (4, (4.3326, 2.9631, 2.3590, 2.0141)),
        (5, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
    ],
)
def test_boundaries_are_the_published_ones(steps: int, published: tuple[float, ...]) -> None:
    fractions = tuple((step + 1) / steps for step in range(steps))
    assert find_boundaries(0.05, fractions) == pytest.approx(published, abs=3e-4)


def test_pocock_boundaries_are_the_published_ones() -> None:
    # ldbounds: ldBounds(5, iuse=2, alpha=0.05); gsDesign: sfu=sfLDPocock
    published = (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)
    assert find_boundaries(0.05, (0.2, 0.4, 0.6, 0.8, 1.0), "pocock") == pytest.approx(published, abs=3e-4)
    assert spend(0.05, 1, "pocock") == pytest.approx(0.05)


@pytest.mark.parametrize("spending", ["obrien-fleming", "power", "pocock"])
def test_boundaries_at_unequal_looks_are_crossed_as_often_as_was_spent(spending: Spending) -> None:
    replicates = np.array([3, 4, 6, 8, 11, 15, 20, 30])
    source = np.random.default_rng(3)
    sums = source.normal(0, 1, (400_000, 30)).cumsum(axis=1)[:, replicates - 1]
    crossed = np.abs(sums / np.sqrt(replicates)) > find_boundaries(0.2, tuple(replicates / 30), spending)
    share = np.maximum.accumulate(crossed, axis=1).mean(axis=0)
    expected = [spend(0.2, count / 30, spending) for count in replicates]
    assert share == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 400_000))


def test_the_power_family_spends_between_the_two() -> None:
    for fraction in (0.1, 0.3, 0.5, 0.8):
        late, middle, early = (spend(0.05, fraction, kind) for kind in ("obrien-fleming", "power", "pocock"))
        assert late < middle < early
    assert spend(0.05, 0.25, "power") == pytest.approx(0.05 / 8)
    assert spend(0.05, 1, "power") == spend(0.05, 1.5, "power") == pytest.approx(0.05)


def test_all_of_the_error_rate_is_spent_at_the_end_and_little_before() -> None:
    assert spend(0.05, 1) == pytest.approx(0.05)
    assert spend(0.05, 0) == 0
    assert spend(0.05, 0.5) == pytest.approx(4 * stats.norm.sf(stats.norm.isf(0.0125) / math.sqrt(0.5)))
    assert spend(0.05, 0.1) < 1e-10


def test_a_single_look_has_the_ordinary_interval() -> None:
    test = build_corrected_t_test([0.1, 0.3, 0.2, 0.25, 0.4], 1)
    assert find_nominal_p(0.05, [5], 5) == pytest.approx(0.05, rel=1e-6)
    assert build_repeated_interval(test, find_nominal_p(0.05, [5], 5)) == pytest.approx(test.interval, rel=1e-6)


def test_the_chance_to_be_decided_is_that_of_simulated_continuations() -> None:
    test, most, source = CorrectedTTest(0.5, 1.0, 10, 1), 30, np.random.default_rng(0)
    nominal = 0.01
    # The spread is known here but for its t: the truth is drawn as the data leave it, then 20 replicates more.
    truths = test.effect + test.standard_error * source.standard_t(9, 200_000)
    more = source.normal(0, 1 / math.sqrt(20), len(truths)) + test.effect + (truths - test.effect)
    final = (10 * test.effect + 20 * more) / 30
    half = stats.t.isf(nominal / 2, 29) / math.sqrt(30)
    share = np.mean(np.abs(final) > half)
    assert find_conditional_power(test, ABOVE, nominal, most) == pytest.approx(share, abs=0.02)
    assert find_conditional_power(CorrectedTTest(0.0, 1.0, 29, 1), ABOVE, nominal, most) < 0.001
    assert find_conditional_power(CorrectedTTest(3.0, 1.0, 29, 1), ABOVE, nominal, most) > 0.999


def test_looks_are_planned_from_the_study_to_the_most_replicates() -> None:
    assert Schedule(1, 30).looks == (1, 3, 4, 6, 8, 11, 15, 20, 30)
    assert Schedule(10, 12).looks == (10, 11, 12)
    assert Schedule(5, 3).looks == (5,)
    assert Schedule(1, 60).looks[-3:] == (42, 59, 60)
    assert Schedule(1, 30).find_next(1, fewest=4) == 4
    assert Schedule(1, 30).find_next(30) is None


def build_looks(*sentences: str, most: int = 30) -> Looks:
    return Looks("claims", 3, most, tuple(ClaimPath(sentence, "family") for sentence in sentences))


def observe(effects: Mapping[str, float], replicates: int) -> dict[str, Observed]:
    return {
        sentence: Observed(CorrectedTTest(effect, 1.0, replicates, 1), ABOVE, replicates, partial(judge, ABOVE))
        for sentence, effect in effects.items()
    }


def test_a_decision_passes_its_error_rate_to_the_others_in_the_same_look() -> None:
    alone, edge = build_looks("b"), 2.05 / math.sqrt(30)
    assert alone.take(observe({"b": edge}, 30)).paths[0].state == "decided"
    both = build_looks("a", "b").take(observe({"a": 9.0, "b": edge}, 30))
    assert [path.state for path in both.paths] == ["decided", "decided"]
    assert [path.looks[-1].level for path in both.paths] == pytest.approx([0.025, 0.05])
    kept = build_looks("a", "b").take(observe({"a": 0.0, "b": edge}, 30))
    assert [path.state for path in kept.paths] == ["ended", "ended"]
    assert [path.verdict for path in kept.paths] == ["undecided", "undecided"]


def test_families_spend_apart() -> None:
    looks = Looks("claims", 3, 30, (ClaimPath("a", "one"), ClaimPath("b", "two"), ClaimPath("c", "two")))
    assert [looks.find_level(name) for name in ("one", "two")] == pytest.approx([0.05, 0.025])


def test_claims_that_are_closed_or_have_not_grown_are_not_looked_at() -> None:
    looks = build_looks("a", "b", "c").take(observe({"a": 60.0, "b": 0.4, "c": 0.3}, 15))
    assert [path.state for path in looks.paths] == ["decided", "open", "open"]
    assert looks.take(observe({"a": -60.0, "b": 0.4, "c": 0.0}, 15)) == looks
    later = looks.take(observe({"a": -60.0, "b": 0.4, "c": 0.0}, 20))
    assert later.paths[0] == looks.paths[0]
    assert [len(path.looks) for path in later.paths] == [1, 2, 2]
    assert later.paths[2].state == "futile"
    assert "10%" in later.paths[2].reason


def test_looks_that_are_written_and_read_go_on_as_if_nothing_had_been() -> None:
    first = build_looks("a", "b").take(observe({"a": 0.3, "b": 0.5}, 8))
    read = parse_looks(first.to_json(), "looks.json")
    assert read == first
    assert read.take(observe({"a": 0.3, "b": 0.7}, 15)) == first.take(observe({"a": 0.3, "b": 0.7}, 15))


@pytest.mark.parametrize("text", ["", "{}", '{"version": 9}', "[]", '{"version": 1, "paths": [{"nothing": 1}]}'])
def test_a_state_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ResultsError, match=r"looks\.json cannot be read"):
        parse_looks(text, "looks.json")


def test_a_new_family_keeps_what_the_earlier_one_found() -> None:
    old = build_looks("a").take(observe({"a": 0.3}, 8))
    new = old.begin_anew(build_looks("b"))
    assert (new.number, new.paths[0].looks) == (2, ())
    assert [path["sentence"] for each in new.earlier for path in each["paths"]] == ["a"]
    assert parse_looks(new.to_json(), "looks.json") == new


def find_rates(run: object, setting: Setting, trials: int) -> Sequence[float]:
    decided = [run(draw_tests(np.random.default_rng([7, t]), setting), setting.region) for t in range(trials)]  # type: ignore[operator]
    rates = summarise(decided, setting)
    return rates.error, rates.power, rates.replicates


def test_simulated_studies_err_seldom_by_looks_and_often_without_adjustment() -> None:
    null = next(each for each in list_settings() if each.kind == "replicates" and len(each.effects) == 1)
    trials = 300
    error, _, replicates = find_rates(run_looks, null, trials)
    assert error <= stats.binom.ppf(0.999, trials, 0.05) / trials
    assert replicates < 30
    assert find_rates(run_unadjusted, null, trials)[0] > 0.08
