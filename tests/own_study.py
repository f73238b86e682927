"""A study with parts of its own in a folder: what its user wrote, run as its user would run it."""

import re
from pathlib import Path
from typing import Any

import yaml

from tune_app.grid import main
from tune_app.records import RecordSet, read_records

NETS = """
from torch import nn


def build_net(width: int = 8, *, inputs, outputs):
    flat = nn.Flatten()
    return nn.Sequential(flat, nn.Linear(inputs[0], width), nn.ReLU(), nn.Linear(width, outputs))
"""
HIDDEN_NORM = """
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear, self.norm = nn.Linear(inputs, outputs), [nn.BatchNorm1d(outputs)]

    def forward(self, x):
        return self.norm[0].train(self.training)(self.linear(x))


def build_net(width: int = 8, *, inputs, outputs):
    return Net(inputs[0], outputs)
"""
LOAD = """
import numpy as np
from sklearn.datasets import load_breast_cancer

from tune_app import Data


def load():
    found = load_breast_cancer()
    inputs, targets = found.data[::4].astype(np.float32), found.target[::4].astype(np.int64)
    patients = np.arange(len(inputs)) // 2
    return Data(inputs, targets, ("malignant", "benign"), groups={"patient": patients})
"""
METRICS = """
def share(targets, outputs):
    return float((outputs.argmax(axis=1) == targets).mean())
"""
OURS = re.compile(r'File ".*/tune_app/')  # a frame of a traceback in the tool's own files
STUDY: dict[str, Any] = {
    "name": "own",
    "define": {
        "cells": {"data": "load:load"},
        "net": {"model": "nets:build_net"},
        "share": {"metric": "metrics:share"},
    },
    "data": "cells",
    "test": "none",
    "splitter": "stratified",
    "metrics": {"primary": "share"},
    "recipe": {"epochs": 1, "batch_size": 64},
    "grid": [{"model": "net", "folds": 2}],
}


class OwnStudy:
    """`study.yaml`, `nets.py`, `load.py` and `metrics.py` in a folder; files and keys given replace those of above."""

    def __init__(self, path: Path, files: dict[str, str] | None = None, **keys: Any) -> None:
        self.path = path
        for name, text in {"nets.py": NETS, "load.py": LOAD, "metrics.py": METRICS, **(files or {})}.items():
            self.write(name, text)
        self.write_study(**keys)

    def write(self, name: str, text: str) -> None:
        """Write a file that the user edits; the modules that Python has in mind are as old as before."""
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def write_study(self, define: dict[str, Any] | None = None, **keys: Any) -> None:
        content = {**STUDY, **keys, "define": {**STUDY["define"], **(define or {})}}
        content["define"] = {name: part for name, part in content["define"].items() if part is not None}
        self.write("study.yaml", yaml.safe_dump(content, sort_keys=False))

    def run(self, *more: str) -> int:
        """The exit code of the command, in this process."""
        places = ["--runs", str(self.path / "runs"), "--results", str(self.path / "results")]
        return main([str(self.path / "study.yaml"), "--executor", "inline", "--device", "cpu", *places, *more])

    def read_records(self) -> RecordSet:
        return read_records(self.path / "runs" / "own" / "records.jsonl")[0]

    @property
    def has_records(self) -> bool:
        """Whether anything was left behind where records and results go."""
        return any((self.path / name).exists() for name in ("runs", "results"))


def refuse(study: OwnStudy, capsys: Any) -> list[str]:
    """The lines that the check and the run print alike when they refuse the study; neither leaves anything behind."""
    told: list[list[str]] = []
    for more in (["--check"], []):
        assert study.run(*more) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert not OURS.search(err)
        assert not study.has_records
        told.append(err.splitlines())
    assert told[0] == told[1]
    return told[0]


def refuse_one(study: OwnStudy, capsys: Any) -> tuple[str, str]:
    """The one problem that the study is refused for, and the user's traceback below it."""
    first, *trace = refuse(study, capsys)
    assert first.startswith("StudyError: ")
    assert all(line.startswith("    ") for line in trace), "one problem"
    return first.removeprefix("StudyError: "), "\n".join(trace)
