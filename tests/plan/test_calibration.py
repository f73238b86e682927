"""What was measured on a machine: kept, taken up by the next plan, left aside where it is damaged."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.builders import RATES, build_study, plan_of
from tune_app.engine.randomness import GlobalRandomness
from tune_app.engine.timing import time_fit
from tune_app.models import MODELS
from tune_app.plan.calibration import (
    FOLDER_VARIABLE,
    Calibration,
    Keys,
    TimedFits,
    TimedStep,
    build_keys,
    find_calibration_file,
    read_calibration,
)
from tune_app.session.calibrating import Place, calibrate, open_calibration

STEP = TimedStep("family", 2.0, 3.0, 0.5)
KEYS = Keys("fits", "step", "family")
HERE = Place([{"CPU": 2.0}], serial=True, use_gpus=True)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    return open_calibration().path


def build_calibration(path: Path, **entries: Any) -> Calibration:
    return Calibration(path, RATES, **entries)


def test_what_is_written_is_read_again(path: Path) -> None:
    fits = TimedFits("family", "step", 12.5, 4, 1.1)
    build_calibration(path, steps={"step": STEP}, fits={"fits": fits}).write()
    found = read_calibration(path)
    assert (found.rates, found.steps, found.fits, found.problem) == (RATES, {"step": STEP}, {"fits": fits}, "")


def test_recorded_fits_come_before_timed_steps_and_these_before_counted_operations() -> None:
    (trial, *_) = plan_of(build_study())
    calibration = build_calibration(Path("unused"))
    assert calibration.refine(trial, KEYS) == trial
    calibration.steps["another"] = STEP
    stepped = calibration.refine(trial, KEYS)
    assert stepped.basis == "step", "a step of the same family is better than none"
    assert stepped.seconds == pytest.approx(2 * trial.counted.training + 3 * trial.counted.scoring + 0.5)
    calibration.fits["another"] = TimedFits("family", "another", 1.0, 3, 1.5)
    assert calibration.refine(trial, KEYS).seconds == pytest.approx(1.5 * stepped.seconds)
    calibration.fits["fits"] = TimedFits("family", "step", 7.0, 3, 1.0)
    assert calibration.refine(trial, KEYS).seconds == pytest.approx(7.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": 1}',
        '{"schema": 1, "rates": null, "steps": {"a": {"family": 3}}, "fits": {}}',
        "\x00\xff",
    ],
)
def test_a_damaged_cache_is_left_aside_with_a_reason_and_written_anew(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    found = read_calibration(path)
    assert (found.steps, found.fits) == ({}, {})
    assert f"the measurements in {path} cannot be read" in found.problem
    build_calibration(path, steps={"step": STEP}).write()
    assert read_calibration(path).steps == {"step": STEP}
    assert not read_calibration(path).problem


def test_numbers_that_cannot_be_measured_are_damage(path: Path) -> None:
    build_calibration(path, steps={"step": STEP}).write()
    content = json.loads(path.read_text())
    content["steps"]["step"]["training"] = -1
    path.write_text(json.dumps(content))
    assert "-1 is no measurement" in read_calibration(path).problem


def _write_many(path: Path, first: int) -> None:
    for number in range(first, first + 20):
        build_calibration(path, steps={f"step {number}": STEP}).write()


@pytest.mark.slow
def test_writers_at_the_same_time_lose_nothing_and_leave_nothing_half_written(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, 100 * number)) for number in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert not read_calibration(path).problem
    assert [writer.exitcode for writer in writers] == [0] * 2
    assert len(read_calibration(path).steps) == 40
    assert {each.suffix for each in path.parent.iterdir()} == {".json", ".lock"}


def test_a_folder_that_refuses_costs_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    build_calibration(find_calibration_file({"cores": 2}), steps={"step": STEP}).write()


def test_another_machine_or_version_has_a_file_of_its_own() -> None:
    assert find_calibration_file({"cores": 2}) != find_calibration_file({"cores": 4})


def test_a_key_says_what_seconds_depend_on_and_no_more() -> None:
    def keys(code: str = "a", **changes: Any) -> Keys:
        trial = plan_of(build_study(grid=[{"model": "cnn", "width": 0.05, "folds": 3}], **changes))[0]
        return build_keys(trial, {"model": code}, "cpu", 1, 0)

    plain = keys()
    assert keys(seed=7) == plain
    longer = keys(recipe={"epochs": 4, "batch_size": 20})
    assert (longer.step, longer.fits != plain.fits) == (plain.step, True)
    assert keys(recipe={"epochs": 1, "batch_size": 40}).step != plain.step
    assert keys("b").family != plain.family, "the code of a network is what it was measured with"
    trial = plan_of(build_study(replicates=2, grid=[{"model": "cnn", "width": 0.05, "folds": 3}]))[1]
    assert build_keys(trial, {"model": "a"}, "cpu", 1, 0) == plain


def test_the_first_plan_times_steps_and_the_second_does_not(path: Path) -> None:
    calibration = open_calibration()
    plan = calibrate(plan_of(build_study()), HERE, calibration)
    assert {trial.basis for trial in plan} == {"step"}
    again = open_calibration()
    assert set(again.steps) == set(calibration.steps) != set()
    assert [t.seconds for t in calibrate(plan_of(build_study()), HERE, again, measure=False)] == [
        trial.seconds for trial in plan
    ]


class Raising(nn.Module):
    """A layer that trains nowhere but on the meta device."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "meta":
            raise RuntimeError("not here")
        return x


def build_raising(**arguments: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(), Raising(), nn.Linear(64, 10))


def test_a_network_that_fails_when_it_is_timed_is_planned_by_its_operations(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS._places, "raising", (f"{__name__}:build_raising",))
    planned = plan_of(build_study(grid=[{"model": "raising", "regularizer": "none", "folds": 2}]))
    assert [trial.basis for trial in calibrate(planned, HERE, open_calibration())] == ["estimate"]


def test_timing_moves_no_global_generator_and_no_number_of_threads() -> None:
    (trial, *_) = plan_of(build_study())
    randomness, threads = GlobalRandomness(), torch.get_num_threads()
    found = time_fit(trial.spec, trial.network, 60, torch.device("cpu"), expected=1e-3, threads=1, company=1)
    assert not randomness.has_moved()
    assert torch.get_num_threads() == threads
    assert min(found.step, found.scoring, found.setup) > 0
    assert found.batch == trial.spec.recipe.batch_size
