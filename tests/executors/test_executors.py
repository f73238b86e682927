"""Both executors: the same records, of whole trials and of parts of them; and what Ray must survive."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import Collector, build_study, plan_of, scores_of
from tune_app import data
from tune_app.errors import ResourceError
from tune_app.executors import ray as on_ray
from tune_app.executors.inline import choose_device, run_inline
from tune_app.executors.ray.writers import start_writers
from tune_app.executors.staging import stage_source
from tune_app.plan import PlannedTrial, Shares, WorkItem, check_shares
from tune_app.records import FoldRecord, Record, RecordSet
from tune_app.study import TrialSpec
from tune_app.trial import BestNetwork, run_trial

TRIAL = plan_of(build_study())[0]
WHOLE, FIRST, OTHERS = (WorkItem(TRIAL, folds) for folds in ((0, 1, 2), (0,), (1, 2)))


def work_of(plan: Sequence[PlannedTrial]) -> list[WorkItem]:
    return [WorkItem(trial, tuple(range(trial.fits))) for trial in plan]


def test_ray_and_inline_give_the_same_records_bit_for_bit(cluster: on_ray.Cluster, digits: data.Data) -> None:
    plan = plan_of(build_study(replicates=2))
    inline, remote = Collector(), Collector()
    run_inline(work_of(plan), digits, inline)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)]
    on_ray.run_on_ray(work_of(plan), digits, remote)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)] == handlers, (
        "Ctrl-C still interrupts"
    )
    order = [trial.id for trial in plan]
    assert scores_of(RecordSet(inline.records).in_order(order)) == scores_of(RecordSet(remote.records).in_order(order))
    assert set(remote.started) == set(remote.ended) == set(order)


@pytest.mark.slow
def test_fractions_of_a_gpu_run_side_by_side(cluster: on_ray.Cluster, digits: data.Data, tmp_path: Path) -> None:
    """Four trials on halves of two GPUs: each waits until all four have started, so they can only end together."""

    def run(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        assert not dataset.inputs.flags.writeable, "the node's one copy, shared and read-only"
        (tmp_path / spec.id).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
        deadline = time.monotonic() + 180
        while len(list(tmp_path.iterdir())) < 4:
            if time.monotonic() > deadline:
                raise TimeoutError("the four trials never ran at the same time")
            time.sleep(0.05)
        yield from run_trial(spec, dataset, **options)

    plan = plan_of(build_study(replicates=2), Shares(cpus=0.5, gpus=0.5))
    collector = Collector()
    on_ray.run_on_ray(work_of(plan), digits, collector, device="cpu", run=run)
    assert len(RecordSet(collector.records).completed()) == 12
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["0", "0", "1", "1"]


def test_a_share_beyond_the_nodes_is_refused_at_once(cluster: on_ray.Cluster) -> None:
    with pytest.raises(
        ResourceError, match="asks for 1 CPUs and 3 GPUs, no node has that; nodes have 2 CPUs and 2 GPUs"
    ):
        check_shares(plan_of(build_study(), Shares(gpus=3)), cluster.nodes)


def test_a_gpu_that_torch_cannot_see_is_an_error_and_cpu_trials_never_take_one() -> None:
    assert choose_device("auto", 0) == torch.device("cpu")
    assert choose_device("cpu", 0.5) == torch.device("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match=r"holds 0.5 GPUs, but torch .* sees none .* --device cpu"):
            choose_device("auto", 0.5)


def test_an_actor_that_dies_is_started_again_and_only_what_it_lacks_runs(
    cluster: on_ray.Cluster, digits: data.Data, tmp_path: Path
) -> None:
    victim = plan_of(build_study())[0].id

    def run(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        with (tmp_path / spec.id).open("a") as log:
            log.write(f"{list(options['folds'])}\n")
        for record in run_trial(spec, dataset, **options):
            if spec.id == victim and record.fold == 1 and not (tmp_path / "died").exists():
                (tmp_path / "died").touch()
                os._exit(1)
            yield record

    plan = plan_of(build_study())
    collector = Collector()
    on_ray.run_on_ray(work_of(plan), digits, collector, run=run)
    assert len(RecordSet(collector.records).completed()) == 6
    assert (tmp_path / victim).read_text().splitlines() == ["[0, 1, 2]", "[1, 2]"]


@pytest.mark.slow
def test_an_actor_that_dies_every_time_leaves_failed_rows_and_the_rest_goes_on(
    cluster: on_ray.Cluster, digits: data.Data
) -> None:
    victim = plan_of(build_study())[0].id

    def run(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        if spec.id == victim:
            os._exit(1)
        yield from run_trial(spec, dataset, **options)

    collector = Collector()
    on_ray.run_on_ray(work_of(plan_of(build_study())), digits, collector, run=run)
    records = RecordSet(collector.records)
    assert {trial for trial, _ in records.completed()} == {plan_of(build_study())[1].id}
    failed = [record for record in records.folds.values() if record.status == "failed"]
    assert [(record.trial, record.error_type) for record in failed] == [(victim, "ActorDied")] * 3
    assert all(record.error_message for record in failed)


@pytest.mark.slow
def test_an_error_of_the_flow_ends_the_run_and_comes_out(cluster: on_ray.Cluster, digits: data.Data) -> None:
    class Full(Collector):
        def record(self, record: Record) -> None:
            if isinstance(record, FoldRecord):
                raise OSError(28, "No space left on device")
            super().record(record)

    with pytest.raises(OSError, match="No space left"):
        on_ray.run_on_ray(work_of(plan_of(build_study())), digits, Full())


@pytest.mark.slow
def test_what_the_disk_of_the_driver_refuses_is_told_as_it_is(cluster: on_ray.Cluster) -> None:
    """Trials send side files to a process there; its error is theirs, and no page of Ray's."""

    def refuse(trial: str, fold: int, content: bytes) -> str:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device$"):
        start_writers(None, None, refuse).keep_outputs("trial", 0, b"")


