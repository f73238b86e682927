"""A study file with a runs and a results folder of its own, run by the command as a user calls it."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from tests.builders import write_study_file
from tune_app.grid import main
from tune_app.records import RUN_FIELDS

COSTS = ("fit_seconds_total", "predicted_seconds_total", "predicted_memory_bytes")  # of a run and of its plan
ROOT = Path(__file__).parents[1]


class Folder:
    """A study file with a runs and a results folder of its own."""

    def __init__(self, path: Path, **changes: Any) -> None:
        path.mkdir(exist_ok=True)
        self.path = path
        self.changes = changes
        self.study = write_study_file(path, **changes)
        self.results = path / "results" / "small"
        self.runs = path / "runs" / "small"

    def copy_to(self, path: Path) -> "Folder":
        """The same study in another place, with the records, results and times of files that it has here."""
        copy = Folder(path, **self.changes)
        shutil.copytree(self.path, path, dirs_exist_ok=True)
        return copy

    def arguments(self, *more: str) -> list[str]:
        places = ["--runs", str(self.path / "runs"), "--results", str(self.path / "results")]
        return [str(self.study), *places, *more]

    def run(self, *more: str) -> int:
        return main(self.arguments("--executor", "inline", *more))

    def start(self, *more: str) -> subprocess.Popen[str]:
        """The command on Ray, in a process of its own."""
        command = [sys.executable, "-m", "tune_app.grid", *self.arguments(*more)]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # As a terminal starts it; under a background shell the tests themselves may have inherited "ignore".
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def scores(self) -> pd.DataFrame:
        return pd.read_csv(self.results / "folds.csv").drop(columns=list(RUN_FIELDS), errors="ignore")

    def score_files(self) -> dict[str, str]:
        """The exported tables without what may differ between two runs."""
        texts = {}
        for name in ("epochs.csv", "folds.csv", "trials.csv"):
            frame = pd.read_csv(self.results / name, dtype=str)
            texts[name] = frame.drop(columns=[*RUN_FIELDS, *COSTS], errors="ignore").to_csv()
        return texts | {"table.md": (self.results / "table.md").read_text()}


def wait_for(condition: Any, process: subprocess.Popen[str], seconds: float = 240) -> None:
    """Return once the condition holds; fail if the process ends first. The limit is for a machine under load."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def fits_on_disk(folder: Folder) -> int:
    path = folder.runs / "records.jsonl"
    return path.read_text().count('"kind":"fold"') if path.exists() else 0


def block(folder: Path) -> None:
    """A file where a folder should be: writing below it fails for every user, root as well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")
