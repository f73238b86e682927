"""The command, as a user calls it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import write_study_file
from tests.folders import Folder, fits_on_disk
from tune_app.grid import main
from tune_app.models import load_network

FILES = {
    "records.jsonl", "epochs.csv", "folds.csv", "trials.csv", "table.md", "study.yaml", "environment.json",
    "plan.csv", "test.npz", "networks.csv", "index.html", "figures",
    "epochs.parquet", "folds.parquet", "trials.parquet", "conditions.csv", "contrasts.csv", "claims.csv", "outlook.csv",
    "results.json", "table.tex",
}  # fmt: skip


def test_a_study_leaves_a_folder_that_is_complete_in_itself(folder: Folder, capsys: Any) -> None:
    assert folder.run() == 0
    assert {path.name for path in folder.results.iterdir()} == FILES
    assert len(folder.scores()) == 6
    environment = json.loads((folder.results / "environment.json").read_text())
    assert environment["versions"]["torch"]
    assert environment["seed"] == 0
    assert "fits" in capsys.readouterr().out


def test_a_dry_run_prints_every_trial_and_starts_nothing(folder: Folder, capsys: Any) -> None:
    assert folder.run("--dry-run") == 0
    out = capsys.readouterr().out
    assert "2 trials, 6 fits, about" in out
    assert "cnnx0.05-dropout+batchnorm-k3-r0-" in out
    assert not folder.runs.exists()
    assert not folder.results.exists()


def test_failed_folds_are_rows_and_the_exit_code_says_so(folder: Folder, capsys: Any) -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 3, "learning_rate": [1e30, 0.001]}]
    folder.study = write_study_file(folder.path, grid=grid)
    assert folder.run() == 1
    assert folder.scores().groupby("learning_rate")["status"].first().to_dict() == {0.001: "completed", 1e30: "failed"}
    out = capsys.readouterr().out
    assert "failed, FitError: the training loss is" in out
    assert "0/3" in out
    assert folder.run() == 1, "what failed runs again"


def test_the_best_network_is_kept_and_loads(finished: Folder) -> None:
    assert finished.run("--keep", "best") == 0, "records without a network run again to keep one"
    weights = sorted((finished.runs / "weights").iterdir())
    assert len(weights) == 2
    assert not load_network(weights[0]).training
    assert finished.run("--keep", "best") == 0
    assert sorted((finished.runs / "weights").iterdir()) == weights


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "recipe.epochs=0"], "StudyError: recipe.epochs: must be greater than or equal to 1, got 0"),
        (["--cpus-per-trial", "999"], "asks for 999 CPUs and 0 GPUs, no node has that"),
        (["--cpus-per-trial", "-1"], "StudyError: --cpus-per-trial -1: a share must be 0 or more"),
        (["--only", "model=vgg10"], "StudyError: --only: model 'vgg10' is not in the grid"),
        pytest.param(
            ["--device", "cuda"],
            "ResourceError: --device cuda: torch",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        (["--continue-from", "/nowhere"], "ResultsError: /nowhere is not a results folder"),
        (["--set", "reference=nothing.csv"], "StudyError: reference: nothing.csv is neither in"),
        (["--set", "splitter=stratified", "--set", "grid.0.folds=20"], "StudyError: folds: 20 folds of"),
        (["--results", "/proc/nothing"], "ResultsError: /proc/nothing/small cannot be written"),
        (["--runs", "/dev/null"], "RecordError: records cannot be written to /dev/null/small"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(folder: Folder, capsys: Any, more: list[str], message: str) -> None:
    assert folder.run(*more) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not list(folder.path.glob("results/small/*"))


def test_without_ray_the_error_is_one_message(folder: Folder, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as Python marks a module that cannot be imported
    for name in [name for name in sys.modules if name.startswith("tune_app.executors.ray")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("tune_app.executors.ray", raising=False)
    assert main(folder.arguments()) == 2
    assert "ResourceError: Ray cannot be imported" in capsys.readouterr().err


def test_a_dry_run_tells_of_shares_that_no_node_has(tmp_path: Path, capsys: Any) -> None:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 3, "gpus_per_trial": 99}]
    study = write_study_file(tmp_path, grid=grid)
    assert main([str(study), "--dry-run", "--device", "cpu"]) == 2
    captured = capsys.readouterr()
    assert "stacked" not in captured.out
    assert "eager" in captured.out
    assert "asks for 1 CPUs and 99 GPUs, no node has that" in captured.err


@pytest.mark.slow
def test_a_reader_that_leaves_does_not_end_the_study(folder: Folder) -> None:
    process = folder.start("--executor", "inline")
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=180) == 0
    assert process.stderr
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert fits_on_disk(folder) == 6
    assert (folder.results / "table.md").exists()
