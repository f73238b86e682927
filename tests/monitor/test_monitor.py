"""What watches a study: it must be right about progress, and it must never end the study."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.builders import Collector, build_study, fold_record, plan_of
from tune_app.monitor import RecordFlow
from tune_app.monitor.tensorboard import TensorBoardMonitor
from tune_app.monitor.terminal import Expected, LiveMonitor, PlainMonitor, Progress, Watched, spell_seconds
from tune_app.plan import WorkItem
from tune_app.records import EpochRecord, Record, RecordSet, RecordStore

TRIAL = plan_of(build_study(recipe={"epochs": 2, "batch_size": 20}, replicates=2))[0]
T = TRIAL.id
FIRST, SECOND = WorkItem(TRIAL, (0,)), WorkItem(TRIAL, (1, 2))  # its folds in two places at once


def epoch_of(fold: int, epoch: int, accuracy: float = 0.5125) -> EpochRecord:
    scores = {"train_loss": 0.3, "train_accuracy": 0.5, "validation_loss": 0.3, "validation_accuracy": accuracy}
    return EpochRecord(T, 0, fold, epoch, scores, 0.001, 1.5, 1000.0)


DONE, FAILED = fold_record(T, 0, 0.9), fold_record(T, 1, None)


def progress_of(*completed: tuple[str, int]) -> Progress:
    watched = Watched(name=TRIAL.name, folds=3, epochs=2, weight=1.0, share="1 CPU")
    return Progress({T: watched}, set(completed))


def test_progress_counts_what_was_done_before_and_what_failed() -> None:
    progress = progress_of((T, 2))
    assert (progress.done, progress.total, progress.remaining) == (1, 3, None)
    progress.item_started(FIRST)
    for record in (epoch_of(0, 1), DONE, epoch_of(1, 1)):
        progress.record(record)
    assert progress.remaining is not None
    assert progress.remaining > 0
    progress.record(FAILED)
    progress.record(FAILED)
    assert (progress.done, progress.failed) == (2, 1)


def test_plain_lines_name_trial_fold_score_and_reason() -> None:
    out = io.StringIO()
    monitor = PlainMonitor(Console(file=out, width=200), progress_of())
    monitor.item_started(SECOND)
    for record in (epoch_of(0, 1), DONE, FAILED):
        monitor.record(record)
    text = out.getvalue()
    assert f"started {TRIAL.name}, folds 2-3 on 1 CPU" in text
    assert f"[1/3] {TRIAL.name}, fold 1/3: test accuracy 0.9000 in 2.0 s" in text
    assert f"{TRIAL.name}, fold 2/3: failed, FitError: loss is nan" in text


def test_the_live_display_has_a_line_for_each_item_and_keeps_failures() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=20)
    monitor = LiveMonitor(console, progress_of((T, 2)))
    monitor.item_started(FIRST)
    monitor.item_started(SECOND)
    monitor.record(epoch_of(1, 2, accuracy=0.75))
    monitor.record(epoch_of(0, 1, accuracy=0.25))
    lines = _draw(monitor, console)
    (first,) = [line for line in lines if f"{TRIAL.name}.folds-1 " in line]
    (second,) = [line for line in lines if f"{TRIAL.name}.folds-2-3 " in line]
    assert first.split()[1:4] == ["1/3", "1/2", "0.2500"]
    assert second.split()[1:4] == ["2/3", "2/2", "0.7500"]
    monitor.record(FAILED)
    monitor.item_ended(SECOND)
    assert not any(".folds-2-3" in line for line in _draw(monitor, console))
    monitor.close()
    assert "failed, FitError: loss is nan" in out.getvalue()


def test_a_score_of_the_test_never_stands_in_the_column_of_the_validation() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=20)
    monitor = LiveMonitor(console, progress_of())
    monitor.item_started(SECOND)
    monitor.record(epoch_of(1, 2, accuracy=0.75))
    monitor.record(fold_record(T, 1, 0.9))
    monitor.close()
    lines = _draw(monitor, console)
    (head,) = [line for line in lines if line.startswith("running")]
    (running,) = [line for line in lines if ".folds-2-3" in line]
    assert running.split()[1:3] == ["3/3", "–"], "it is at the next fold"
    assert "0.9000" not in running
    ended = lines[-1]
    assert lines[-2].strip() == "last results"
    for column, score in (("validation", "0.7500"), ("test", "0.9000")):
        assert ended.index(score) + len(score) == head.index(f" {column}") + 1 + len(column), (
            "numbers end with the heading"
        )


LABEL = "CNN with dropout and batch normalisation, 10 folds, batches of 1,000, replicate 3"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_of_the_live_display_wraps_and_both_ends_of_the_head_are_there(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=12)
    watched = Watched(TRIAL.name, 3, 2, 100.0, "1 CPU, 0.25 GPU, stacked", label=LABEL)
    monitor = LiveMonitor(console, Progress({T: watched}, set(), Expected(30000.0, 60.0)))
    monitor.item_started(SECOND)
    for record in (epoch_of(1, 1), DONE, DONE):
        monitor.record(record)
    monitor.close()
    lines = _draw(monitor, console)
    assert max(map(len, map(str.rstrip, lines))) <= width
    assert len(lines) <= 12
    assert "1/3 fits" in " ".join(lines)
    assert re.search(r"about \d+ .* left", " ".join(lines))
    names = [line for line in lines if line.startswith("CNN")]
    assert len(names) == 3
    assert all(re.match(r"CNN.*… ?.*3 ", line) for line in names), "the replicate is at the end of the name"


@pytest.mark.parametrize("width", [60, 80])
def test_plain_lines_in_a_terminal_do_not_wrap_and_in_a_pipe_lose_nothing(width: int) -> None:
    for is_terminal in (True, False):
        out = io.StringIO()
        watched = Watched(TRIAL.name, 3, 2, 100.0, "1 CPU, eager", label=LABEL)
        progress = Progress({T: watched}, set(), Expected(30000.0, 60.0))
        monitor = PlainMonitor(Console(file=out, width=width, force_terminal=is_terminal), progress)
        monitor.item_started(SECOND)
        monitor.record(DONE)
        lines = out.getvalue().splitlines()
        assert (max(map(len, lines)) <= max(width, 76)) is is_terminal
        assert all(LABEL in line for line in lines) is not is_terminal


def test_many_failures_do_not_push_the_rest_off_the_screen() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=20)
    trial = plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": 20}]))[0]
    monitor = LiveMonitor(console, Progress({trial.id: Watched(trial.name, 20, 1, 1.0, "1 CPU")}, set()))
    for fold in range(20):
        monitor.record(fold_record(trial.id, fold, None))
    monitor.close()
    lines = _draw(monitor, console)
    assert out.getvalue().count("FitError: loss is nan") == 8
    assert "further failures are counted, and told at the end" in out.getvalue()
    assert "20 failed" in lines[0]


def _draw(monitor: LiveMonitor, console: Console) -> list[str]:
    with console.capture() as capture:
        console.print(monitor._draw())
    return re.sub(r"\x1b\[[0-9;]*m", "", capture.get()).splitlines()


def _read_scalars(folder: Path) -> dict[str, list[float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_trial_whose_folds_run_in_two_places_has_one_folder_with_every_curve(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    monitor = TensorBoardMonitor(tmp_path, [TRIAL], RecordSet())
    monitor.item_started(FIRST)
    monitor.record(epoch_of(0, 1))
    monitor.item_started(SECOND)  # while the first one runs
    for fold in order:
        for record in (epoch_of(fold, 1), epoch_of(fold, 2), fold_record(T, fold, 0.9 + fold / 100)):
            monitor.record(record)
        monitor.item_ended(FIRST if fold == 0 else SECOND)
    monitor.close()
    assert [path.name for path in tmp_path.iterdir()] == [TRIAL.name]
    for fold in (1, 2, 3):
        assert len(_read_scalars(tmp_path / TRIAL.name / f"fold-{fold}")["loss/train"]) >= 2
    (mean,) = _read_scalars(tmp_path / TRIAL.name)["test_accuracy_mean"]
    assert mean == pytest.approx(0.91)


def test_a_trial_whose_process_never_started_has_its_failures_in_tensorboard(tmp_path: Path) -> None:
    monitor = TensorBoardMonitor(tmp_path, [TRIAL], RecordSet())
    for fold in range(3):
        monitor.record(fold_record(T, fold, None))
    monitor.close()
    (folder,) = tmp_path.iterdir()
    events = EventAccumulator(str(folder / "fold-3")).Reload()
    assert events.Tags()["tensors"] == ["failure/text_summary"]


def test_a_folder_follows_when_its_trial_is_called_otherwise(tmp_path: Path) -> None:
    digest = T.rpartition("-")[2]
    (tmp_path / f"cnn-before-{digest}").mkdir()
    TensorBoardMonitor(tmp_path, [TRIAL], RecordSet([DONE])).close()
    assert [path.name for path in tmp_path.iterdir()] == [TRIAL.name]


def test_a_monitor_that_fails_is_dropped_and_the_records_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Collector):
        def record(self, record: Record) -> None:
            raise ZeroDivisionError("oops")

        def close(self) -> None:
            raise AssertionError("told after it broke")

    store, good = RecordStore(tmp_path), Collector()
    flow = RecordFlow(store, [Broken(), good])
    flow.record(DONE)
    flow.close()
    store.close()
    assert good.records == [DONE]
    assert store.records.is_completed(T, 0)
    assert "Broken stopped: ZeroDivisionError: oops" in caplog.text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.23, "4.2 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_are_spelled_for_reading(seconds: float, text: str) -> None:
    assert spell_seconds(seconds) == text
