"""What cannot be written costs no fit."""

from pathlib import Path
from typing import Any

import pytest

from tests.folders import Folder, block
from tune_app.report import main as report


def test_without_room_for_tensorboard_the_study_runs(half_finished: Folder, tmp_path: Path, capsys: Any) -> None:
    elsewhere = Folder(tmp_path / "there")
    block(elsewhere.runs / "tensorboard")
    assert elsewhere.run("--continue-from", str(half_finished.results)) == 0
    assert "Without TensorBoard" in capsys.readouterr().out


def test_a_network_that_cannot_be_kept_costs_no_fit_and_is_told(folder: Folder, capsys: Any) -> None:
    block(folder.runs / "weights")
    assert folder.run("--keep", "best") == 0
    assert set(folder.scores()["status"]) == {"completed"}
    assert "2 networks could not be kept in" in capsys.readouterr().out


@pytest.mark.slow
def test_a_state_that_cannot_be_carried_to_disk_costs_no_fit(tmp_path: Path) -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 3, "protocol": "carry-over"}]
    folder, undisturbed = Folder(tmp_path, grid=grid), Folder(tmp_path / "other", grid=grid)
    block(folder.runs / "carried")
    assert folder.run() == undisturbed.run() == 0
    assert folder.score_files() == undisturbed.score_files()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.npz", b"PK\x03\x04garbage"),
        ("test.npz", b""),
        ("test.npz", b"PK\x05\x06" + bytes(18)),
        ("plan.csv", b"trial,fits\na,3\n"),
        ("plan.csv", b"\xff\xfe"),
    ],
)
def test_a_damaged_file_of_a_finished_study_is_written_again(
    finished: Folder, capsys: Any, name: str, content: bytes
) -> None:
    for folder in {"test.npz": [finished.results], "plan.csv": [finished.results, finished.runs]}[name]:
        (folder / name).write_bytes(content)
    assert finished.run() == 0
    assert "up to date" not in capsys.readouterr().out
    assert report([str(finished.results)]) == 0, capsys.readouterr().err


def test_networks_that_are_lost_are_reported_once_and_trained_again(finished: Folder, capsys: Any) -> None:
    assert finished.run("--keep", "best") == 0
    assert capsys.readouterr().out.count("2 trials have records but no kept network; they run again to keep one.") == 1
    assert len(list((finished.runs / "weights").iterdir())) == 2
