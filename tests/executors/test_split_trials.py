"""A trial whose folds are spread over work items: the same records as in one, side by side and in any order."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Collector, build_study, plan_of, scores_of
from tune_app.data import Data
from tune_app.executors import ray as on_ray
from tune_app.executors.inline import run_inline
from tune_app.plan import WorkItem
from tune_app.records import Record, RecordSet
from tune_app.study import TrialSpec
from tune_app.trial import run_trial

TRIAL = plan_of(build_study())[0]
WHOLE, FIRST, OTHERS = (WorkItem(TRIAL, folds) for folds in ((0, 1, 2), (0,), (1, 2)))


def run(execute: Callable[..., None], work: list[WorkItem], digits: Data, **options: Any) -> Collector:
    collector = Collector()
    execute(work, digits, collector, device="cpu", **options)
    return collector


def in_order(collector: Collector) -> list[dict[str, Any]]:
    return scores_of(RecordSet(collector.records).in_order([TRIAL.id]))


def test_in_this_process_a_trial_in_two_items_gives_the_records_of_a_whole_one(digits: Data) -> None:
    whole, split = run(run_inline, [WHOLE], digits), run(run_inline, [OTHERS, FIRST], digits)
    assert in_order(split) == in_order(whole)
    assert len(split.records) == len(whole.records) == 6
    assert split.started == split.ended == [OTHERS.id, FIRST.id]


@pytest.mark.ray
def test_on_ray_two_items_of_a_trial_run_at_the_same_time_and_give_the_records_of_a_whole_one(
    cluster: on_ray.Cluster, digits: Data, tmp_path: Path
) -> None:
    """Each waits until the other has started, so they can only end together."""

    def run_together(spec: TrialSpec, dataset: Data, **options: Any) -> Iterator[Record]:
        (tmp_path / str(options["folds"][0])).touch()
        deadline = time.monotonic() + 120
        while len(list(tmp_path.iterdir())) < 2:
            if time.monotonic() > deadline:
                raise TimeoutError("the two items never ran at the same time")
            time.sleep(0.05)
        yield from run_trial(spec, dataset, **options)

    split = run(on_ray.run_on_ray, [FIRST, OTHERS], digits, run=run_together)
    assert in_order(split) == in_order(run(run_inline, [WHOLE], digits))
    assert len(split.records) == 6
    assert sorted(split.started) == sorted(split.ended) == sorted([FIRST.id, OTHERS.id])


@pytest.mark.ray
def test_on_ray_an_item_of_very_many_folds_runs(cluster: on_ray.Cluster, digits: Data) -> None:
    """Its name is that of a folder, which no file system lets grow beyond 255 bytes."""
    many = plan_of(build_study(grid=[{"model": "cnn", "width": 0.02, "folds": 119}]))[0]

    def run_none(spec: TrialSpec, dataset: Data, **options: Any) -> Iterator[Record]:
        raise RuntimeError("started")
        yield

    collector = run(on_ray.run_on_ray, [WorkItem(many, tuple(range(2, 119)))], digits, run=run_none)
    messages = {record.error_message for record in RecordSet(collector.records).folds.values()}
    assert messages == {"RuntimeError: started"}
