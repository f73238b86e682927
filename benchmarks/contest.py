"""The contestants, and one run of one of them as rows of a table."""

import importlib.util
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Measured, run_measured
from benchmarks.ours import build_fit_rows, build_study_content, run_grid
from benchmarks.work import Work, count_flops


@dataclass(frozen=True)
class Contestant:
    """`module` is the peer's file and `package` the library it needs; ours names an executor instead."""

    title: str
    module: str = ""
    package: str = "torch"
    executor: str = ""

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


OURS = "ours_ray"
CONTESTANTS = {
    "report_loop": Contestant("the report's loop (DataLoader, 4 workers)", "report_loop"),
    "sklearn": Contestant("scikit-learn cross_validate over skorch", "skorch_cross_validate", "skorch"),
    "ray_tune": Contestant("Ray Tune, a DataLoader in each trial", "ray_tune", "ray"),
    "lightning": Contestant("PyTorch Lightning, a Trainer per fold", "lightning_trainer", "lightning"),
    "ours_inline": Contestant("tune_app, inline (one process, one core)", executor="inline"),
    OURS: Contestant("tune_app on Ray", executor="ray", package="ray"),
}


@dataclass(frozen=True)
class Outcome:
    """A run's measurements and one row per fit: regularizer, fold, test_accuracy, and for ours loop_seconds."""

    measured: Measured
    fits: list[dict[str, Any]]


def run_contestant(name: str, work: Work) -> Outcome:
    """Do the work once; RuntimeError with the end of what was printed if it fails or a planned score is missing."""
    contestant = CONTESTANTS[name]
    outcome = _run_ours(contestant.executor, work) if contestant.executor else _run_peer(contestant.module, work)
    planned = {(regularizer, fold) for regularizer in work.regularizers for fold in range(work.folds)}
    if {(fit["regularizer"], fit["fold"]) for fit in outcome.fits} != planned:
        raise RuntimeError(f"{name} gave {len(outcome.fits)} scores of {len(planned)}")
    return outcome


def _run_peer(module: str, work: Work) -> Outcome:
    measured = run_measured([sys.executable, "-m", f"benchmarks.contestants.{module}", work.to_json()])
    if measured.exit_code:
        raise RuntimeError(f"exit code {measured.exit_code}: {measured.stderr[-2000:]}")
    return Outcome(measured, json.loads(measured.stdout.strip().splitlines()[-1]))


def _run_ours(executor: str, work: Work) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="tune_app-benchmark-") as folder:
        run = run_grid(build_study_content(work), Path(folder), "--executor", executor, "--device", work.device)
        return Outcome(run.measured, build_fit_rows(run.results))


def build_run_row(work: Work, repeat: int, name: str, limit_flops: float) -> dict[str, Any]:
    """What is known of a run before it starts; `limit_flops` is the machine's operations a second."""
    return {
        "contestant": name,
        "repeat": repeat,
        "seed": work.seed,
        "device": work.device,
        "images": work.images,
        "test_images": work.test_images,
        "epochs": work.epochs,
        "folds": work.folds,
        "regularizers": " ".join(work.regularizers),
        "images_trained": work.images_trained,
        "flops": sum(count_flops(work, regularizer).total * work.folds for regularizer in work.regularizers),
        "limit_flops_per_second": limit_flops,
    }


def build_contest_fit_rows(
    work: Work, repeat: int, name: str, limit_flops: float, cores: int, outcome: Outcome
) -> list[dict[str, Any]]:
    """One row per fit; where loop seconds are known, also the seconds that its epochs take at the machine's limit.

    A fit's part of the limit is one core, or on a GPU the share that the fits running beside it leave.
    """
    rows = []
    for fit in outcome.fits:
        row = {
            "contestant": name,
            "repeat": repeat,
            **{key: fit[key] for key in ("regularizer", "fold", "test_accuracy")},
        }
        if "loop_seconds" in fit:
            parts = fit["concurrency"] if work.device == "cuda" else cores
            flops = count_flops(work, fit["regularizer"]).epochs
            row |= {"loop_seconds": fit["loop_seconds"], "limit_loop_seconds": flops / (limit_flops / parts)}
        rows.append(row)
    return rows
