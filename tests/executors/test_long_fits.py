"""Long fits whose process or command ends: what was kept goes through the driver, and the records are the same."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Collector, build_study, plan_of, scores_of
from tune_app import data
from tune_app.executors import ray as on_ray
from tune_app.executors.inline import run_inline
from tune_app.plan import WorkItem
from tune_app.records import EpochRecord, FoldRecord, Record, RecordSet
from tune_app.study import TrialSpec
from tune_app.trial import Checkpoints, run_trial
from tune_app.trial.keeper import KeptCheckpoints

TRIAL = plan_of(build_study(recipe={"epochs": 5, "batch_size": 20}))[0]
WORK = [WorkItem(TRIAL, (0, 1, 2))]
TAKEN_UP = re.compile(r"interrupted after epoch [1-3] and taken up there")


def sort(records: list[Record]) -> list[dict[str, Any]]:
    return scores_of(RecordSet(records).in_order([TRIAL.id]))


def find_reasons(records: list[Record]) -> list[str | None]:
    return [record.engine_reason for record in records if isinstance(record, FoldRecord)]


class Interrupted(Collector):
    """Stops the run at the fourth epoch of the second fold."""

    def record(self, record: Record) -> None:
        super().record(record)
        if isinstance(record, EpochRecord) and (record.fold, record.epoch) == (1, 4):
            raise KeyboardInterrupt


def test_an_interrupted_command_goes_on_in_mid_fit(digits: data.Data, tmp_path: Path) -> None:
    undisturbed, first, second = Collector(), Interrupted(), Collector()
    run_inline(WORK, digits, undisturbed)
    files = KeptCheckpoints(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_inline(WORK, digits, first, checkpoints=Checkpoints(files, after=0))
    run_inline([WorkItem(TRIAL, (1, 2))], digits, second, checkpoints=Checkpoints(files, after=0))
    assert sort(first.records + second.records) == sort(undisturbed.records)
    taken_up, plain = find_reasons(second.records)
    assert TAKEN_UP.fullmatch(taken_up or "")
    assert plain is None


def test_short_fits_are_not_kept(digits: data.Data, tmp_path: Path) -> None:
    files = KeptCheckpoints(tmp_path)
    run_inline(WORK, digits, Collector(), checkpoints=Checkpoints(files, after=TRIAL.seconds + 1))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_process_that_is_lost_costs_an_epoch(cluster: on_ray.Cluster, digits: data.Data, tmp_path: Path) -> None:
    lost = tmp_path / "lost"

    def run(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        for record in run_trial(spec, dataset, **options):
            yield record
            if isinstance(record, EpochRecord) and record.epoch == 4 and not lost.exists():
                lost.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    undisturbed, disturbed = Collector(), Collector()
    run_inline(WORK, digits, undisturbed)
    files = KeptCheckpoints(tmp_path / "checkpoints")
    on_ray.run_on_ray(WORK, digits, disturbed, run=run, checkpoints=Checkpoints(files, after=0))
    assert lost.exists()
    assert sort(disturbed.records) == sort(undisturbed.records)
    (reason,) = filter(None, find_reasons(disturbed.records))
    assert TAKEN_UP.fullmatch(reason)
