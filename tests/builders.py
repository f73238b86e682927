"""Small studies, plans and results: what tests are built from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tune_app.engine.cost import MachineRates
from tune_app.errors import StudyError
from tune_app.parts.catalog import build_catalog
from tune_app.plan import PlannedTrial, Shares, WorkItem, build_plan
from tune_app.records import RUN_FIELDS, EpochRecord, FoldRecord, Record, RecordSet, pack_labels
from tune_app.records.results import Results, build_sources
from tune_app.study import Study, TrialSpec
from tune_app.study.file import read_study

RATES = MachineRates(flops=1e11, bytes=1e10)


def study_content(**changes: Any) -> dict[str, Any]:
    """Two conditions of the CNN on 120 digits, 3 folds, one epoch."""
    content = {
        "name": "small",
        "data": {"name": "digits", "train_images": 120, "test_images": 60},
        "recipe": {"epochs": 1, "batch_size": 20},
        "grid": [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout+batchnorm"], "folds": 3}],
    }
    return content | changes


def build_study(**changes: Any) -> Study:
    return Study.model_validate(study_content(**changes), context=build_catalog())


def plan_of(study: Study, shares: Shares | None = None) -> tuple[PlannedTrial, ...]:
    return build_plan(study, shares or Shares(), RATES)


def write_study_file(folder: Path, **changes: Any) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(study_content(**changes)))
    return path


def problems_of(tmp_path: Path, **changes: object) -> tuple[str, ...]:
    with pytest.raises(StudyError) as caught:
        read_study(write_study_file(tmp_path, **changes), catalog=build_catalog())
    return caught.value.problems


def build_results(
    study: Study, score: Callable[[TrialSpec, int], float], epochs: Sequence[float] = (0.5, 1)
) -> Results:
    """Results without a run: `score` of each fold is its test and last validation accuracy, `epochs` shares of it."""
    records = RecordSet()
    packed = pack_labels(np.arange(60, dtype=np.uint8) % 10)
    for spec in (trial.spec for trial in study.grid_trials()):
        for fold in range(spec.folds):
            final = score(spec, fold)
            place: dict[str, Any] = {"trial": spec.id, "replicate": spec.replicate, "fold": fold}
            for epoch in range(1, spec.recipe.epochs + 1):
                accuracy = final * epochs[epoch - 1]
                scores: dict[str, Any] = {"train_loss": 1 - accuracy, "train_accuracy": accuracy}
                scores |= {"validation_loss": 1 - accuracy, "validation_accuracy": accuracy}
                speed: dict[str, Any] = {"learning_rate": 0.001, "seconds": 1.0, "samples_per_second": 100.0}
                records.add(EpochRecord(**place, epoch=epoch, scores=scores, **speed))
            records.add(
                FoldRecord(
                    **place,
                    status="completed",
                    epochs=spec.recipe.epochs,
                    scores={"test_loss": 1 - final, "test_accuracy": final},
                    predictions=packed,
                    best_epoch=1,
                    started=1e9,
                    fit_seconds=2 + final,
                    peak_memory_bytes=1,
                    device="cpu",
                    host="h",
                )
            )
    return Results(study, records, {})


# Results whose effects are known: what contrasts, comparisons and claims are tested on.
EFFECT_GRID = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout", "batchnorm"], "folds": [4, 10]}]
EFFECTS = {"none": 0.0, "dropout": 0.03, "batchnorm": -0.05}
CARRY_OVER_GRID = [{"model": "cnn", "regularizer": "batchnorm", "folds": 4, "protocol": ["sound", "carry-over"]}]
CLAIM = {
    "sentence": "Dropout helps.",
    "levels": {"regularizer": "dropout", "folds": 10},
    "against": {"regularizer": "none"},
}


def build_effect_study(**changes: Any) -> Study:
    """Three regularizers of the CNN with 4 and with 10 folds, two epochs."""
    recipe = {"epochs": 2, "batch_size": 20}
    return build_study(
        **({"recipe": recipe, "grid": EFFECT_GRID, "baseline": {"regularizer": "none", "folds": 4}} | changes)
    )


def score_with_effect(spec: TrialSpec, fold: int) -> float:
    """An accuracy with noise of its own for each fit, the same in every run."""
    noise = np.random.default_rng([spec.replicate, fold, spec.folds, len(spec.regularizer)]).normal(0, 0.004)
    return float(0.9 + EFFECTS[spec.regularizer] + 0.01 * (spec.folds == 10) + noise)


def build_effect_results(**changes: Any) -> Results:
    return build_results(build_effect_study(**changes), score_with_effect)


def pick_row(frame: pd.DataFrame, metric: str, regularizer: str, folds: int) -> dict[Any, Any]:
    """The one row of a metric and a condition."""
    chosen = frame[(frame["metric"] == metric) & (frame["regularizer"] == regularizer) & (frame["folds"] == folds)]
    (row,) = chosen.to_dict("records")
    return row


def write_sources(folder: Path, results: Results) -> None:
    """A results folder without what follows from its sources: no tables, no figures, no page."""
    folder.mkdir()
    for name, write in build_sources(results).items():
        write(folder / name)


class Collector:
    """A flow that keeps what it is sent, and can stop the study after so many fits."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.records: list[Record] = []
        self.started: list[str] = []
        self.ended: list[str] = []
        self.environments: list[Mapping[str, Any]] = []
        self._stop_after = stop_after

    def item_started(self, item: WorkItem) -> None:
        self.started.append(item.id)

    def environment(self, environment: Mapping[str, Any]) -> None:
        self.environments.append(environment)

    def record(self, record: Record) -> None:
        self.records.append(record)
        if self._stop_after is not None and len(RecordSet(self.records).folds) >= self._stop_after:
            raise KeyboardInterrupt

    def item_ended(self, item: WorkItem) -> None:
        self.ended.append(item.id)

    def close(self) -> None:
        pass


def with_scores(record: FoldRecord, **scores: float) -> FoldRecord:
    """The record with other scores."""
    return replace(record, scores={**record.scores, **scores})


def scores_of(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Every field that must not differ between two runs."""
    return [{k: v for k, v in asdict(record).items() if k not in RUN_FIELDS} for record in records]


def fold_record(trial: str, fold: int, accuracy: float | None) -> FoldRecord:
    packed = pack_labels(np.arange(60, dtype=np.uint8) % 10)
    done = accuracy is not None
    return FoldRecord(
        trial=trial,
        replicate=0,
        fold=fold,
        status="completed" if done else "failed",
        epochs=1,
        scores={} if accuracy is None else {"test_loss": 0.5, "test_accuracy": accuracy},
        predictions=packed if done else None,
        best_epoch=1,
        started=1e9,
        fit_seconds=2.0,
        peak_memory_bytes=1,
        device="cpu",
        host="h",
        error_type=None if done else "FitError",
        error_message=None if done else "loss is nan",
    )


def results_of(study: Study, accuracies: list[float | None]) -> Results:
    trials = [trial.spec.id for trial in study.grid_trials()]
    records = [fold_record(trial, fold, a) for trial in trials for fold, a in enumerate(accuracies)]
    return Results(study, RecordSet(records), {})
