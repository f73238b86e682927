"""A small study on real digits, with folders and a temporary folder of its own, run by the command as users type it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tests.chaos.processes import end_all, find_below
from tests.folders import COSTS
from tune_app.records import RUN_FIELDS

ROOT = Path(__file__).parents[2]
NAME = "chaos"
RUN_SECONDS = 300.0  # a command that takes longer has hung
END_SECONDS = 100.0  # for what a killed command has started to end by itself: Ray's agents wait a minute for its head
NETS = """
import os
import sys
from pathlib import Path

import torch
from torch import nn

GATE = Path(os.environ.get("CHAOS_GATE", "/nowhere"))
FAULTS = {
    "raise": RuntimeError("a fault was asked for"),
    "memory": MemoryError("no memory is left, as was asked for"),
    "gpu-memory": torch.OutOfMemoryError("no memory of a GPU is left, as was asked for"),
}
fits = 0


def take_fault():
    for path in GATE.glob("once-*"):
        try:
            path.unlink()
        except FileNotFoundError:  # another process has taken it
            continue
        return path.name.removeprefix("once-")
    return ""


class Gate(nn.Module):
    steps = 0

    def forward(self, inputs):
        if not self.training or inputs.device.type == "meta":
            return inputs
        self.steps += 1
        fault = take_fault()
        if self.steps == 1 and (GATE / "every-twentieth").exists():
            global fits
            fits += 1
            fault = fault or ("raise" if fits % 20 == 0 else "")
        if fault in FAULTS:
            raise FAULTS[fault]
        return inputs * float("nan") if fault == "nan" else inputs


def build_net(width: int = 16, *, inputs, outputs):
    sizes = inputs[0] * inputs[1] * inputs[2]
    return nn.Sequential(nn.Flatten(), Gate(), nn.Linear(sizes, width), nn.ReLU(), nn.Linear(width, outputs))
"""
METRICS = """
def share(targets, outputs):
    return float((outputs.argmax(axis=1) == targets).mean())
"""
STUDY: dict[str, Any] = {
    "name": NAME,
    "define": {"net": {"model": "nets:build_net"}, "share": {"metric": "metrics:share"}},
    "data": {"name": "digits", "train_images": 900, "test_images": 200},
    "metrics": {"primary": "accuracy", "also": ["share"]},
    "recipe": {"epochs": 8, "batch_size": 4},
    "grid": [{"model": "net", "learning_rate": [0.001, 0.01], "folds": 3}],
}
FITS = 6


class Lab:
    """A project folder with a study, and what its commands leave there."""

    def __init__(self, folder: Path, options: tuple[str, ...], more: Mapping[str, str], **study: Any) -> None:
        self.folder = folder
        self.options = options
        self.more = more  # of the environment
        self._started: list[subprocess.Popen[bytes]] = []
        self.gate = folder / "gate"
        self.temporary = folder.parent / "t"  # for all labs of a folder: with a short path, as that of most machines
        self.runs, self.results = folder / "runs" / NAME, folder / "results" / NAME
        for place in (folder, self.gate, self.temporary):
            place.mkdir(exist_ok=True)
        (folder / "nets.py").write_text(NETS)
        (folder / "metrics.py").write_text(METRICS)
        (folder / "study.yaml").write_text(yaml.safe_dump({**STUDY, **study}, sort_keys=False))

    def start(self, log: str) -> "subprocess.Popen[bytes]":
        """The command; what it prints goes to a file."""
        command = [sys.executable, "-m", "tune_app.grid", "study.yaml", "--device", "cpu", *self.options]
        measured = self.folder.parent / "measured"
        paths = {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), "TUNE_APP_CALIBRATION": str(measured)}
        with (self.folder / log).open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **paths, "CHAOS_GATE": str(self.gate), **self.more},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
            )
        self._started.append(process)
        return process

    def end_commands(self) -> None:
        """Kill those that still run, with what they have started: nothing does unless the runner itself is ended."""
        for process in self._started:
            if process.poll() is None:
                wait_for_end(process, 0)

    def read_log(self, log: str) -> str:
        return (self.folder / log).read_text(encoding="utf-8", errors="replace")

    @property
    def fits_on_disk(self) -> int:
        """Lines of the file of records that speak of a fit."""
        path = self.runs / "records.jsonl"
        return path.read_bytes().count(b'"kind":"fold"') if path.exists() else 0

    @property
    def files_of_results(self) -> int:
        return sum(path.is_file() for path in self.results.glob("*")) if self.results.exists() else 0

    def read_tables(self) -> dict[str, str]:
        """The exported tables, without the columns that times, hosts and plans fill."""
        texts = {}
        for path in sorted(self.results.glob("*.csv")):
            if path.name not in ("plan.csv", "outlook.csv"):
                frame = pd.read_csv(path, dtype=str, keep_default_na=False)
                if "metric" in frame:
                    frame = frame[frame["metric"] != "fit_seconds"]
                texts[path.name] = frame.drop(columns=[*RUN_FIELDS, *COSTS], errors="ignore").to_csv(index=False)
        table = self.results / "table.md"
        return texts | ({table.name: table.read_text()} if table.exists() else {})

    def clear(self) -> None:
        """Empty the temporary folder for the next lab."""
        shutil.rmtree(self.temporary)

    def find_left_behind(self) -> list[str]:
        """Files and sockets in the temporary folder, torch's own cache of compiled code aside."""
        found = (path for path in self.temporary.rglob("*") if not path.is_dir() or path.is_symlink())
        names = (str(path.relative_to(self.temporary)) for path in found)
        return sorted(name for name in names if not name.startswith("torchinductor_"))


def wait_for_end(process: "subprocess.Popen[bytes]", seconds: float = RUN_SECONDS) -> int | None:
    """Its exit code; None for one that takes longer, which is ended with all that it has started."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        below = find_below(process.pid)
        process.kill()
        process.wait()
        end_all(below, 0)
        return None


@contextmanager
def hold_folder() -> Iterator[Path]:
    """A folder with a short path, for Ray's sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="c", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pause(numbers: random.Random, most: float) -> None:
    """A moment that the seed chooses."""
    time.sleep(numbers.uniform(0, most))
