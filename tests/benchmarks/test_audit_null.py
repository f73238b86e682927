"""The simulated audits whose truth is known."""

import pytest

from benchmarks.audit_null import EFFECTS, find_coverage, find_rates


@pytest.mark.parametrize("name", ["no effect, normal", "no effect, networks collapse"])
def test_the_audits_rule_finds_little_where_there_is_nothing(name: str) -> None:
    by_rule, _ = find_rates(EFFECTS[name], 8, data_sets=200, seed=1, rate=0.05)
    assert by_rule <= 22 / 200, "of 200 data sets more than 22 are found with a probability below 1 in 1000"


def test_a_collapse_hides_an_effect_from_the_t_test_and_not_from_the_rule() -> None:
    by_rule, by_t = find_rates(EFFECTS["effect of 0.07, networks with the defect collapse"], 8, 100, seed=1, rate=0.05)
    assert by_rule > 0.95
    assert by_t < 0.7


def test_fiellers_interval_holds_a_share_of_a_gap_that_is_known_well() -> None:
    ended, held, _ = find_coverage(collapse=False, replicates=10, data_sets=100, seed=1)
    assert ended > 0.95
    assert held > 0.88, "of 100 intervals 88 or fewer hold it with a probability below 1 in 250"
