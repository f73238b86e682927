"""Items that report nothing: slow ones are never taken for hung ones, hung ones are ended, run again, and told of."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Collector, build_study, plan_of
from tune_app import data
from tune_app.executors import ray as on_ray
from tune_app.executors import silence
from tune_app.executors.inline import run_inline
from tune_app.executors.silence import FACTORS, FLOOR_SECONDS, Silence, find_limit
from tune_app.plan import WorkItem
from tune_app.plan.trials import FitSeconds
from tune_app.records import FoldRecord, Record, RecordSet
from tune_app.session.options import build_options
from tune_app.study import TrialSpec
from tune_app.trial import run_trial

WITHIN = 15.0  # seconds; a fit of these tests reports within one, on a machine under load within a few


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(silence, "time", found)
    return found


def test_a_limit_is_many_predicted_epochs_and_never_below_the_floor() -> None:
    trial = plan_of(build_study(recipe={"epochs": 10, "batch_size": 20}))[0]
    assert find_limit(replace(trial, fit_seconds=FitSeconds(0.1, 0.1))) == FLOOR_SECONDS
    hours = replace(trial, fit_seconds=FitSeconds(36000.0, 0.0), basis="fits")
    assert find_limit(hours) == FACTORS["fits"] * 3600
    assert find_limit(replace(hours, basis="estimate")) > find_limit(hours), "what is only counted may be more wrong"
    assert find_limit(replace(hours, engine="stacked")) == 3 * find_limit(hours), "an epoch of all folds at once"
    assert find_limit(replace(hours, parameters=0)) == FACTORS["fits"] * 36000, "an estimator reports at its end"
    assert find_limit(replace(trial, fit_seconds=FitSeconds(0.0, 0.0))) > FLOOR_SECONDS, "nothing is predicted"
    assert find_limit(hours, given=60.0) == 60.0


def test_an_item_is_silent_once_until_it_is_heard_again(clock: Clock) -> None:
    watched = Silence({"a": 10.0, "b": 1000.0})
    watched.heard("a")
    watched.heard("b")

    def wait(seconds: int) -> list[str]:
        found = []
        for _ in range(seconds):
            clock.now += 1
            found += watched.find_silent()
        return found

    assert wait(10) == []
    assert wait(1) == ["a"]
    assert wait(50) == []
    watched.heard("a")
    assert wait(11) == ["a"]
    watched.ended("a")
    assert wait(50) == []


def test_time_in_which_this_process_stood_still_is_no_silence(clock: Clock) -> None:
    """A command that is stopped by Ctrl-Z for an hour, or a laptop that sleeps, hears nobody."""
    watched = Silence({"a": 900.0})
    watched.heard("a")
    clock.now += 3600
    assert watched.find_silent() == []


def test_a_time_for_reports_is_read_as_a_budget_is() -> None:
    assert build_options(report_within="1h30m").report_within == 5400
    assert build_options(report_within=20).report_within == 20


def test_inline_names_an_item_that_is_silent(digits: data.Data, caplog: pytest.LogCaptureFixture) -> None:
    """It hangs until the warning is there."""
    warned = threading.Event()

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warned.set()

    def run(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        assert warned.wait(60)
        yield from run_trial(spec, dataset, **options)

    logger, note, collector = logging.getLogger("tune_app"), Note(), Collector()
    logger.addHandler(note)
    try:
        run_inline([WorkItem(plan_of(build_study())[0], (0,))], digits, collector, run=run, report_within=0.01)
    finally:
        logger.removeHandler(note)
    assert (
        ".folds-1 has reported nothing for 0.01 s; with --executor inline it cannot be ended from here" in caplog.text
    )
    assert len(RecordSet(collector.records).completed()) == 1


@pytest.mark.slow
def test_a_fit_that_hangs_runs_again_once_and_then_its_row_says_so(
    cluster: on_ray.Cluster, digits: data.Data, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One trial's processes stop in its first and in its last fold each time, the other's in its second fold once."""
    plan = plan_of(build_study())
    always, once = (trial.id for trial in plan)

    def run(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        for record in run_trial(spec, dataset, **options):
            stopped = tmp_path / f"{spec.id}-{record.fold}"
            if record.fold in ((0, 2) if spec.id == always else (1,)) and (spec.id == always or not stopped.exists()):
                stopped.touch()
                os.kill(os.getpid(), signal.SIGSTOP)
            yield record

    collector = Collector()
    work = [WorkItem(plan[0], (0, 1)), WorkItem(plan[0], (2,)), WorkItem(plan[1], (0, 1, 2))]
    on_ray.run_on_ray(work, digits, collector, run=run, report_within=WITHIN)
    records = RecordSet(collector.records)
    assert records.completed() == {(always, 1), (once, 0), (once, 1), (once, 2)}
    for fold in (0, 2):
        failed = records.folds[always, fold]
        assert (failed.status, failed.error_type) == ("failed", "Hung")
        assert failed.error_message is not None
        assert failed.error_message.startswith(
            "reported nothing for 15 s, and neither when it ran again; --report-within"
        )
    assert caplog.text.count("it is ended, and what was under way there runs again.") == 3
    assert caplog.text.count("again: the fit that was under way has failed.") == 2
    recorded = [(each.trial, each.fold) for each in collector.records if isinstance(each, FoldRecord)]
    assert len(recorded) == len(set(recorded)), "nothing recorded ran again"
    assert sorted(collector.ended) == sorted(item.id for item in work)
