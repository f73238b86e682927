"""The benchmarks: every contestant does the planned work, and the tables say what was measured."""

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torchvision.datasets import MNIST

from benchmarks.contest import CONTESTANTS, OURS, Outcome, build_contest_fit_rows, build_run_row, run_contestant
from benchmarks.limit import measure_cpu_rate
from benchmarks.measure import Measured, read_tree_memory, run_measured
from benchmarks.ours import build_study_content, measure_concurrency
from benchmarks.scaling import build_overheads, build_points, measure_next_trial
from benchmarks.summary import build_markdown, build_summary, build_targets
from benchmarks.work import Work, build_work_data, count_flops, read_work
from tests.builders import plan_of
from tune_app import data
from tune_app.data import find_data_folder
from tune_app.parts.catalog import build_catalog
from tune_app.records import FoldRecord
from tune_app.study import Study

TINY = Work(images=200, test_images=50, epochs=1, folds=2, regularizers=("none",))
MACHINE: dict[str, Any] = {
    "command": "python -m benchmarks.peers",
    "started": "2026-01-01T00:00:00+00:00",
    "commit": "abc",
    "processor": "a processor",
    "cores": 2,
    "memory_bytes": 2**33,
    "gpus": [],
    "omp_num_threads": None,
    "versions": {"torch": "2"},
    "limits": {"fp32": 1e11},
}


# Ray's own start would take longer than all the other tests here; `make bench` runs those two.
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CONTESTANTS if CONTESTANTS[name].package != "ray"])
def test_a_contestant_gives_one_score_for_each_planned_fit(name: str) -> None:
    if not CONTESTANTS[name].is_installed:
        pytest.skip(f"{CONTESTANTS[name].package} is not installed; benchmarks/requirements.txt has it")
    outcome = run_contestant(name, TINY)
    assert sorted((fit["regularizer"], fit["fold"]) for fit in outcome.fits) == [("none", 0), ("none", 1)]
    assert all(0 <= fit["test_accuracy"] <= 1 for fit in outcome.fits)
    assert outcome.measured.wall_seconds > 0


def test_the_work_survives_its_way_to_a_contestant() -> None:
    assert read_work([TINY.to_json()]) == TINY


def test_images_that_do_not_divide_into_the_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="201 images do not divide into 2 folds"):
        Work(images=201, folds=2)


def test_every_contestant_trains_on_the_images_that_tune_app_takes(mnist: data.Data) -> None:
    parts = [MNIST(str(find_data_folder()), train=train, download=False) for train in (True, False)]
    chosen = build_work_data(TINY, parts[0], parts[1])
    assert len(chosen.train) == 200
    assert len(chosen.test) == 50
    for split in chosen.splits:
        assert sorted([*split.train, *split.validation]) == chosen.train.tolist()
    pixels = mnist.inputs[chosen.train] / 255
    assert chosen.mean == pytest.approx(pixels.mean())
    assert chosen.std == pytest.approx(pixels.std())


def test_the_limit_counts_the_operations_that_the_plan_counts() -> None:
    study = Study.model_validate(build_study_content(TINY), context=build_catalog())
    (trial,) = plan_of(study)
    assert trial.fits == TINY.fits
    assert trial.flops == count_flops(TINY, "none").total
    assert count_flops(TINY, "none").epochs < count_flops(TINY, "none").total


def test_a_core_multiplies_matrices_at_more_than_a_billion_operations_a_second() -> None:
    assert measure_cpu_rate(1, seconds=0.05) > 1e9


def test_memory_of_a_process_tree_holds_what_a_child_has_taken() -> None:
    before = read_tree_memory(os.getpid())
    program = "taken = b'x' * 100_000_000; print('ready', flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        assert read_tree_memory(os.getpid()) - before > 80_000_000
        child.communicate(b"\n")


def test_a_command_that_fails_is_measured_with_what_it_printed() -> None:
    measured = run_measured([sys.executable, "-c", "raise SystemExit('no luck')"])
    assert measured.exit_code == 1
    assert "no luck" in measured.stderr


