"""Names and levels of users are never ways to elsewhere."""

from pathlib import Path
from typing import Any

import pytest

from tests.own_study import OwnStudy

NETS = """
from torch import nn


def build_net(*, inputs, outputs, start="x"):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs[0], outputs))
"""


@pytest.mark.slow
def test_a_level_that_is_a_path_leads_nowhere(tmp_path: Path) -> None:
    levels = ["../../elsewhere", "/etc/passwd", "..", "a\\b", "x" * 300]
    grid = [{"model": "net", "start": levels, "folds": 2}]
    study = OwnStudy(tmp_path / "own", {"nets.py": NETS}, grid=grid)
    assert study.run("--keep", "best") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["own"]
    boards = list((study.path / "runs" / "own" / "tensorboard").iterdir())
    assert len(boards) == len(levels)
    assert all((board / "fold-1").is_dir() for board in boards)
    assert {path.name for path in study.path.iterdir()} <= {
        *("study.yaml", "nets.py", "load.py", "metrics.py", "runs", "results", "__pycache__"),
    }


@pytest.mark.parametrize("name", ["../x", "/x", "..", ".x", "a/b", "", "x\n", "x" * 65])
def test_a_study_has_no_name_that_leads_elsewhere(tmp_path: Path, capsys: Any, name: str) -> None:
    study = OwnStudy(tmp_path / "own", name=name)
    assert study.run() == 2
    assert "name: " in capsys.readouterr().err
    assert not study.has_records


@pytest.mark.parametrize("name", ["../net", "/net", "..", "a/b", "net\\x"])
def test_a_part_has_no_name_that_leads_elsewhere(tmp_path: Path, capsys: Any, name: str) -> None:
    study = OwnStudy(tmp_path / "own", define={"net": None, name: {"model": "nets:build_net"}}, grid=[{"model": name}])
    assert study.run() == 2
    assert "a name is 1 to 40 letters" in capsys.readouterr().err
    assert not study.has_records