@pytest.mark.slow
def test_networks_kept_on_ray_reach_the_driver(cluster: on_ray.Cluster, digits: data.Data, tmp_path: Path) -> None:
    def keep(best: BestNetwork) -> None:
        (tmp_path / f"{best.trial}-{best.facts['fold']}").write_text(str(os.getpid()))

    on_ray.run_on_ray(work_of(plan_of(build_study())), digits, Collector(), keep=keep)
    assert len(list(tmp_path.iterdir())) == 6
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 1, "one process writes"


@pytest.mark.slow
def test_an_actor_that_fails_says_why_in_its_rows(cluster: on_ray.Cluster, digits: data.Data) -> None:
    victim = plan_of(build_study())[0].id

    def run(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        if spec.id == victim:
            raise RuntimeError("the device caught fire")
        yield from run_trial(spec, dataset, **options)

    collector = Collector()
    on_ray.run_on_ray(work_of(plan_of(build_study())), digits, collector, run=run)
    failed = [record for record in RecordSet(collector.records).folds.values() if record.status == "failed"]
    assert [record.error_message for record in failed] == ["RuntimeError: the device caught fire"] * 3


@pytest.mark.slow
def test_what_travels_to_a_cluster_is_enough_for_a_trial_and_no_more(tmp_path: Path) -> None:
    staged = stage_source(tmp_path / "staged")
    code = (
        "import torch\n"
        "from tune_app.data import load_dataset\n"
        "from tune_app.executors import ray\n"
        "from tune_app.study import TrialSpec\n"
        "from tune_app.trial import run_trial\n"
        f"spec = TrialSpec.model_validate_json({build_study().grid_trials()[0].spec.model_dump_json()!r})\n"
        "records = list(run_trial(spec, load_dataset('digits'), folds=[0], device=torch.device('cpu')))\n"
        "print(records[-1].status, ray.__file__)"
    )
    environment = os.environ | {"PYTHONPATH": str(staged.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["completed", str(staged / "executors" / "ray" / "__init__.py")], done.stderr
    files = [path for path in staged.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 800_000
    assert {path.suffix for path in files} == {".py"}


def run_items(execute: Callable[..., None], work: list[WorkItem], digits: data.Data, **options: Any) -> Collector:
    collector = Collector()
    execute(work, digits, collector, device="cpu", **options)
    return collector


def in_order(collector: Collector) -> list[dict[str, Any]]:
    return scores_of(RecordSet(collector.records).in_order([TRIAL.id]))


def test_in_this_process_a_trial_in_two_items_gives_the_records_of_a_whole_one(digits: data.Data) -> None:
    whole, split = run_items(run_inline, [WHOLE], digits), run_items(run_inline, [OTHERS, FIRST], digits)
    assert in_order(split) == in_order(whole)
    assert len(split.records) == len(whole.records) == 6
    assert split.started == split.ended == [OTHERS.id, FIRST.id]


@pytest.mark.slow
def test_on_ray_two_items_of_a_trial_run_at_the_same_time_and_give_the_records_of_a_whole_one(
    cluster: on_ray.Cluster, digits: data.Data, tmp_path: Path
) -> None:
    """Each waits until the other has started, so they can only end together."""

    def run_together(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        (tmp_path / str(options["folds"][0])).touch()
        deadline = time.monotonic() + 120
        while len(list(tmp_path.iterdir())) < 2:
            if time.monotonic() > deadline:
                raise TimeoutError("the two items never ran at the same time")
            time.sleep(0.05)
        yield from run_trial(spec, dataset, **options)

    split = run_items(on_ray.run_on_ray, [FIRST, OTHERS], digits, run=run_together)
    assert in_order(split) == in_order(run_items(run_inline, [WHOLE], digits))
    assert len(split.records) == 6
    assert sorted(split.started) == sorted(split.ended) == sorted([FIRST.id, OTHERS.id])


@pytest.mark.slow
def test_on_ray_an_item_of_very_many_folds_runs(cluster: on_ray.Cluster, digits: data.Data) -> None:
    """Its name is that of a folder, which no file system lets grow beyond 255 bytes."""
    many = plan_of(build_study(grid=[{"model": "cnn", "width": 0.02, "folds": 119}]))[0]

    def run_none(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        raise RuntimeError("started")
        yield

    collector = run_items(on_ray.run_on_ray, [WorkItem(many, tuple(range(2, 119)))], digits, run=run_none)
    messages = {record.error_message for record in RecordSet(collector.records).folds.values()}
    assert messages == {"RuntimeError: started"}
