"""One study, run in every way that there is: the scores are the same, bit for bit on a CPU."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.folders import ROOT, Folder, wait_for
from tune_app.records import RUN_FIELDS

pytestmark = pytest.mark.slow

REGULARIZERS = ["none", "dropout+batchnorm"]
RECIPE = {"epochs": 6, "batch_size": 4, "patience": 4, "schedule": "cosine"}
LONG = ("--checkpoint-after", "0")  # so that every fit is kept between epochs


def build_grid(order: int = 1) -> list[dict[str, Any]]:
    """The same conditions in either order."""
    grid = [
        {"model": "cnn", "width": 0.05, "regularizer": REGULARIZERS[::order], "folds": 3},
        {"model": "cnn", "width": 0.05, "regularizer": "batchnorm", "folds": 2, "protocol": "carry-over"},
    ]
    return grid[::order]


def build_folder(path: Path, order: int = 1) -> Folder:
    return Folder(path, recipe=RECIPE, grid=build_grid(order), replicates=2)


def hash_scores(folder: Folder) -> str:
    """Of the score columns of every epoch and every fit, whichever their order."""
    digest = hashlib.sha256()
    for name, key in (("epochs.csv", ["trial", "fold", "epoch"]), ("folds.csv", ["trial", "fold"])):
        frame = pd.read_csv(folder.results / name, dtype=str).drop(columns=list(RUN_FIELDS), errors="ignore")
        assert (frame.get("status", pd.Series(["completed"])) == "completed").all()
        digest.update(frame.sort_values(key).sort_index(axis=1).to_csv(index=False).encode())
    return digest.hexdigest()


def count_epochs(folder: Folder) -> int:
    path = folder.runs / "records.jsonl"
    return path.read_text().count('"kind":"epoch"') if path.exists() else 0


def start(folder: Folder, *more: str, cores: int = 2) -> subprocess.Popen[str]:
    """The command in a process of its own that may use so many cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    return subprocess.Popen(
        [sys.executable, "-m", "tune_app.grid", *folder.arguments("--no-dashboard", *more)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )


def end(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, out + err


def run_inline(path: Path) -> Folder:
    folder = build_folder(path)
    assert folder.run() == 0
    return folder


def run_by_fold(path: Path) -> Folder:
    folder = build_folder(path)
    assert folder.run("--shard", "fold") == 0
    return folder


def run_in_another_order(path: Path) -> Folder:
    folder = build_folder(path, order=-1)
    assert folder.run() == 0
    return folder


def run_interrupted(path: Path, at: Sequence[int], *more: str) -> Folder:
    """Killed once so many epochs are on disk, in the middle of fits, and run again."""
    folder = build_folder(path)
    for epochs in at:
        process = start(folder, *LONG, *more)
        wait_for(lambda epochs=epochs: count_epochs(folder) >= epochs, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    end(start(folder, *LONG, *more))
    return folder


def run_interrupted_inline(path: Path) -> Folder:
    return run_interrupted(path, (5, 17), "--executor", "inline")


def run_interrupted_on_ray(path: Path) -> Folder:
    return run_interrupted(path, (9,), "--shard", "fold")


def run_on_one_worker(path: Path) -> Folder:
    folder = build_folder(path)
    end(start(folder, "--shard", "trial", cores=1))
    return folder


def run_on_two_workers_beside_another_study(path: Path) -> Folder:
    """Both write below the same folders."""
    folder, other = build_folder(path), Folder(path / "beside", name="other", recipe=RECIPE, replicates=3)
    other.path = path
    second = start(other, "--executor", "inline")
    end(start(folder, "--shard", "trial"))
    end(second)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return hash_scores(run_inline(tmp_path_factory.mktemp("undisturbed") / "inline"))


IN_PROCESS = (run_by_fold, run_in_another_order, run_interrupted_inline)
ON_RAY = (run_on_one_worker, run_on_two_workers_beside_another_study, run_interrupted_on_ray)


@pytest.mark.parametrize("way", [*IN_PROCESS, *(pytest.param(way, marks=pytest.mark.ray) for way in ON_RAY)])
def test_the_scores_do_not_depend_on_the_way(undisturbed: str, tmp_path: Path, way: Callable[[Path], Folder]) -> None:
    assert hash_scores(way(tmp_path / "study")) == undisturbed
