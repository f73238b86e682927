"""What a notebook calls to run a study: run, interrupted, resumed and watched."""

import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tune_app
from tests.builders import build_study
from tests.calls import results_of, run
from tune_app.records import RUN_FIELDS, Record, RecordSet

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("empty_folder")


def scores_of(records: RecordSet) -> list[Any]:
    by_key: dict[tuple[Any, ...], Record] = {**records.epochs, **records.folds}
    return [
        (key, {k: v for k, v in asdict(record).items() if k not in RUN_FIELDS})
        for key, record in sorted(by_key.items(), key=lambda pair: str(pair[0]))
    ]


class Logger(tune_app.Callback):
    """The fits that ended; it can raise what it is given after so many."""

    def __init__(self, error: BaseException | None = None, after: int = 1) -> None:
        self.fits: list[tuple[str, int]] = []
        self.closed = False
        self._error, self._after = error, after

    def record(self, record: Record) -> None:
        if isinstance(record, tune_app.FoldRecord):
            self.fits.append((record.trial, record.fold))
            if self._error and len(self.fits) >= self._after:
                raise self._error

    def close(self) -> None:
        self.closed = True


def test_a_study_runs_and_gives_what_its_folder_gives(capsys: pytest.CaptureFixture[str]) -> None:
    results = run(build_study())
    assert capsys.readouterr() == ("", ""), "without progress nothing is printed"
    assert results.folder == Path("results/small").resolve()
    assert len(results.folds) == 6
    again = tune_app.read_results("results/small")
    for name, frame in results.build_frames().items():
        pd.testing.assert_frame_equal(frame, again.build_frames()[name])
    assert run(build_study()).records.completed() == results.records.completed()


def test_with_progress_every_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    run(build_study(), progress=True)
    out = capsys.readouterr().out
    assert "small: 6 fits in 2 trials to run." in out
    assert len(re.findall(r"^\[\d/6\] \S.* fold \d/3: test accuracy", out, re.MULTILINE)) == 6
    assert "Tables and page: results/small/index.html" in out


def test_an_interrupt_leaves_everything_finished_on_disk_and_the_same_call_resumes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = Logger(KeyboardInterrupt(), after=2)
    with pytest.raises(KeyboardInterrupt, match="2 of 6 fits are done and on disk"):
        run(build_study(), callbacks=[logger], progress=True)
    assert "Interrupted: 2 of 6 fits are done and on disk. Resume with: the same call" in capsys.readouterr().out
    assert logger.closed
    assert set(tune_app.read_results("results/small").records.completed()) == set(logger.fits)
    assert Path("results/small/index.html").is_file()

    rest = Logger()
    resumed = run(build_study(), callbacks=[rest])
    assert len(rest.fits) == 4
    assert not set(rest.fits) & set(logger.fits)
    undisturbed = run(build_study(), runs="other/runs", results="other/results")
    assert scores_of(resumed.records) == scores_of(undisturbed.records)


def test_a_callback_that_raises_is_dropped_and_the_study_continues(caplog: pytest.LogCaptureFixture) -> None:
    broken, good = Logger(ZeroDivisionError("oops")), Logger()
    results = run(build_study(), callbacks=[broken, good])
    assert len(broken.fits) == 1
    assert not broken.closed
    assert set(good.fits) == results.records.completed()
    assert len(good.fits) == 6
    assert "Logger stopped: ZeroDivisionError: oops" in caplog.text


ON_RAY = """
import logging, sys
import tune_app
from tests.builders import build_study
from tests.calls import run

logging.basicConfig(stream=sys.stdout, format="%(message)s")


class Counter(tune_app.Callback):
    fits = 0
    closed = False

    def __init__(self, error=None):
        self.error = error

    def record(self, record):
        if isinstance(record, tune_app.FoldRecord):
            self.fits += 1
            if self.error:
                raise self.error

    def close(self):
        self.closed = True


broken, good = Counter(ZeroDivisionError("oops")), Counter()
results = run(build_study(), executor="ray", callbacks=[broken, good])
print(good.fits, len(results.records.completed()), good.closed, broken.fits)
"""


@pytest.mark.slow
@pytest.mark.ray
def test_callbacks_are_called_here_when_trials_run_on_ray() -> None:
    """In a process of its own, as other tests here have had clusters in theirs."""
    command, environment = [sys.executable, "-c", ON_RAY], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Counter stopped: ZeroDivisionError: oops" in done.stdout
    assert done.stdout.splitlines()[-1] == "6 6 True 1"


def test_failed_fits_are_rows_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 3, "learning_rate": [1e30, 0.001]}]
    results = run(build_study(grid=grid), progress=True)
    assert results.folds.groupby("learning_rate")["status"].first().to_dict() == {0.001: "completed", 1e30: "failed"}
    out = capsys.readouterr().out
    assert "failed, FitError: the training loss is" in out
    assert "3 fits failed; the same command runs them again." in out


@pytest.mark.slow
def test_a_part_of_a_study_does_not_replace_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    results_of(build_study()).write("results/small")
    part = run(build_study(), only={"regularizer": "none"}, progress=True)
    assert part.folder == Path("results/small.partial").resolve()
    assert "holds records that this run lacks or cannot read, so its tables are in" in capsys.readouterr().out
    assert len(tune_app.read_results("results/small").folds) == 6


def test_a_kept_network_loads_and_what_is_none_is_an_error(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    run(build_study())
    results = run(build_study(), keep="best", progress=True)
    out = capsys.readouterr().out
    assert "6 fits in 2 trials to run." in out, "without a network they all run again, and are counted so"
    assert [int(done) for done in re.findall(r"^\[(\d)/6\]", out, re.MULTILINE)] == [1, 2, 3, 4, 5, 6]
    assert not caplog.text, "no monitor stopped"
    for trial in Path("runs/small/tensorboard").iterdir():
        curve = EventAccumulator(str(trial / "fold-1")).Reload().Scalars("loss/validation")
        assert [event.step for event in curve] == [1], "no doubled curves"
    trial = results.trials["trial"][0]
    assert not tune_app.load_network(f"runs/small/weights/{trial}.pt").training
    assert tune_app.read_weights(f"runs/small/weights/{trial}.pt")["facts"]["trial"] == trial
    with pytest.raises(tune_app.ResultsError, match=r"nothing\.pt cannot be read: No such file"):
        tune_app.load_network("nothing.pt")
