"""Fits that are recorded twice: a process that ended, a stack that broke, a chain of folds that starts over."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.builders import build_study, fold_record, plan_of
from tune_app.monitor.tensorboard import TensorBoardMonitor
from tune_app.monitor.terminal import LiveMonitor, Progress, Watched
from tune_app.plan import WorkItem
from tune_app.records import EpochRecord, RecordSet

TRIAL = plan_of(build_study(recipe={"epochs": 2, "batch_size": 20}))[0]
T = TRIAL.id


def epoch_of(fold: int, epoch: int, loss: float = 0.5) -> EpochRecord:
    scores = {"train_loss": loss, "train_accuracy": 0.5, "validation_loss": loss, "validation_accuracy": 0.5}
    return EpochRecord(T, 0, fold, epoch, scores, 0.001, 1.5, 1000.0)


def read_curve(folder: Path, tag: str) -> list[tuple[int, Any]]:
    events = EventAccumulator(str(folder)).Reload()
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]


def test_a_fit_that_starts_again_is_drawn_from_its_new_start(tmp_path: Path) -> None:
    monitor = TensorBoardMonitor(tmp_path, [TRIAL], RecordSet())
    monitor.item_started(WorkItem(TRIAL, (0,)))
    monitor.item_started(WorkItem(TRIAL, (1, 2)))
    monitor.record(epoch_of(0, 1, loss=0.9))
    monitor.record(epoch_of(1, 1, loss=0.7))
    monitor.item_ended(WorkItem(TRIAL, (0,)))
    monitor.item_started(WorkItem(TRIAL, (0,)))  # its process ended: once more
    for epoch in (1, 2):
        monitor.record(epoch_of(0, epoch, loss=0.4))
    monitor.record(fold_record(T, 0, 0.9))
    monitor.record(epoch_of(1, 2, loss=0.6))
    monitor.close()
    folder = tmp_path / TRIAL.name
    assert read_curve(folder / "fold-1", "loss/validation") == [(1, 0.4), (2, 0.4)]
    assert read_curve(folder / "fold-2", "loss/validation") == [(1, 0.7), (2, 0.6)], "the other fold's curve is whole"


def test_a_finished_trial_takes_a_fold_that_is_trained_again(tmp_path: Path) -> None:
    """Folds that depend on each other are trained again from the first one that lacks its state."""
    earlier = RecordSet([epoch_of(2, 1), epoch_of(2, 2), fold_record(T, 2, 0.8), fold_record(T, 0, 0.8)])
    monitor = TensorBoardMonitor(tmp_path, [TRIAL], earlier)
    monitor.item_started(WorkItem(TRIAL, (1,)))
    for fold in (1, 2):
        for record in (epoch_of(fold, 1, 0.3), epoch_of(fold, 2, 0.2), fold_record(T, fold, 0.95)):
            monitor.record(record)
    monitor.close()
    folder = tmp_path / TRIAL.name
    assert read_curve(folder / "fold-3", "loss/validation") == [(1, 0.3), (2, 0.2)]
    assert read_curve(folder, "test_accuracy_mean")[-1] == (0, (0.8 + 0.95 + 0.95) / 3)


def test_the_display_shows_a_fold_that_is_trained_again_with_the_item_that_does_it() -> None:
    console = Console(force_terminal=True, width=120, height=20, quiet=True)
    watched = Watched(name=TRIAL.name, folds=3, epochs=2, weight=1.0, share="1 CPU")
    monitor = LiveMonitor(console, Progress({T: watched}, {(T, 0), (T, 1)}))
    monitor.item_started(WorkItem(TRIAL, (2,)))
    monitor.record(epoch_of(0, 2))
    cells = monitor._find_cells(WorkItem(TRIAL, (2,)))
    monitor.close()
    assert (cells["fold"], cells["epoch"]) == ("1/3", "2/2")
