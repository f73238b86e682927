"""A study that is interrupted or killed: its records are on disk, and it can be resumed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.folders import ROOT, Folder, fits_on_disk, wait_for
from tune_app.models import load_network


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_driver_goes_on_to_the_same_tables(tmp_path: Path) -> None:
    changes = {"replicates": 3, "recipe": {"epochs": 8, "batch_size": 5}}
    killed, undisturbed = (Folder(tmp_path / name, **changes) for name in ("killed", "undisturbed"))
    process = killed.start("--keep", "best")
    wait_for(lambda: fits_on_disk(killed) >= 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = fits_on_disk(killed)
    assert before < 18, "killed in mid-study"
    assert killed.run("--keep", "best") == 0
    assert undisturbed.run("--keep", "best") == 0
    for weights in (undisturbed.runs / "weights").iterdir():
        ours = load_network(killed.runs / "weights" / weights.name).state_dict()
        assert all(torch.equal(ours[name], tensor) for name, tensor in load_network(weights).state_dict().items())
    assert killed.score_files() == undisturbed.score_files()


@pytest.mark.parametrize(
    ("number", "executor"),
    [pytest.param(signal.SIGINT, "ray", marks=[pytest.mark.ray, pytest.mark.slow]), (signal.SIGTERM, "inline")],
)
def test_an_interrupt_leaves_with_130_and_says_how_to_resume(
    tmp_path: Path, number: signal.Signals, executor: str
) -> None:
    folder = Folder(tmp_path, replicates=4, recipe={"epochs": 30, "batch_size": 2})
    process = folder.start("--executor", executor)
    wait_for(lambda: fits_on_disk(folder) >= 1, process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # what a terminal does: the whole process group
    else:
        os.kill(process.pid, number)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130, err
    assert "of 24 fits are done and on disk. Resume with: python -m tune_app.grid" in out
    assert "Traceback" not in out + err
    assert folder.scores()["status"].tolist().count("completed") >= 1


def test_an_interrupt_while_tables_are_written_says_so(
    folder: Folder, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tune_app.export.folder.write_results", interrupt)
    assert folder.run() == 130
    assert "Interrupted while the tables were written: every record is on disk" in capsys.readouterr().err


def test_another_interrupt_does_not_break_off_the_end_of_the_process(tmp_path: Path) -> None:
    code = """
import atexit, os, signal, sys

atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), print("to the end")))
signal.signal(signal.SIGINT, signal.default_int_handler)
from tune_app.grid import main

sys.exit(main())
"""
    command = [sys.executable, "-c", code, str(tmp_path / "nowhere.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "to the end\n"), done.stderr
    assert "Traceback" not in done.stderr
