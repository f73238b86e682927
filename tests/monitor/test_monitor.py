"""What watches a study: it must be right about progress, and it must never end the study."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.builders import Collector
from tune_app.monitor import RecordFlow
from tune_app.monitor.terminal import LiveMonitor, PlainMonitor, Progress, Watched, spell_seconds
from tune_app.records import EpochRecord, FoldRecord, Record, RecordStore

EPOCH = EpochRecord("t", 0, 0, 1, 0.3, 0.5, 0.3, 0.5125, 0.001, 1.5, 1000.0)
DONE = FoldRecord("t", 0, 0, "completed", 2, 0.25, 0.9, "", 1, 1e9, 1.5, 7, "cpu", "h")
FAILED = FoldRecord("t", 0, 1, "failed", 1, None, None, None, 1, 1e9, 1.5, 7, "cpu", "h", "FitError", "loss is nan")


def progress_of() -> Progress:
    return Progress({"t": Watched(folds=4, epochs=2, weight=1.0, share="1 CPU")}, {("t", 3)})


def test_progress_counts_what_was_done_before_and_what_failed() -> None:
    progress = progress_of()
    assert (progress.done, progress.total, progress.remaining) == (1, 4, None)
    progress.trial_started()
    for record in (EPOCH, DONE, FAILED, FAILED):
        progress.record(record)
    assert (progress.done, progress.failed) == (2, 1)
    assert progress.remaining is not None
    assert progress.remaining > 0


def test_plain_lines_name_trial_fold_score_and_reason() -> None:
    out = io.StringIO()
    monitor = PlainMonitor(Console(file=out, width=200), progress_of())
    monitor.trial_started("t")
    for record in (EPOCH, DONE, FAILED):
        monitor.record(record)
    text = out.getvalue()
    assert "started t on 1 CPU" in text
    assert "[2/4] t fold 1/4: test accuracy 0.9000 in 1.5 s" in text
    assert "t fold 2/4: failed, FitError: loss is nan" in text


def test_the_live_display_shows_running_trials_and_keeps_failures() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=20)
    monitor = LiveMonitor(console, progress_of())
    monitor.trial_started("t")
    monitor.record(EPOCH)
    with console.capture() as capture:
        console.print(monitor._draw())
    monitor.record(FAILED)
    monitor.close()
    drawn = capture.get()
    for part in ("1/4 fits", "0.5125", "1/2", "1 CPU"):
        assert part in drawn
    assert "failed, FitError: loss is nan" in out.getvalue()


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
    assert store.records.is_completed("t", 0)
    assert "Broken stopped: ZeroDivisionError: oops" in caplog.text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.23, "4.2 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_are_spelled_for_reading(seconds: float, text: str) -> None:
    assert spell_seconds(seconds) == text
