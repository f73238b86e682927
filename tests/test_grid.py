"""The command, as a user calls it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.builders import write_study_file
from tune_app.grid import main
from tune_app.models import load_network
from tune_app.records import RUN_FIELDS, read_records
from tune_app.report import main as report

ROOT = Path(__file__).parents[1]
FILES = {
    "records.jsonl", "epochs.csv", "folds.csv", "trials.csv", "table.md", "study.yaml", "environment.json",
    "plan.csv", "test.npz", "networks.csv", "index.html", "figures",
    "epochs.parquet", "folds.parquet", "trials.parquet", "conditions.csv", "contrasts.csv", "claims.csv",
    "results.json", "table.tex",
}  # fmt: skip


class Folder:
    """A study file with a runs and a results folder of its own."""

    def __init__(self, path: Path, **changes: Any) -> None:
        self.path = path
        self.study = write_study_file(path, **changes)
        self.results = path / "results" / "small"
        self.runs = path / "runs" / "small"

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
            texts[name] = frame.drop(columns=[*RUN_FIELDS, "fit_seconds_total"], errors="ignore").to_csv()
        return texts | {"table.md": (self.results / "table.md").read_text()}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


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


def test_a_finished_study_prints_its_tables_and_runs_nothing(folder: Folder, capsys: Any) -> None:
    folder.run()
    records = (folder.runs / "records.jsonl").read_bytes()
    capsys.readouterr()
    assert folder.run() == 0
    assert "to run" not in capsys.readouterr().out
    assert (folder.runs / "records.jsonl").read_bytes() == records


def test_a_resumed_study_equals_an_undisturbed_one(folder: Folder, tmp_path: Path, capsys: Any) -> None:
    folder.run()
    undisturbed = folder.score_files()
    lines = (folder.runs / "records.jsonl").read_bytes().splitlines(keepends=True)
    (folder.runs / "records.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:30])
    assert folder.run() == 0
    out = capsys.readouterr().out
    assert "The last record was cut off (30 bytes)" in out
    assert "4 fits in 2 trials to run, 2 done before" in out
    assert folder.score_files() == undisturbed


def test_fresh_starts_over_and_keeps_the_old_records(folder: Folder) -> None:
    folder.run()
    records = (folder.runs / "records.jsonl").read_bytes()
    assert folder.run("--fresh") == 0
    (aside,) = [path for path in folder.runs.parent.iterdir() if path.name.startswith("small.before-")]
    assert (aside / "records.jsonl").read_bytes() == records


def test_an_edited_study_keeps_what_matches_and_says_what_runs_anew(folder: Folder, capsys: Any) -> None:
    folder.run()
    grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "batchnorm"], "folds": 3}]
    folder.study = write_study_file(folder.path, grid=grid)
    capsys.readouterr()
    assert folder.run() == 0
    out = capsys.readouterr().out
    assert "3 fits in 1 trials to run, 3 done before" in out
    assert "records of 1 trials no longer match" in out
    assert "cnnx0.05-batchnorm-k3-r0-" in out
    assert set(folder.scores()["regularizer"]) == {"none", "batchnorm"}


def test_a_study_goes_on_from_its_results_on_another_machine(folder: Folder, tmp_path: Path, capsys: Any) -> None:
    folder.run("--only", "regularizer=none")
    there = tmp_path / "there"
    there.mkdir()
    elsewhere = Folder(there)
    assert elsewhere.run("--continue-from", str(folder.results)) == 0
    assert "Took over 3 completed fits" in capsys.readouterr().out
    folder.run()
    assert elsewhere.score_files() == folder.score_files()


def test_records_taken_over_bring_the_environment_they_were_made_in(folder: Folder, tmp_path: Path) -> None:
    folder.run("--only", "regularizer=none")
    path = folder.results / "environment.json"
    first = json.loads(path.read_text())
    path.write_text(json.dumps(first | {"processor": "another one"}))
    (tmp_path / "there").mkdir()
    elsewhere = Folder(tmp_path / "there")
    for _ in range(2):  # the second run finds the first one's in its own results folder
        assert elsewhere.run("--continue-from", str(folder.results)) == 0
        environment = json.loads((elsewhere.results / "environment.json").read_text())
        assert [run["processor"] for run in environment["earlier"]] == ["another one"]
        assert environment["earlier"][0]["versions"] == first["versions"]
    assert "another one" in (elsewhere.results / "index.html").read_text()


def test_failed_folds_are_rows_and_the_exit_code_says_so(folder: Folder, capsys: Any) -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 3, "learning_rate": [1e30, 0.001]}]
    folder.study = write_study_file(folder.path, grid=grid)
    assert folder.run() == 1
    assert folder.scores().groupby("learning_rate")["status"].first().to_dict() == {0.001: "completed", 1e30: "failed"}
    out = capsys.readouterr().out
    assert "failed, FitError: the training loss is" in out
    assert "0/3" in out
    assert folder.run() == 1, "what failed runs again"


def test_the_best_network_is_kept_and_loads(folder: Folder) -> None:
    folder.run()
    assert folder.run("--keep", "best") == 0, "records without a network run again to keep one"
    weights = sorted((folder.runs / "weights").iterdir())
    assert len(weights) == 2
    assert not load_network(weights[0]).training
    assert folder.run("--keep", "best") == 0
    assert sorted((folder.runs / "weights").iterdir()) == weights


def test_tensorboard_has_a_folder_per_trial_with_a_curve_per_fold(folder: Folder) -> None:
    folder.run("--set", "recipe.epochs=2")
    trials = sorted((folder.runs / "tensorboard").iterdir())
    assert len(trials) == 2
    records, _ = read_records(folder.runs / "records.jsonl")
    for trial in trials:
        (id,) = {id for id, _ in records.folds if id[-8:] == trial.name[-8:]}
        top = EventAccumulator(str(trial)).Reload()
        assert top.Tags()["graph"]
        assert len(top.Scalars("test_accuracy_by_fold")) == 3
        assert any("hparams" in tag for tag in top.summary_metadata)
        for fold in range(3):
            curve = EventAccumulator(str(trial / f"fold-{fold + 1}")).Reload()
            losses = {event.step: event.value for event in curve.Scalars("loss/validation")}
            assert losses == pytest.approx({e: records.epochs[id, fold, e].scores["validation_loss"] for e in (1, 2)})
            assert {"loss/train", "accuracy/train", "accuracy/validation"} <= set(curve.Tags()["scalars"])
            assert "epochs/text_summary" in curve.Tags()["tensors"]


def test_a_resumed_trial_has_whole_curves_once(folder: Folder) -> None:
    folder.run()
    lines = (folder.runs / "records.jsonl").read_bytes().splitlines(keepends=True)
    (folder.runs / "records.jsonl").write_bytes(b"".join(lines[:3]))
    folder.run()
    for trial in (folder.runs / "tensorboard").iterdir():
        assert [e.step for e in EventAccumulator(str(trial)).Reload().Scalars("test_accuracy_by_fold")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "recipe.epochs=0"], "StudyError: recipe.epochs: must be greater than or equal to 1, got 0"),
        (["--cpus-per-trial", "999"], "ResourceError: trial cnnx0.05-dropout+batchnorm-k3-r0"),
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
    monkeypatch.delitem(sys.modules, "tune_app.executors.ray", raising=False)
    monkeypatch.delattr("tune_app.executors.ray", raising=False)
    assert main(folder.arguments()) == 2
    assert "ResourceError: Ray cannot be imported" in capsys.readouterr().err


def test_records_of_another_schema_are_refused_and_left_alone(folder: Folder, capsys: Any) -> None:
    folder.run()
    path = folder.runs / "records.jsonl"
    path.write_text(path.read_text().replace('"schema":"3.0"', '"schema":1'))
    before = path.read_bytes()
    assert folder.run() == 2
    assert "schema 1, this version reads schemas 2 and 3; start over with --fresh" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert folder.run("--fresh") == 0


def wait_for(condition: Any, process: subprocess.Popen[str], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def fits_on_disk(folder: Folder) -> int:
    path = folder.runs / "records.jsonl"
    return path.read_text().count('"kind":"fold"') if path.exists() else 0


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_driver_goes_on_to_the_same_tables(tmp_path: Path) -> None:
    changes = {"replicates": 3, "recipe": {"epochs": 8, "batch_size": 5}}
    for name in ("killed", "undisturbed"):
        (tmp_path / name).mkdir()
    killed, undisturbed = (Folder(tmp_path / name, **changes) for name in ("killed", "undisturbed"))
    process = killed.start("--keep", "best")
    wait_for(lambda: fits_on_disk(killed) >= 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = fits_on_disk(killed)
    assert before < 18, "killed in mid-study"
    assert killed.run("--keep", "best") == 0
    assert undisturbed.run("--keep", "best") == 0
    for weights in (undisturbed.runs / "weights").iterdir():
        ours = load_network(killed.runs / "weights" / weights.name).state_dict()
        assert all(torch.equal(ours[name], tensor) for name, tensor in load_network(weights).state_dict().items())
    assert killed.score_files() == undisturbed.score_files()


@pytest.mark.parametrize(
    ("number", "executor"),
    [pytest.param(signal.SIGINT, "ray", marks=[pytest.mark.ray, pytest.mark.slow]), (signal.SIGTERM, "inline")],
)
def test_an_interrupt_leaves_with_130_and_says_how_to_resume(
    tmp_path: Path, number: signal.Signals, executor: str
) -> None:
    folder = Folder(tmp_path, replicates=4, recipe={"epochs": 30, "batch_size": 2})
    process = folder.start("--executor", executor)
    wait_for(lambda: fits_on_disk(folder) >= 1, process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # what a terminal does: the whole process group
    else:
        os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "of 24 fits are done and on disk. Resume with: python -m tune_app.grid" in out
    assert "Traceback" not in out + err
    assert folder.scores()["status"].tolist().count("completed") >= 1


def test_a_dry_run_tells_of_shares_that_no_node_has(tmp_path: Path, capsys: Any) -> None:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 3, "gpus_per_trial": 99}]
    study = write_study_file(tmp_path, grid=grid)
    assert main([str(study), "--dry-run", "--device", "cpu"]) == 2
    captured = capsys.readouterr()
    assert "stacked" not in captured.out
    assert "eager" in captured.out
    assert "asks for 1 CPUs and 99 GPUs, no node has that" in captured.err


def block(folder: Path) -> None:
    """A file where a folder should be: writing below it fails for every user, root as well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")


