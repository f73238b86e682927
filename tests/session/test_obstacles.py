"""What cannot be written costs no fit."""

from pathlib import Path
from typing import Any

from tests.folders import Folder, block


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


def test_a_state_that_cannot_be_carried_to_disk_costs_no_fit(tmp_path: Path) -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 3, "protocol": "carry-over"}]
    folder, undisturbed = Folder(tmp_path, grid=grid), Folder(tmp_path / "other", grid=grid)
    block(folder.runs / "carried")
    assert folder.run() == undisturbed.run() == 0
    assert folder.score_files() == undisturbed.score_files()
