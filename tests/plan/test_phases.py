"""What a user waits for besides the fits: by the runs that were, and by what is usual where there were none."""

import pytest

from tests.builders import build_study, plan_of
from tune_app.plan import build_forecast
from tune_app.plan.forecast import find_seconds_between, predict_work
from tune_app.plan.phases import USUAL, Phases, TimedRun, choose_way, predict_run

NODES = [{"CPU": 2.0}]


def run_of(start: float, export: float = 5.0, trials: int = 10, way: str = "ray") -> TimedRun:
    return TimedRun(way, start, 0.1, export, trials)


def test_where_nothing_was_measured_it_is_what_is_usual() -> None:
    assert predict_run([], "inline", 12) == USUAL["inline"]


def test_one_run_that_was_held_up_counts_no_more_than_another() -> None:
    runs = [run_of(10.0), run_of(90.0), run_of(11.0), run_of(500.0, way="inline")]
    assert predict_run(runs, "ray", 10).start == 11.0


def test_tables_take_as_long_as_those_of_the_study_that_is_most_alike_and_of_several_the_latest() -> None:
    runs = [run_of(1.0, 5.0, 10), run_of(1.0, 60.0, 350), run_of(1.0, 6.0, 10, way="inline")]
    assert predict_run(runs, "ray", 12).export == 6.0
    assert predict_run(runs, "ray", 200).export == 60.0


@pytest.mark.parametrize(
    ("executor", "address", "way"), [("inline", None, "inline"), ("ray", None, "ray"), ("ray", "auto", "cluster")]
)
def test_a_cluster_that_is_joined_is_a_way_of_its_own(executor: str, address: str | None, way: str) -> None:
    assert choose_way(executor, address) == way


def test_the_parts_add_up() -> None:
    assert Phases(1.0, 2.0, 3.0).total == 6.0


def test_what_is_between_items_is_found_from_what_was_predicted_with_it() -> None:
    trials = plan_of(build_study(replicates=3))
    work = [(10.0, trial) for trial in trials]
    span = predict_work([(seconds + 0.5, trial) for seconds, trial in work], NODES)
    assert find_seconds_between(work, NODES, False, span) == pytest.approx(0.5)
    assert find_seconds_between(work, NODES, False, 1.0) == 0.0, "clocks may be off; time does not run backwards"


def test_each_item_costs_its_slot_what_is_between() -> None:
    trials = plan_of(build_study())
    quick, slow = (build_forecast(trials, NODES, "trial", between=seconds).makespan for seconds in (0.0, 2.0))
    assert slow == pytest.approx(quick + 2.0), "two trials on two slots"
