"""Studies one after the other in one process: what was found out about one's networks is not said of the other's."""

import re
from pathlib import Path

import pytest

from tests.own_study import HIDDEN_NORM, NETS, OwnStudy


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ({"devices": 2}, "its statistics cannot be synchronised"),
        ({"protocol": "replica-statistics"}, "replica-statistics"),
    ],
)
def test_code_of_the_same_name_in_another_folder_is_looked_at_anew(
    tmp_path: Path, levels: dict[str, object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = [{"model": "net", "folds": 2, **levels}]
    norm_layer = NETS.replace("nn.ReLU(),", "nn.BatchNorm1d(width),")
    first = OwnStudy(tmp_path / "first", {"nets.py": norm_layer}, grid=grid)
    second = OwnStudy(tmp_path / "second", {"nets.py": HIDDEN_NORM}, grid=grid)
    assert first.run("--dry-run") == 0
    assert second.run("--dry-run") == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert first.run("--dry-run") == 0


def read_bytes(table: str) -> float:
    (found,) = re.findall(r"([0-9.]+) ([MG])iB", table)
    return float(found[0]) * (2**30 if found[1] == "G" else 2**20)


def test_the_footprint_is_that_of_the_edited_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = OwnStudy(tmp_path)
    assert own.run("--dry-run") == 0
    before = capsys.readouterr().out
    own.write("nets.py", NETS.replace("width)", "1_000_000 * width)").replace("width, ", "1_000_000 * width, "))
    assert own.run("--dry-run") == 0
    assert read_bytes(capsys.readouterr().out) > 2 * read_bytes(before)
