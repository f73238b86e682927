"""How work is spread over slots: what is split, in which order, and how near that comes to the best possible."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import CARRY_OVER_GRID, build_study, plan_of
from tune_app.plan import Share, Shares, WorkItem, count_slots, predict_makespan, spread
from tune_app.plan.schedule import LARGEST_ITEM, predict_seconds
from tune_app.plan.trials import FitSeconds

TWO_CORES = [{"CPU": 2.0, "GPU": 0.0}]


def work_of(*lengths: float, folds: int = 4, **changes: Any) -> list[WorkItem]:
    """Trials whose fits take so many seconds each."""
    study = build_study(grid=[{"model": "cnn", "width": 0.05, "folds": folds}], replicates=len(lengths))
    plan = plan_of(study)
    return [
        WorkItem(replace(trial, fit_seconds=FitSeconds(seconds, 0.0), **changes), tuple(range(folds)))
        for trial, seconds in zip(plan, lengths, strict=True)
    ]


def folds_of(work: list[WorkItem]) -> list[tuple[str, int]]:
    return sorted((trial.id, fold) for item in work for trial in item.trials for fold in item.folds)


@pytest.mark.parametrize(
    ("share", "nodes", "slots"),
    [
        (Share(1, 0), TWO_CORES, 2),
        (Share(0.1, 0), TWO_CORES, 20),
        (Share(3, 0), TWO_CORES, 1),
        (Share(0.5, 0.3), [{"CPU": 4.0, "GPU": 2.0}], 6),
        (Share(1, 0.3), [{"CPU": 4.0, "GPU": 2.0}], 4),
        (Share(0, 2), [{"CPU": 4.0, "GPU": 5.0}, {"CPU": 1.0}], 2),
        (Share(1, 0), [{"CPU": 8.0}, {"CPU": 2.5}], 10),
    ],
)
def test_slots_are_what_runs_at_the_same_time(share: Share, nodes: list[dict[str, float]], slots: int) -> None:
    assert count_slots(share, nodes) == slots


@pytest.mark.parametrize("shard", ["auto", "trial", "fold"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_every_fold_is_in_one_item_and_the_longest_comes_first(shard: Any, count: int) -> None:
    work = work_of(*(1.0 + number % 5 for number in range(count)))
    items = spread(work, TWO_CORES, shard)
    assert folds_of(items) == folds_of(work)
    assert len({item.id for item in items}) == len(items)
    assert predict_seconds(items) == sorted(predict_seconds(items), reverse=True)


def test_one_trial_on_two_cores_does_not_leave_one_of_them_idle() -> None:
    (whole,) = work = work_of(10.0)
    assert [item.folds for item in spread(work, TWO_CORES, "auto")] == [(0,), (1,), (2,), (3,)]
    assert spread(work, TWO_CORES, "trial") == [whole]


def test_trials_that_are_short_against_the_study_stay_whole() -> None:
    assert spread(work := work_of(*[1.0] * 41), TWO_CORES, "auto") == work
    assert len(spread(work, TWO_CORES, "fold")) == 41 * 4


def test_a_long_trial_among_short_ones_is_split_alone_and_into_no_more_parts_than_are_needed() -> None:
    work = work_of(4.0, *[1.0] * 100, folds=10)  # 20 slots' worth of items: 5% of 1,040 s / 2 are 26 s
    items = spread(work, TWO_CORES, "auto")
    assert [len(item.folds) for item in items[:2]] == [5, 5]
    assert len(items) == 102


@pytest.mark.parametrize("slots", [1, 2, 3, 7, 16, 100])
@pytest.mark.parametrize("lengths", [[5.0, 1.0], [1.0, 2.0, 3.0], [8.0, *[0.1] * 30], [2.0] * 13])
def test_no_item_is_longer_than_its_share_of_the_best_possible_or_one_fold(slots: int, lengths: list[float]) -> None:
    items = spread(work_of(*lengths, folds=10), [{"CPU": float(slots)}], "auto")
    best = max(10 * sum(lengths) / slots, *lengths)
    assert all(
        len(item.folds) == 1 or seconds <= LARGEST_ITEM * best
        for item, seconds in zip(items, predict_seconds(items), strict=True)
    )
    assert predict_makespan(predict_seconds(items), slots) <= 2 * best


def test_folds_that_one_network_goes_through_stay_together_whatever_is_asked_for() -> None:
    plan = plan_of(build_study(grid=CARRY_OVER_GRID))
    work = [WorkItem(trial, (0, 1, 2, 3)) for trial in plan]
    for shard in ("auto", "fold"):
        items = spread(work, TWO_CORES, shard)
        joined = [item for item in items if item.trial.spec.has_dependent_folds]
        assert [item.folds for item in joined] == [(0, 1, 2, 3)]
        assert len(items) == 5


def test_a_stack_is_split_only_where_folds_are_asked_for() -> None:
    work = work_of(10.0, engine="stacked")
    assert spread(work, TWO_CORES, "auto") == work
    assert len(spread(work, TWO_CORES, "fold")) == 4


def test_trials_that_share_a_training_go_with_each_of_its_folds() -> None:
    first, second = plan_of(build_study(replicates=2))[:2]
    (item,) = [WorkItem(replace(first, fit_seconds=FitSeconds(9.0, 0.0)), (0, 1, 2), (second,))]
    items = spread([item], TWO_CORES, "auto")
    assert [each.also for each in items] == [(second,)] * 3
    assert folds_of(items) == folds_of([item])


def test_trials_of_unknown_length_are_spread_by_their_folds() -> None:
    work = work_of(0.0)
    assert len(spread(work, TWO_CORES, "auto")) == 4


def test_shares_of_a_gpu_are_slots_too() -> None:
    study = build_study(grid=[{"model": "cnn", "width": 0.05, "folds": 4}])
    (trial,) = plan_of(study, Shares(cpus=0.1, gpus=0.25))
    work = [WorkItem(replace(trial, engine="eager"), (0, 1, 2, 3))]
    assert len(spread(work, [{"CPU": 4.0, "GPU": 1.0}], "auto")) == 4
