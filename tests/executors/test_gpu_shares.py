"""Shares of a GPU that are kept to: the cap on a trial's memory, and a trial that outgrows it. No GPU is needed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import Collector, build_study, plan_of, scores_of
from tune_app import data
from tune_app.engine.memory import cap_memory
from tune_app.executors import ray as on_ray
from tune_app.executors.inline import run_inline
from tune_app.plan import PlannedTrial, Share, WorkItem
from tune_app.records import FoldRecord, Record, RecordSet
from tune_app.study import TrialSpec
from tune_app.trial import run_trial

CPU = torch.device("cpu")
FOLDS = 2


@pytest.mark.parametrize(
    ("device", "share", "capped"),
    [("cpu", 0.5, []), ("cuda:0", 0.25, [0.25]), ("cuda:0", 1, [1.0]), ("cuda:0", 2, [1.0])],
)
def test_memory_is_capped_on_a_gpu_alone_and_never_beyond_the_whole_of_it(
    monkeypatch: pytest.MonkeyPatch, device: str, share: float, capped: list[float]
) -> None:
    seen: list[tuple[float, torch.device]] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: seen.append(given))
    cap_memory(torch.device(device), share)
    assert seen == [(fraction, torch.device(device)) for fraction in capped]


def test_a_share_that_cannot_be_capped_is_a_row(monkeypatch: pytest.MonkeyPatch, digits: data.Data) -> None:
    def refuse(device: torch.device, share: float) -> None:
        raise RuntimeError(f"no cap of {share:g} on {device}")

    monkeypatch.setattr("tune_app.trial.loop.cap_memory", refuse)
    spec = plan_of(build_study())[0].spec
    (record,) = run_trial(spec, digits, folds=[0], device=CPU, gpu_share=0.25)
    assert isinstance(record, FoldRecord)
    assert (record.status, record.error_message) == ("failed", "no cap of 0.25 on cpu")


def test_samples_in_host_memory_give_the_same_records(digits: data.Data) -> None:
    spec = plan_of(build_study())[0].spec
    found = [list(run_trial(spec, digits, folds=[0, 1], device=CPU, data_on_host=on_host)) for on_host in (False, True)]
    assert scores_of(found[0]) == scores_of(found[1])


@pytest.fixture
def trials() -> dict[str, PlannedTrial]:
    """One that needs half a GPU and holds a quarter, one that needs more than twice its share, one that has it all."""
    names = ("grows", "too large", "whole")
    plan = plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": FOLDS}], replicates=3))
    shares = (0.25, 0.25, 1.0)
    return {
        name: replace(trial, share=Share(0.5, share)) for name, trial, share in zip(names, plan, shares, strict=True)
    }


@pytest.mark.slow
def test_a_trial_that_outgrows_its_share_runs_once_more_with_twice_as_much(
    cluster: on_ray.Cluster, digits: data.Data, trials: dict[str, PlannedTrial], tmp_path: Path
) -> None:
    """Its second fold outgrows it: the first one counts, and is not run again."""
    needed = {trials["grows"].id: 0.5, trials["too large"].id: 0.75, trials["whole"].id: 2.0}

    def run(spec: TrialSpec, dataset: data.Data, gpu_share: float, **options: Any) -> Iterator[Record]:
        with (tmp_path / spec.id).open("a") as log:
            log.write(f"{gpu_share:g} {list(options['folds'])}\n")
        left = list(options["folds"])

        def outgrow(module: torch.nn.Module, inputs: Any) -> None:
            if left[0] == 1 and gpu_share < needed[spec.id]:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        handle = torch.nn.modules.module.register_module_forward_pre_hook(outgrow)
        try:
            for record in run_trial(spec, dataset, **options):
                if isinstance(record, FoldRecord):
                    left = [*left[1:], -1]
                yield record
        finally:
            handle.remove()

    collector = Collector()
    work = [WorkItem(trial, tuple(range(FOLDS))) for trial in trials.values()]
    on_ray.run_on_ray(work, digits, collector, device="cpu", run=run)
    tries = {name: (tmp_path / trial.id).read_text().splitlines() for name, trial in trials.items()}
    assert tries == {
        "grows": ["0.25 [0, 1]", "0.5 [1]"],
        "too large": ["0.25 [0, 1]", "0.5 [1]"],
        "whole": ["1 [0, 1]"],
    }
    folds = RecordSet(collector.records).folds
    told = {
        name: [(folds[trial.id, fold].status, folds[trial.id, fold].engine_reason) for fold in range(FOLDS)]
        for name, trial in trials.items()
    }
    again = "outgrew 0.25 of a GPU, run again with 0.5"
    assert told == {
        "grows": [("completed", None), ("completed", again)],
        "too large": [("completed", None), ("failed", again)],
        "whole": [("completed", None), ("failed", None)],
    }
    assert folds[trials["too large"].id, 1].error_type == "OutOfMemoryError"
    assert sum(isinstance(record, FoldRecord) for record in collector.records) == 3 * FOLDS, "a row for each fold"
    alone = Collector()
    run_inline([WorkItem(trials["grows"], (0, 1))], digits, alone, device="cpu")
    order = [trials["grows"].id]
    assert scores_of(RecordSet(collector.records).in_order(order)) == scores_of(
        RecordSet(alone.records).in_order(order)
    )
