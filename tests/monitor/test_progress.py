"""The time left: the plan's at first, the measured pace's later, and never nothing while there is work."""

import pytest

from tests.builders import build_study, fold_record, plan_of
from tune_app.monitor.progress import Expected, Progress, Watched
from tune_app.monitor.terminal import shorten
from tune_app.plan import WorkItem
from tune_app.records import EpochRecord

FITS = 20
TRIAL = plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": FITS}]))[0]
ITEM = WorkItem(TRIAL, tuple(range(FITS)))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def build(clock: Clock, weight: float = 2.0, after: float = 7.0, expected: float | None = None) -> Progress:
    watched = Watched(TRIAL.name, FITS, 1, weight, "1 CPU")
    fits = FITS * weight if expected is None else expected
    return Progress({TRIAL.id: watched}, set(), Expected(fits, after), begun=90.0, clock=clock)


def epoch(fold: int) -> EpochRecord:
    return EpochRecord(TRIAL.id, 0, fold, 1, {"validation_accuracy": 0.5}, 0.001, 1.0, 100.0)


def test_before_the_first_record_it_is_what_the_plan_says_tables_included() -> None:
    clock = Clock()
    progress = build(clock)
    assert (progress.elapsed, progress.remaining) == (10.0, 47.0)
    progress.item_started(ITEM)
    clock.now += 30  # a process that takes its time to start says nothing of the pace of fits
    assert progress.remaining == 47.0


@pytest.mark.parametrize("slowness", [0.5, 1.0, 4.0])
def test_it_moves_to_the_measured_pace(slowness: float) -> None:
    clock = Clock()
    progress = build(clock)
    progress.item_started(ITEM)
    for fold in range(FITS - 1):
        clock.now += 2.0 * slowness
        progress.record(fold_record(TRIAL.id, fold, 0.9))
        left = (FITS - 1 - fold) * 2.0 * slowness + 7.0
        assert progress.remaining is not None
        if fold >= FITS // 2:
            assert progress.remaining == pytest.approx(left, rel=0.15)
        bounds = sorted((left, (FITS - 1 - fold) * 2.0 + 7.0))
        assert bounds[0] - 0.01 <= progress.remaining <= bounds[1] + 0.01, "between the plan's and the measured pace"
    clock.now += 1000
    assert progress.remaining is not None
    assert progress.remaining > 7.0, "the last fit is not done"
    progress.record(fold_record(TRIAL.id, FITS - 1, 0.9))
    assert progress.remaining == 7.0, "tables and page"


def test_it_counts_down_between_records() -> None:
    clock = Clock()
    progress = build(clock)
    progress.item_started(ITEM)
    clock.now += 2
    progress.record(fold_record(TRIAL.id, 0, 0.9))
    before = progress.remaining
    clock.now += 1.5
    assert before is not None
    assert progress.remaining == pytest.approx(before - 1.5)


def test_items_that_run_beside_count_before_they_report() -> None:
    """Of two slots the first to report does not make the study look twice as long."""
    clock = Clock()
    progress = build(clock, expected=FITS * 2.0 / 2)
    first, second = WorkItem(TRIAL, tuple(range(10))), WorkItem(TRIAL, tuple(range(10, 20)))
    progress.item_started(first)
    progress.item_started(second)
    clock.now += 2.0
    progress.record(fold_record(TRIAL.id, 0, 0.9))
    assert progress.remaining == pytest.approx(18.0 + 7.0, rel=0.02)


def test_without_a_prediction_nothing_is_said_before_the_first_record() -> None:
    clock = Clock()
    progress = build(clock, weight=0.0)
    progress.item_started(ITEM)
    assert progress.remaining is None
    clock.now += 5
    progress.record(epoch(0))
    progress.record(fold_record(TRIAL.id, 0, 0.9))
    assert progress.remaining == pytest.approx(19 * 5.0 + 7.0)


@pytest.mark.parametrize("width", [1, 2, 9, 12, 40])
def test_a_name_that_is_cut_keeps_both_ends(width: int) -> None:
    name = "CNN with dropout, 10 folds"
    found = shorten(name, width)
    assert len(found) <= width or found == name
    assert found == name or width < 3 or (found[0] == name[0] and found[-1] == name[-1])
