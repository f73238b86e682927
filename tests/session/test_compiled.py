"""`compile: true` with users' networks: the same scores, one cache for the folds, and a sentence where it cannot be."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.own_study import NETS, OwnStudy
from tune_app.records import FoldRecord
from tune_app.trial.compilation import NO_COMPILER

RECIPE = {"epochs": 2, "batch_size": 64, "compile": True}
HIDDEN = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, width, outputs):
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, outputs)

    def forward(self, x):
        {line}
        return self.last(torch.relu(self.first(x)))


def build_net(width: int = 8, *, inputs, outputs):
    return Net(inputs[0], width, outputs)
"""
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ to compile with")
# What torch itself warns of while it compiles.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore::UserWarning:torch"),
]


@pytest.fixture(autouse=True)
def compiled_afresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing that another test has compiled."""
    monkeypatch.setattr("tune_app.trial.compilation._CACHE.key", None)
    yield
    torch.compiler.reset()


def run(path: Path, nets: str = NETS, **keys: Any) -> list[FoldRecord]:
    study = OwnStudy(path, {"nets.py": nets}, **{"recipe": RECIPE, **keys})
    assert study.run() == 0
    return list(study.read_records().folds.values())


def test_without_a_compiler_a_fit_trains_as_it_is_and_its_record_says_so(tmp_path: Path) -> None:
    """In a process of its own: torch remembers which compiler there was."""
    study = OwnStudy(tmp_path / "with", recipe=RECIPE)
    places = {"CXX": str(tmp_path / "no-such-compiler"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiled")}
    command = [sys.executable, "-m", "tune_app.grid", "study.yaml", "--executor", "inline", "--device", "cpu"]
    paths = os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")))
    subprocess.run(command, cwd=study.path, env={**os.environ, **places, "PYTHONPATH": paths}, check=True)
    records = list(study.read_records().folds.values())
    assert [record.engine_reason for record in records] == [f"not compiled: {NO_COMPILER}"] * 2
    table = pd.read_csv(study.path / "results" / "own" / "folds.csv")
    assert table["engine_reason"].tolist() == [f"not compiled: {NO_COMPILER}"] * 2
    plain = run(tmp_path / "without", recipe=RECIPE | {"compile": False})
    assert [record.scores for record in records] == [record.scores for record in plain]
    assert [record.engine_reason for record in plain] == [None, None]


@needs_compiler
def test_compiled_networks_score_as_those_that_are_not(tmp_path: Path) -> None:
    records = run(tmp_path / "with", HIDDEN.format(line="pass"))
    plain = run(tmp_path / "without", HIDDEN.format(line="pass"), recipe=RECIPE | {"compile": False})
    assert [record.engine_reason for record in records] == [None, None]
    for one, other in zip(records, plain, strict=True):
        assert one.scores["test_loss"] == pytest.approx(other.scores["test_loss"], rel=1e-4)


@needs_compiler
def test_folds_share_what_is_compiled_and_other_widths_do_not_use_it_up(tmp_path: Path) -> None:
    grid = [{"model": "net", "folds": 2, "width": [2, 3, 4, 5]}]  # torch keeps eight versions of one forward
    records = run(tmp_path, HIDDEN.format(line="pass"), grid=grid)
    assert len(records) == 8
    assert {record.engine_reason for record in records} == {None}
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert 2 <= graphs <= 5, "of the last width: training and testing, each for one or more sizes of a batch"


@needs_compiler
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        # No print(): Ray puts a function of its own in its place, which fails to compile for another reason.
        ("torch._dynamo.graph_break()", "compiled in part: Call to `torch._dynamo.graph_break()`"),
        ("assert not torch.compiler.is_compiling()", "not compiled: "),
    ],
    ids=["a line that stays in Python", "a network that refuses"],
)
def test_what_cannot_be_compiled_is_left_to_python_and_the_record_says_so(
    tmp_path: Path, line: str, reason: str
) -> None:
    records = run(tmp_path / "with", HIDDEN.format(line=line))
    assert [record.status for record in records] == ["completed"] * 2
    assert all(str(record.engine_reason).startswith(reason) for record in records), records[0].engine_reason
