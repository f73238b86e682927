"""Work items: what they are called, and what they hold."""

import pytest

from tests.builders import build_study, plan_of
from tune_app.plan import PlannedTrial, WorkItem


def trial_of(folds: int) -> PlannedTrial:
    return plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": folds}]))[0]


@pytest.mark.parametrize(
    ("folds", "suffix"),
    [
        ((0, 1, 2, 3, 4, 5), ""),
        ((3,), ".folds-4"),
        ((0, 1, 2), ".folds-1-3"),
        ((0, 2, 3, 5), ".folds-1,3-4,6"),
    ],
)
def test_an_item_is_called_by_its_trial_and_the_folds_where_they_are_not_all(
    folds: tuple[int, ...], suffix: str
) -> None:
    trial = trial_of(6)
    item = WorkItem(trial, folds)
    assert (item.id, item.name) == (trial.id + suffix, trial.name + suffix)


def test_an_items_name_stays_fit_for_a_folder_and_its_own_however_many_folds_it_has() -> None:
    trial = trial_of(119)
    items = [WorkItem(trial, tuple(range(start, 119, 2))) for start in (0, 1)]
    assert len({item.id for item in items}) == len({item.name for item in items}) == 2
    assert all(len(item.name) < 100 for item in items)
    assert items[0].name.endswith(".folds-1,3,5,7,and-56-more")
