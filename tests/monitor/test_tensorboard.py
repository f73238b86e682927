"""Event files: a folder for each trial, a curve for each fold."""

import resource
import signal
import threading
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

from tests.builders import build_study, fold_record, plan_of
from tests.folders import Folder
from tune_app.monitor.event_files import EventWriter
from tune_app.monitor.tensorboard import TensorBoardMonitor
from tune_app.plan import WorkItem
from tune_app.records import EpochRecord, RecordSet, read_records
from tune_app.session.interrupts import terminate_as_interrupt


def test_tensorboard_has_a_folder_per_trial_with_a_curve_per_fold(folder: Folder) -> None:
    folder.run("--set", "recipe.epochs=2")
    trials = sorted((folder.runs / "tensorboard").iterdir())
    assert len(trials) == 2
    records = read_records(folder.runs / "records.jsonl").records
    for trial in trials:
        (id,) = {id for id, _ in records.folds if id[-8:] == trial.name[-8:]}
        top = EventAccumulator(str(trial)).Reload()
        assert top.Tags()["graph"]
        assert len(top.Scalars("test_accuracy_by_fold")) == 3
        assert any("hparams" in tag for tag in top.summary_metadata)
        for fold in range(3):
            curve = EventAccumulator(str(trial / f"fold-{fold + 1}")).Reload()
            losses = {event.step: event.value for event in curve.Scalars("loss/validation")}
            assert losses == pytest.approx({e: records.epochs[id, fold, e].scores["validation_loss"] for e in (1, 2)})
            assert {"loss/train", "accuracy/train", "accuracy/validation"} <= set(curve.Tags()["scalars"])
            assert "epochs/text_summary" in curve.Tags()["tensors"]


def test_a_resumed_trial_has_whole_curves_once(finished: Folder) -> None:
    lines = (finished.runs / "records.jsonl").read_bytes().splitlines(keepends=True)
    (finished.runs / "records.jsonl").write_bytes(b"".join(lines[:3]))
    finished.run()
    for trial in (finished.runs / "tensorboard").iterdir():
        assert [e.step for e in EventAccumulator(str(trial)).Reload().Scalars("test_accuracy_by_fold")] == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_until_event_files_are_in_order(tmp_path: Path, number: signal.Signals) -> None:
    trial = plan_of(build_study())[0]
    drawn = []

    def draw(writer: SummaryWriter, name: str) -> None:
        signal.raise_signal(number)
        drawn.append(name)

    monitor = TensorBoardMonitor(tmp_path, [trial], RecordSet(), draw)
    with terminate_as_interrupt():
        with pytest.raises(KeyboardInterrupt):
            monitor.item_started(WorkItem(trial, (0, 1, 2)))
        assert drawn == [trial.id], "what was begun is done"
        monitor.record(fold_record(trial.id, 0, 0.9))
        monitor.close()
    folds = EventAccumulator(str(tmp_path / trial.name)).Reload().Scalars("test_accuracy_by_fold")
    assert [event.value for event in folds] == pytest.approx([0.9])


def test_folds_of_a_stack_share_a_bounded_number_of_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tune_app.monitor.tensorboard.MOST_WRITERS", 3)
    trial = plan_of(build_study(grid=[{"model": "cnn", "folds": 8}], recipe={"epochs": 2, "batch_size": 20}))[0]
    monitor = TensorBoardMonitor(tmp_path, [trial], RecordSet())
    monitor.item_started(WorkItem(trial, tuple(range(8))))
    scores = {"train_loss": 0.3, "train_accuracy": 0.5, "validation_loss": 0.3, "validation_accuracy": 0.5}
    for epoch in (1, 2):
        for fold in range(8):
            monitor.record(EpochRecord(trial.id, 0, fold, epoch, scores, 0.001, 1.5, 1000.0))
            assert len(monitor._writers) <= 3
    for fold in range(8):
        monitor.record(fold_record(trial.id, fold, 0.9))
    monitor.close()
    for fold in range(8):
        curve = EventAccumulator(str(tmp_path / trial.name / f"fold-{fold + 1}")).Reload()
        assert [event.step for event in curve.Scalars("loss/train")] == [1, 2]
    top = EventAccumulator(str(tmp_path / trial.name)).Reload()
    assert len(top.Scalars("test_accuracy_by_fold")) == 8


def test_folders_of_trials_that_an_edit_has_removed_go(tmp_path: Path) -> None:
    trials = plan_of(build_study())
    for name in ("cnn-gone-0123abcd", "notes", "cnn-0123"):
        (tmp_path / name).mkdir()
    (tmp_path / trials[1].name).mkdir()
    TensorBoardMonitor(tmp_path, trials[:1], RecordSet(), study={trial.id for trial in trials}).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["cnn-0123", "notes", trials[1].name])


def test_a_disk_that_refuses_an_event_file_is_an_error_where_it_is_written(tmp_path: Path) -> None:
    """Not in a thread that dies with a traceback, and has whoever reports next wait for ever."""
    threads, before = threading.active_count(), resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = EventWriter(logdir=str(tmp_path))
    writer.add_scalar("loss/train", 0.5, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # a file of more is refused as by a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            writer.add_text("epochs", "x" * 100_000, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert threading.active_count() == threads
    writer.close()