def test_without_room_for_tensorboard_the_study_runs(folder: Folder, tmp_path: Path, capsys: Any) -> None:
    folder.run("--only", "regularizer=none")
    (tmp_path / "there").mkdir()
    elsewhere = Folder(tmp_path / "there")
    block(elsewhere.runs / "tensorboard")
    assert elsewhere.run("--continue-from", str(folder.results)) == 0
    assert "Without TensorBoard" in capsys.readouterr().out


def test_a_network_that_cannot_be_kept_costs_no_fit_and_is_told(folder: Folder, capsys: Any) -> None:
    block(folder.runs / "weights")
    assert folder.run("--keep", "best") == 0
    assert set(folder.scores()["status"]) == {"completed"}
    assert "2 networks could not be kept in" in capsys.readouterr().out


def test_a_state_that_cannot_be_carried_to_disk_costs_no_fit(tmp_path: Path) -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 3, "protocol": "carry-over"}]
    (tmp_path / "other").mkdir()
    folder, undisturbed = Folder(tmp_path, grid=grid), Folder(tmp_path / "other", grid=grid)
    block(folder.runs / "carried")
    assert folder.run() == undisturbed.run() == 0
    assert folder.score_files() == undisturbed.score_files()


def test_a_reader_that_leaves_does_not_end_the_study(folder: Folder) -> None:
    process = folder.start("--executor", "inline")
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert process.stderr
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert fits_on_disk(folder) == 6
    assert (folder.results / "table.md").exists()


