"""What a plan predicts stands beside what happened, and the next plan on the machine goes by it."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.builders import build_study
from tests.folders import Folder
from tests.own_study import OwnStudy
from tune_app.plan.calibration import FOLDER_VARIABLE, read_calibration
from tune_app.records.results import read_environment
from tune_app.session.calibrating import open_calibration
from tune_app.session.options import RunOptions
from tune_app.session.planning import make_plan


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of this machine in an empty folder."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "calibration"))
    return open_calibration().path


def test_a_run_is_set_against_its_plan_and_the_next_plan_knows_it(cache: Path, tmp_path: Path, capsys: Any) -> None:
    folder = Folder(tmp_path / "study")
    assert folder.run("--set", "recipe.epochs=12") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert re.search(r"predicted took start \S+ s \S+ s fits \S+ s \S+ s tables and page ", told)
    (run,) = read_calibration(cache).runs.values()
    assert (run.way, run.trials) == ("inline", 2)
    timing = (read_environment(folder.results) or {})["timing"]
    assert timing["start"] == pytest.approx(run.start, abs=0.01)
    assert 0 < timing["fits"] < 60
    assert "The last run: " in (folder.results / "index.html").read_text()
    trials, folds = (pd.read_csv(folder.results / f"{name}.csv") for name in ("trials", "folds"))
    plan = pd.read_csv(folder.results / "plan.csv").set_index("trial")
    for row in trials.to_dict("records"):
        planned = plan.loc[row["trial"]]
        assert row["predicted_seconds_total"] == pytest.approx(3 * planned["predicted_fit_seconds"])
        assert row["predicted_memory_bytes"] == planned["predicted_memory_bytes"] > 0
        assert row["peak_memory_bytes"] == folds[folds["trial"] == row["trial"]]["peak_memory_bytes"].max()
    assert "memory, measured" in (folder.results / "index.html").read_text()
    again = make_plan(build_study(recipe={"epochs": 12, "batch_size": 20}), RunOptions(executor="inline"))
    measured = folds.groupby("trial")["fit_seconds"].mean()
    assert {trial.basis for trial in again} == {"fits"}
    assert {trial.id: trial.seconds for trial in again} == pytest.approx(measured.to_dict())
    assert len(read_calibration(cache).fits) == 2
    parts = again.phases
    assert (parts.start, parts.export) == (run.start, run.export), "the next plan knows what a user waits for besides"
    assert parts.fits == pytest.approx(3 * sum(measured) + 2 * run.between)
    assert parts.total == pytest.approx(run.start + parts.fits + run.export)


def test_a_damaged_cache_is_a_warning(cache: Path, folder: Folder, capsys: Any) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("{")
    assert folder.run("--dry-run") == 0
    assert f"Warning: the measurements in {cache}" in "".join(capsys.readouterr().out.splitlines())
    assert folder.run("--dry-run") == 0
    assert "Warning" not in capsys.readouterr().out


def test_a_network_of_ones_own_is_timed_and_measured_by_its_code(cache: Path, tmp_path: Path, capsys: Any) -> None:
    own = OwnStudy(tmp_path / "own")
    assert own.run("--dry-run") == 0
    assert "Seconds are from steps timed here" in " ".join(capsys.readouterr().out.split())
    (known,) = read_calibration(cache).steps
    own.write("nets.py", (own.path / "nets.py").read_text().replace("nn.ReLU()", "nn.Tanh()"))
    assert own.run("--dry-run") == 0
    assert {known} < set(read_calibration(cache).steps)


def test_the_dry_run_says_what_is_longest_and_what_would_shorten_it(folder: Folder, capsys: Any) -> None:
    assert folder.run("--dry-run", "--executor", "ray") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "The longest trial is cnn-" in told
    assert "memory" in told


def test_replicates_of_many_trials_are_one_row(folder: Folder, capsys: Any) -> None:
    assert folder.run("--dry-run", "--set", "replicates=50") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "50 × cnn-none 150" in told
    assert "100 trials, 300 fits" in told


def test_idle_slots_are_offered_to_more_replicates_and_long_trials_to_their_folds() -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 4}]
    plan = make_plan(build_study(grid=grid), RunOptions(shard="trial"), [{"CPU": 8.0}], measure=False)
    forecast = plan.forecast
    assert (forecast.slots, forecast.free_replicates) == (8, 7)
    between = plan.run.between  # a slot's items cost it that, one or four
    assert forecast.makespan - between == pytest.approx(4 * (forecast.makespan_by_fold - between))
    told = " ".join(plan.describe_forecast())
    assert "With --shard fold it would take" in told
    assert "7 more replicates would end no later" in told
    spread = make_plan(build_study(grid=grid), RunOptions(), [{"CPU": 8.0}], measure=False)
    assert spread.forecast.makespan == pytest.approx(forecast.makespan_by_fold)
    assert spread.forecast.free_replicates == 1
    assert "--shard fold" not in " ".join(spread.describe_forecast())
    busy = make_plan(build_study(grid=grid, replicates=2), RunOptions(), [{"CPU": 2.0}], measure=False)
    assert busy.forecast.free_replicates == 0
    alone = make_plan(build_study(grid=grid), RunOptions(executor="inline"), [{"CPU": 8.0}], measure=False)
    assert alone.forecast.slots == 1
    assert "on one core" in alone.describe()
