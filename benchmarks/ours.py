"""This project's command as a contestant: a study file in, its results folder out."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import Measured, run_measured
from benchmarks.work import Work
from tune_app.records import EpochRecord, FoldRecord
from tune_app.records.results import Results, read_results

STUDY = "benchmark"


@dataclass(frozen=True)
class GridRun:
    """One call of `python -m tune_app.grid` and what it left."""

    measured: Measured
    results: Results

    @property
    def folds(self) -> list[FoldRecord]:
        return list(self.results.records.folds.values())

    @property
    def first_record_seconds(self) -> float:
        """From the command to the end of the first fit."""
        return min(record.started + record.fit_seconds for record in self.folds) - self.measured.started


def build_study_content(work: Work) -> dict[str, Any]:
    """The study that is this work."""
    return {
        "name": STUDY,
        "seed": work.seed,
        "data": {"name": "mnist", "train_images": work.images, "test_images": work.test_images},
        "recipe": {"epochs": work.epochs, "batch_size": work.batch_size, "learning_rate": work.learning_rate},
        "grid": [{"model": "cnn", "regularizer": list(work.regularizers), "folds": work.folds}],
    }


def run_grid(study: dict[str, Any] | str, folder: Path, *options: str) -> GridRun:
    """Run the command on a study (content, or the name of one that ships) with all its output below `folder`.

    Raises RuntimeError with the end of what it printed if not every fit completed.
    """
    name = study if isinstance(study, str) else str(study["name"])
    if not isinstance(study, str):
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(study))
    where = ["--runs", str(folder / "runs"), "--results", str(folder / "results")]
    source = name if isinstance(study, str) else str(path)
    measured = run_measured([sys.executable, "-m", "tune_app.grid", source, *where, *options])
    if measured.exit_code:
        raise RuntimeError(f"exit code {measured.exit_code}: {(measured.stderr or measured.stdout)[-2000:]}")
    return GridRun(measured, read_results(folder / "results" / name))


def build_fit_rows(results: Results) -> list[dict[str, Any]]:
    """One row per fit: regularizer, fold (from 0), test_accuracy, loop_seconds (its epochs), concurrency.

    `concurrency` is how many fits ran at the same time, on average over the study.
    """
    records = results.records
    regularizers = {trial.spec.id: trial.spec.regularizer for trial in results.study.grid_trials()}
    loop_seconds: dict[tuple[str, int], float] = {}
    for record in records.in_order(list(regularizers)):
        if isinstance(record, EpochRecord):
            key = record.trial, record.fold
            loop_seconds[key] = loop_seconds.get(key, 0.0) + record.seconds
    concurrency = measure_concurrency(list(records.folds.values()))
    return [
        {
            "regularizer": regularizers[trial],
            "fold": fold,
            "test_accuracy": record.score("test_accuracy"),
            "loop_seconds": loop_seconds[trial, fold],
            "concurrency": concurrency,
        }
        for (trial, fold), record in records.folds.items()
    ]


def measure_concurrency(folds: list[FoldRecord]) -> float:
    """Sum of fit seconds over the seconds in which at least one fit ran."""
    covered, end = 0.0, float("-inf")
    for record in sorted(folds, key=lambda record: record.started):
        finished = record.started + record.fit_seconds
        covered += max(0.0, finished - max(end, record.started))
        end = max(end, finished)
    return sum(record.fit_seconds for record in folds) / covered