def test_an_interrupt_while_tables_are_written_says_so(
    folder: Folder, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tune_app.session.session.write_results", interrupt)
    assert folder.run() == 130
    assert "Interrupted while the tables were written: every record is on disk" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [("test.npz", b"PK\x03\x04garbage"), ("plan.csv", b"trial,fits\na,3\n"), ("plan.csv", b""), ("test.npz", b"")],
)
def test_a_damaged_file_of_a_results_folder_is_named(folder: Folder, capsys: Any, name: str, content: bytes) -> None:
    folder.run()
    (folder.results / name).write_bytes(content)
    assert report([str(folder.results)]) == 2
    assert f"{name} cannot be read" in capsys.readouterr().err


def test_a_network_edited_after_its_fits_stops_the_study_until_something_is_said(folder: Folder, capsys: Any) -> None:
    folder.run()
    records = folder.runs / "records.jsonl"
    records.write_text(re.sub(r'"model":"[0-9a-f]{16}"', f'"model":"{"0" * 16}"', records.read_text()))
    before = records.read_bytes()
    capsys.readouterr()
    assert folder.run() == 2
    message = capsys.readouterr().err
    assert "StudyError: model cnn has changed since 6 of its fits were made" in message
    assert "--fresh" in message
    assert "--same-code" in message
    assert records.read_bytes() == before
    assert folder.run("--same-code") == 0
    environment = json.loads((folder.results / "environment.json").read_text())
    assert environment["same_code"] == ["model cnn has changed since 6 of its fits were made"]
    assert folder.run("--fresh") == 0
