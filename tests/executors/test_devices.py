"""Several devices for one trial: the processes of both executors, what becomes of one that is lost, or of an error."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Collector, build_study, plan_of, scores_of
from tests.device_nets import FAIL, GRID, NETS, RECIPE
from tests.own_study import OwnStudy
from tests.trials import CPU, epochs_of, folds_of
from tune_app import data
from tune_app.errors import ResourceError
from tune_app.executors import ray as on_ray
from tune_app.executors.inline import run_inline
from tune_app.executors.peers import LocalPeers, Processes
from tune_app.plan import Shares, WorkItem, check_shares
from tune_app.records import Record, RecordSet
from tune_app.study import TrialSpec
from tune_app.trial import run_trial


def spec_of(**levels: Any) -> TrialSpec:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": "dropout+batchnorm", "folds": 3, "devices": 2} | levels]
    return build_study(grid=grid, recipe={"epochs": 2, "batch_size": 20}).grid_trials()[0].spec


def find_children() -> list[int]:
    """The processes that this one has started."""
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return [int(number) for text in lists for number in text.split()]


def run_on_two(spec: TrialSpec, digits: data.Data, kill_at: Sequence[int] = ()) -> list[Record]:
    """The records of one fold; its other process is killed after the records of these numbers."""
    before = set(find_children())
    found = []
    processes = Processes()
    peers = LocalPeers(processes, spec, digits, CPU)
    try:
        for number, record in enumerate(run_trial(spec, digits, folds=(0,), device=CPU, peers=peers)):
            found.append(record)
            if number in kill_at:
                (peer,) = set(find_children()) - before
                os.kill(peer, signal.SIGKILL)
    finally:
        peers.close()
        processes.close()
    assert set(find_children()) == before, "no process outlives its trial"
    return found


@pytest.mark.slow
def test_a_fit_whose_process_is_killed_starts_again_and_its_records_are_the_same(digits: data.Data) -> None:
    whole, disturbed = (run_on_two(spec_of(), digits, kill_at) for kill_at in ((), (0,)))
    assert [record.epoch for record in epochs_of(disturbed)] == [1, 1, 2]
    order = [spec_of().id]
    assert scores_of(RecordSet(whole).in_order(order)) == scores_of(RecordSet(disturbed).in_order(order))


@pytest.mark.slow
def test_a_fit_that_loses_a_process_every_time_is_a_failed_row(digits: data.Data) -> None:
    (failed,) = folds_of(run_on_two(spec_of(), digits, kill_at=(0, 1, 2)))
    assert failed.status == "failed"
    assert failed.error_message == "a process of the 2 devices was lost 3 times"


@pytest.mark.slow
def test_an_error_on_another_device_is_a_failed_row_that_says_which(tmp_path: Path) -> None:
    own = OwnStudy(tmp_path, {"nets.py": NETS + FAIL}, grid=GRID, recipe=RECIPE)
    assert own.run() == 1
    records = own.read_records()
    told = {record.error_message for record in records.folds.values()}
    assert told == {"device 2 of 2: ValueError: this device is broken"}


@pytest.mark.slow
def test_ray_and_inline_give_the_same_records_on_two_devices(cluster: on_ray.Cluster, digits: data.Data) -> None:
    levels = {"model": "cnn", "width": 0.05, "regularizer": "dropout+batchnorm", "folds": 3, "devices": 2}
    plan = plan_of(build_study(grid=[levels | {"batchnorm_sync": [True, False]}]), Shares(cpus=0.5))
    inline, remote = Collector(), Collector()
    work = [WorkItem(trial, (0, 2)) for trial in plan]
    run_inline(work, digits, inline)
    on_ray.run_on_ray(work, digits, remote)
    order = [trial.id for trial in plan]
    assert len(RecordSet(inline.records).completed()) == 4
    assert scores_of(RecordSet(inline.records).in_order(order)) == scores_of(RecordSet(remote.records).in_order(order))


def test_more_devices_than_the_cluster_has_are_refused_with_what_it_has() -> None:
    plan = plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": 3, "devices": 5}]))
    with pytest.raises(ResourceError, match=r"5 devices of 1 CPUs and 0 GPUs each; .* hold 4 of them; lower devices"):
        check_shares(plan, [{"CPU": 2.5}, {"CPU": 2}])
    check_shares(plan, [{"CPU": 2.5}, {"CPU": 3}])


def test_devices_that_share_a_gpu_are_refused() -> None:
    plan = plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": 3, "devices": 2}]), Shares(gpus=0.5))
    assert {trial.share.gpus for trial in plan} == {1.0}, "what is chosen for a trial is a GPU for each of its devices"
    entry = {"model": "cnn", "width": 0.05, "folds": 3, "devices": 2, "gpus_per_trial": 0.5}
    with pytest.raises(ResourceError, match="each of 2 devices needs a GPU of its own"):
        check_shares(plan_of(build_study(grid=[entry])), [{"CPU": 2, "GPU": 2}])