def build_contest(walls: dict[str, list[float]], accuracy: dict[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and fits of contestants that took `walls` seconds; ours spends 0.8 of a repeat's limit rate in its loop."""
    runs, fits = [], []
    noise = np.random.default_rng(0)
    for name, seconds in walls.items():
        for repeat, wall in enumerate(seconds):
            run = build_run_row(TINY, repeat, name, 1e11)
            runs.append(run | {"wall_seconds": wall, "peak_memory_bytes": 2**30, "error": ""})
            own = [
                {"regularizer": "none", "fold": fold, "test_accuracy": accuracy[name] + noise.normal(0, 0.001)}
                for fold in range(TINY.folds)
            ]
            if name == OURS:
                loop = count_flops(TINY, "none").epochs / (1e11 / 2) / 0.8
                own = [fit | {"loop_seconds": loop, "concurrency": 2.0} for fit in own]
            outcome = Outcome(Measured(0.0, wall, 2**30, 0, "", ""), own)
            fits += build_contest_fit_rows(TINY, repeat, name, 1e11, 2, outcome)
    return pd.DataFrame(runs), pd.DataFrame(fits)


CONTEST = build_contest(
    {"report_loop": [60, 50, 70], "sklearn": [30, 20, 28], "lightning": [29, 45, 40], OURS: [10, 10, 10]},
    {"report_loop": 0.97, "sklearn": 0.97, "lightning": 0.90, OURS: 0.97},
)


def test_ratios_are_taken_within_a_repeat() -> None:
    rows = {row["contestant"]: row for row in build_summary(*CONTEST).to_dict("records")}
    assert [rows["report_loop"][name] for name in ("ratio", "ratio_min", "ratio_max")] == [6, 5, 7]
    assert [rows[OURS][name] for name in ("ratio", "ratio_min", "ratio_max")] == [1, 1, 1]
    assert rows[OURS]["images_per_second"] == 200 / 10
    assert rows[OURS]["limit_share_in_loop"] == pytest.approx(0.8)
    assert math.isnan(rows["sklearn"]["limit_share_in_loop"])


def test_a_fast_contestant_with_other_scores_is_flagged() -> None:
    summary = build_summary(*CONTEST).set_index("contestant")
    assert summary["same_accuracy"].to_dict() == {
        "report_loop": True,
        "sklearn": True,
        "lightning": False,
        OURS: True,
    }


def test_targets_are_held_against_the_best_other_peer_of_each_repeat() -> None:
    targets = {rule: value for rule, value, _ in build_targets(*CONTEST)}
    assert targets["times as fast as the report's loop"] == 6
    assert targets["times as fast as the best of the other peers"] == pytest.approx(2.8)  # of 2.9, 2.0 and 2.8


def test_the_table_tells_of_a_contestant_that_did_not_run_and_of_the_missing_gpu() -> None:
    runs, fits = CONTEST
    failed = build_run_row(TINY, 0, "ray_tune", 1e11) | {"wall_seconds": math.nan, "error": "a trace\nno memory left"}
    text = build_markdown(pd.concat([runs, pd.DataFrame([failed])], ignore_index=True), fits, MACHINE)
    assert "no run (no memory left)" in text
    assert "| 6.00 [5.00–7.00]" in text
    assert "On a GPU: not measured" in text
    assert "On a GPU" not in build_markdown(runs, fits, MACHINE | {"gpus": ["H100"]})


def fold_record(trial: str, started: float, seconds: float, fold: int = 0) -> FoldRecord:
    blank: dict[str, Any] = dict.fromkeys(("predictions", "best_epoch", "peak_memory_bytes"))
    known: dict[str, Any] = {"scores": {}, "status": "completed", "epochs": 1, "device": "cpu", "host": "here"}
    return FoldRecord(trial=trial, replicate=0, fold=fold, started=started, fit_seconds=seconds, **known, **blank)


def test_the_wait_for_the_next_trial_is_taken_worker_by_worker() -> None:
    # Worker 1: a (two folds) then c; worker 2: b then d.
    folds = [
        fold_record("a", 0, 2),
        fold_record("a", 2, 2, fold=1),
        fold_record("b", 0, 3),
        fold_record("d", 3.25, 5),
        fold_record("c", 4.75, 5),
    ]
    assert measure_next_trial(folds) == pytest.approx(0.5)  # the median of 0.25 and 0.75
    assert math.isnan(measure_next_trial(folds[:3]))


def test_concurrency_is_fit_seconds_over_the_time_in_which_any_fit_ran() -> None:
    side_by_side = [fold_record("a", 0, 4), fold_record("b", 0, 2)]
    assert measure_concurrency(side_by_side) == pytest.approx(1.5)
    assert measure_concurrency([fold_record("a", 0, 1), fold_record("b", 9, 1)]) == pytest.approx(1)


def test_overhead_leaves_out_the_start_of_ray_and_the_fits() -> None:
    columns = ["sweep", "level", "trials", "lanes", "wall_seconds", "fit_seconds"]
    rows = [
        *[("start", 1, 1, 1, wall, 1.0) for wall in (11.0, 12.0, 99.0)],
        *[("start", 0, 1, 1, wall, 1.0) for wall in (4.0, 4.0, 88.0)],
        ("trials", 10, 10, 2, 18.0, 15.0),
        ("concurrent", 0, 2, 1, 18.0, 15.0),
    ]
    overheads = build_overheads(pd.DataFrame(rows, columns=columns)).set_index("sweep")
    assert overheads.loc["trials", "start_seconds"] == 8.0, "median on Ray less median without it"
    assert overheads.loc["trials", "overhead_seconds"] == pytest.approx((2 * (18 - 8) - 15) / 10)
    assert overheads.loc["trials", "cores_over_fits"] == pytest.approx(2.4)
    assert (overheads.loc["concurrent", "start_seconds"], overheads.loc["concurrent", "overhead_seconds"]) == (0, 1.5)


def test_every_study_of_the_scaling_benchmark_is_valid() -> None:
    points = build_points(("images", "folds", "trials", "concurrent", "quick"), 2, 200)
    studies = [
        Study.model_validate(point.study, context=build_catalog()) for point in points if isinstance(point.study, dict)
    ]
    assert max(len(study.grid_trials()) for study in studies) == 200
