"""Long fits on several devices that are interrupted: every process goes on where it was."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import scores_of
from tests.trials import CPU, folds_of, read_until, spec_of
from tune_app import data
from tune_app.executors.peers import LocalPeers, Processes
from tune_app.records import Record
from tune_app.study import TrialSpec
from tune_app.trial import Checkpointer, run_trial
from tune_app.trial.keeper import KeptCheckpoints

pytestmark = pytest.mark.slow
RECIPES: dict[str, dict[str, Any]] = {
    "dropout of each device's own": {"regularizer": "dropout"},
    "statistics of each device's own": {"batchnorm_sync": False, "batch_size": 24},
    "a schedule, augmentation and early stopping": {"schedule": "cosine", "augment": "noise", "patience": 2},
}


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with contextlib.closing(Processes()) as found:
        yield found


@pytest.fixture(autouse=True)
def _each_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tune_app.trial.checkpoint.MOST_SHARE", float("inf"))


@contextlib.contextmanager
def take_up(
    processes: Processes, spec: TrialSpec, digits: data.Data, kept: KeptCheckpoints | None
) -> Iterator[tuple[Iterator[Record], LocalPeers]]:
    """The first fold's records as they come, and the other processes."""
    more: dict[str, Any] = {"checkpointer": Checkpointer(kept, "here")} if kept else {}
    with contextlib.closing(LocalPeers(processes, spec, digits, CPU, threads=1)) as peers:
        records = run_trial(spec, digits, folds=(0,), device=CPU, peers=peers, **more)
        with contextlib.closing(records):  # type: ignore[type-var]
            yield records, peers


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_an_interrupted_fit_has_the_records_of_an_undisturbed_one(
    digits: data.Data, tmp_path: Path, processes: Processes, recipe: dict[str, Any]
) -> None:
    spec = spec_of(**({"epochs": 4, "devices": 2} | recipe))
    kept = KeptCheckpoints(tmp_path)
    with take_up(processes, spec, digits, None) as (records, _):
        undisturbed = list(records)
    with take_up(processes, spec, digits, kept) as (records, _):
        read_until(records, 0, 3)
    with take_up(processes, spec, digits, kept) as (records, _):
        again = list(records)
    assert scores_of(again) == scores_of(undisturbed)
    assert folds_of(again)[0].engine_reason == "interrupted after epoch 2 and taken up there"


def test_a_process_that_is_lost_costs_the_epoch_under_way(
    digits: data.Data, tmp_path: Path, processes: Processes
) -> None:
    spec = spec_of(epochs=4, devices=2)
    with take_up(processes, spec, digits, None) as (records, _):
        undisturbed = list(records)
    with take_up(processes, spec, digits, KeptCheckpoints(tmp_path)) as (records, peers):
        before = read_until(records, 0, 3)
        (peer,) = peers._peers.values()
        os.kill(peer.process.pid, signal.SIGKILL)
        after = list(records)
    assert scores_of(after) == scores_of(undisturbed)
    assert [record.scores for record in before] == [record.scores for record in undisturbed[:3]]
    assert folds_of(after)[0].engine_reason in {
        f"interrupted after epoch {epoch} and taken up there" for epoch in (2, 3)
    }


def test_a_damaged_checkpoint_is_left_aside_by_all(digits: data.Data, tmp_path: Path, processes: Processes) -> None:
    spec = spec_of(epochs=3, devices=2)
    kept = KeptCheckpoints(tmp_path)
    with take_up(processes, spec, digits, kept) as (records, _):
        read_until(records, 0, 3)
    content = kept.read(spec.id, 0)
    assert content is not None
    kept.write(spec.id, 0, content[:-1])
    with take_up(processes, spec, digits, kept) as (records, _):
        again = list(records)
    with take_up(processes, spec, digits, None) as (records, _):
        assert scores_of(again) == scores_of(list(records))
    assert folds_of(again)[0].engine_reason == "begun anew, as its checkpoint is damaged"
