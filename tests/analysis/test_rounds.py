"""What is run next for claims that are open, on the records of the report."""

from pathlib import Path

import pytest

from tune_app.analysis.looking import begin_looks, count_replicates, take_looks
from tune_app.analysis.looks import Looks
from tune_app.analysis.rounds import choose_round
from tune_app.records.results import Results, read_results
from tune_app.study import has_levels
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
    part = choose_round(report, looks, whole.seconds / 3, 2)
    assert 0 < part.seconds <= whole.seconds / 3
    assert 0 < len(part.more) < len(whole.more)
    nothing = choose_round(report, looks, 1e-3, 2)
    assert (nothing.more, nothing.seconds) == ((), 0.0)
    assert 0 < nothing.postponed <= part.seconds


def test_twice_the_slots_take_half_of_the_time(report: Results, looks: Looks) -> None:
    one, two = (choose_round(report, looks, None, slots).seconds for slots in (1, 2))
    assert one == pytest.approx(2 * two)


def test_of_equal_levels_the_larger_number_of_replicates_stays() -> None:
    first = [{"levels": {"model": "cnn", "folds": 4}, "replicates": 3}, {"levels": {"model": "vgg"}, "replicates": 6}]
    later = [{"levels": {"folds": 4, "model": "cnn"}, "replicates": 8}, {"levels": {"model": "vgg"}, "replicates": 4}]
    assert [each["replicates"] for each in join_more(first, later)] == [8, 6]
    assert [each["replicates"] for each in first] == [3, 6]
