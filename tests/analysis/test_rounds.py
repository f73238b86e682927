"""What is run next for claims that are open, on the records of the report."""

from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest

from tune_app.analysis.chances import find_chance
from tune_app.analysis.claims import assess, judge
from tune_app.analysis.looking import begin_looks, count_replicates, take_looks
from tune_app.analysis.looks import Looks, parse_looks
from tune_app.analysis.metrics import find_folds
from tune_app.analysis.rounds import choose_round
from tune_app.records.results import Results, read_results
from tune_app.study import Claim, has_levels
from tune_app.study.more import join_more

REPORT = Path(__file__).parents[2] / "results" / "report"


@pytest.fixture(scope="module")
def report() -> Results:
    return read_results(REPORT)


@pytest.fixture(scope="module")
def looks(report: Results) -> Looks:
    return take_looks(report, begin_looks(report.study))


def test_without_a_budget_every_open_claim_gets_its_next_look(report: Results, looks: Looks) -> None:
    chosen = choose_round(report, looks, None, 1)
    counts = {}
    for specs in report.study.conditions():
        found = [each["replicates"] for each in chosen.more if has_levels(specs[0].condition, each["levels"])]
        assert len(found) <= 1, "an entry is about one condition"
        counts[specs[0].id] = max([len(specs), *found])
    grown = set()
    for claim, path in zip(report.study.claims, looks.paths, strict=True):
        sides = [side for pair in report.study.claim_pairs(claim) for side in pair]
        now = count_replicates(report.study, claim)
        if path.state == "open":
            assert min(counts[side[0].id] for side in sides) >= looks.schedule.find_next(now)
            grown |= {side[0].id for side in sides}
    assert {name for name, count in counts.items() if count > 1} >= grown
    closed_alone = {specs[0].id for specs in report.study.conditions()} - grown
    before = {specs[0].id: len(specs) for specs in report.study.conditions()}
    assert closed_alone
    assert all(counts[name] == before[name] for name in closed_alone)


def test_a_budget_takes_what_it_suffices_for(report: Results, looks: Looks) -> None:
    whole = choose_round(report, looks, None, 2)
    budgets = [whole.seconds * share / 10 for share in range(1, 11)]
    parts = [choose_round(report, looks, budget, 2) for budget in budgets]
    assert all(part.seconds <= budget for part, budget in zip(parts, budgets, strict=True))
    assert any(0 < len(part.more) < len(whole.more) for part in parts)
    nothing = choose_round(report, looks, 1e-3, 2)
    assert (nothing.more, nothing.seconds) == ((), 0.0)
    assert set(nothing.held) == {path.sentence for path in looks.paths if path.state == "open"}
    assert all("the budget does not allow its next look, at " in reason for reason in nothing.held.values())


def test_claims_that_all_of_the_budget_would_hardly_decide_are_held(report: Results, looks: Looks) -> None:
    """Told one by one: a budget that suffices for so many replicates of this claim's conditions, and no more."""
    assert not choose_round(report, looks, None, 2).held
    assert not choose_round(report, looks, 1e9, 2).held, "a budget that reaches the last look"
    held = set()
    for claim, path in zip(report.study.claims, looks.paths, strict=True):
        if path.state != "open" or not path.looks:
            continue
        judged = assess(report, claim, path.replicates)
        assert judged.test
        for reach in (looks.schedule.find_next(count_replicates(report.study, claim), 3), 20):
            assert reach
            seconds = price(report, claim, reach)
            found = choose_round(report, looks, seconds / 2 * 1.001, 2).held.get(path.sentence, "")
            chance = find_chance(looks, path, judged.test, judged.region, reach)
            assert bool(found) == (chance < 0.1), (path.sentence, reach)
            held.add(bool(found))
            assert found == "" or (
                f"allows {reach} at most, and the chance that these decide it is {100 * chance:.2g}%" in found
            )
    assert held == {True, False}, "both are there"


def test_what_a_claim_needs_goes_by_the_looks_to_come(report: Results, looks: Looks) -> None:
    """A claim that is looked at has no second answer, that of a study whose replicates are planned beforehand."""
    seen = set()
    for judged, path in zip(judge(replace(report, looks=looks.to_json())), looks.paths, strict=True):
        row = judged.row
        if path.state == "open" and path.looks:
            assert judged.test
            later = [count for count in looks.schedule.looks if count > path.looks[-1].replicates]
            chances = [find_chance(looks, path, judged.test, judged.region, count) for count in later]
            assert row["power"] == chances[-1]
            for name, target in (("needed_replicates", 0.8), ("needed_replicates_90", 0.9)):
                enough = [count for count, chance in zip(later, chances, strict=True) if chance >= target]
                assert row[name] == min(enough, default=None)
            assert f"after 30 replicates, decides it is {100 * chances[-1]:.2g}%" in row["reason"]
        elif path.state == "futile":
            assert row["power"] == path.looks[-1].conditional_power
            assert row["power"] < 0.1
            assert (row["needed_replicates"], row["most_replicates"]) == (None, 30)
            assert "the last look, after" not in row["reason"]
        else:
            assert row["power"] is None
        assert "if the effect is as observed" not in row["reason"]
        seen.add(path.state)
    assert seen == {"open", "futile", "decided"}


def price(report: Results, claim: Claim, replicates: int) -> float:
    """Core seconds of what the claim's conditions lack."""
    seconds = 0.0
    for side in {side[0].id: side for pair in report.study.claim_pairs(claim) for side in pair}.values():
        took = [fit.fit_seconds for spec in side for fit in find_folds(report, spec) if fit]
        seconds += max(0, replicates - len(side)) * side[0].folds * mean(took)
    return seconds


def test_a_held_claim_goes_on_with_a_larger_budget(report: Results, looks: Looks) -> None:
    held = looks.hold(choose_round(report, looks, 1e-3, 2).held)
    assert {path.state for path in held.paths if path.is_open} == {"out-of-budget"}
    assert parse_looks(held.to_json(), "here") == held
    whole = choose_round(report, held, None, 2)
    assert whole == choose_round(report, looks, None, 2)
    assert held.hold(whole.held) == looks


def test_twice_the_slots_take_half_of_the_time(report: Results, looks: Looks) -> None:
    one, two = (choose_round(report, looks, None, slots).seconds for slots in (1, 2))
    assert one == pytest.approx(2 * two)


def test_of_equal_levels_the_larger_number_of_replicates_stays() -> None:
    first = [{"levels": {"model": "cnn", "folds": 4}, "replicates": 3}, {"levels": {"model": "vgg"}, "replicates": 6}]
    later = [{"levels": {"folds": 4, "model": "cnn"}, "replicates": 8}, {"levels": {"model": "vgg"}, "replicates": 4}]
    assert [each["replicates"] for each in join_more(first, later)] == [8, 6]
    assert [each["replicates"] for each in first] == [3, 6]
