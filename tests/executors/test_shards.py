"""Trials and folds as work items, on either executor, on one slot or two, interrupted or not: the same records."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import Collector, build_study, plan_of, scores_of
from tune_app import data
from tune_app.executors import ray as on_ray
from tune_app.executors.inline import run_inline
from tune_app.plan import PlannedTrial, Shares, WorkItem, spread
from tune_app.records import Record, RecordSet

STUDY = build_study(
    recipe={"epochs": 2, "batch_size": 20},
    grid=[
        {"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout+batchnorm"], "folds": 3},
        {
            "model": "cnn",
            "width": 0.05,
            "regularizer": "batchnorm",
            "folds": 2,
            "protocol": ["sound", "last-batch-accuracy", "carry-over"],
        },
    ],
)


def plan_on(slots: int) -> tuple[PlannedTrial, ...]:
    """A plan for the cluster of two cores and two GPUs that are none: a trial with both of them leaves one slot."""
    return plan_of(STUDY, Shares(cpus=1.0, gpus=2.0 if slots == 1 else 1.0, use_gpus=False))


def work_left(plan: tuple[PlannedTrial, ...], records: RecordSet, shard: Any) -> list[WorkItem]:
    work = []
    for trial in plan:
        also = tuple(other for other in plan if other.shares_fits_of == trial.id)
        folds = {fold for each in (trial, *also) for fold in records.missing_folds(each.id, each.fits)}
        if folds and trial.shares_fits_of is None:
            work.append(WorkItem(trial, tuple(sorted(folds)), also))
    return spread(work, [{"CPU": 2.0, "GPU": 2.0}], shard)


class FullDisk(Collector):
    """Takes so many fits, then raises: what ends a run on Ray without ending Ray."""

    def __init__(self, fits: int) -> None:
        super().__init__()
        self._fits = fits

    def record(self, record: Record) -> None:
        if len(RecordSet(self.records).folds) >= self._fits:
            raise OSError("the disk is full")
        super().record(record)


def hash_records(run: Callable[..., None], digits: data.Data, slots: int, shard: Any, stop_after: int | None) -> str:
    """Of everything that two runs must have in common; interrupted after so many fits, it is resumed fold by fold."""
    plan, collector = plan_on(slots), Collector()
    records: list[Record] = []
    if stop_after:
        full = FullDisk(stop_after)
        with pytest.raises(OSError, match="the disk is full"):
            run(work_left(plan, RecordSet(), shard), digits, full, device="cpu")
        records = full.records
        assert len(RecordSet(records).folds) == stop_after
    rest = "fold" if stop_after else shard
    run(work_left(plan, RecordSet(records), rest), digits, collector, device="cpu")
    found = RecordSet([*records, *collector.records])
    assert len(found.completed()) == sum(trial.fits for trial in plan)
    content = scores_of(found.in_order(trial.id for trial in plan))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(digits: data.Data) -> str:
    """In this process, trial by trial."""
    return hash_records(run_inline, digits, 1, "trial", None)


def test_the_study_has_folds_that_depend_on_each_other_and_trials_that_share_a_training() -> None:
    plan = plan_on(2)
    assert any(trial.shares_fits_of for trial in plan)
    assert any(trial.spec.has_dependent_folds for trial in plan)
    assert len(work_left(plan, RecordSet(), "fold")) == 3 + 3 + 2 + 1


@pytest.mark.parametrize("shard", ["trial", "fold", "auto"])
@pytest.mark.parametrize("stop_after", [None, 1, 4])
def test_in_this_process(undisturbed: str, digits: data.Data, shard: str, stop_after: int | None) -> None:
    assert hash_records(run_inline, digits, 1, shard, stop_after) == undisturbed


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("slots", "shard", "stop_after"),
    [
        (2, "fold", None),
        (2, "trial", None),
        (1, "fold", None),
        (2, "trial", 4),  # the last one: what is interrupted keeps its slot until Ray ends, as it does after a study
    ],
)
def test_on_ray(
    cluster: on_ray.Cluster, undisturbed: str, digits: data.Data, slots: int, shard: str, stop_after: int | None
) -> None:
    assert hash_records(on_ray.run_on_ray, digits, slots, shard, stop_after) == undisturbed
