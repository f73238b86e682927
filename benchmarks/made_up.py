"""Results folders of any size: studies of many conditions, with records that nothing was trained for."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app.parts.catalog import build_catalog
from tune_app.records import EpochRecord, FoldRecord, Record, RecordSet, pack_labels
from tune_app.records.results import PLAN_COLUMNS, Results, TestSet, build_sources
from tune_app.study import Study, TrialSpec

REGULARIZERS = ("none", "dropout", "batchnorm", "dropout+batchnorm")
TEST_IMAGES, CLASSES = 360, 10
SECONDS = 0.05  # of an epoch
LANES = 2  # trials that ran at the same time


def build_study(conditions: int, folds: int, epochs: int, replicates: int = 1) -> Study:
    """Four regularizers by as many learning rates as make `conditions`, on digits, against one baseline."""
    rates = [round(0.0001 * (1 + place), 6) for place in range(conditions // len(REGULARIZERS))]
    content = {
        "name": "growth",
        "data": {"name": "digits"},
        "recipe": {"epochs": epochs},
        "replicates": replicates,
        "baseline": {"regularizer": "none", "learning_rate": rates[0]},
        "grid": [
            {
                "model": "cnn",
                "width": 0.25,
                "regularizer": list(REGULARIZERS),
                "learning_rate": rates,
                "folds": folds,
            }
        ],
    }
    return Study.model_validate(content, context=build_catalog())


def build_results(study: Study) -> Results:
    """Records of every fit, with predictions and the labels of the test images that they are about; and a plan."""
    generator = np.random.default_rng(0)
    labels = np.arange(TEST_IMAGES, dtype=np.int64) % CLASSES
    specs = [trial.spec for trial in study.grid_trials()]
    records = RecordSet()
    seconds = max((spec.folds * SECONDS * 2 * spec.recipe.epochs for spec in specs), default=0.0)
    for place, spec in enumerate(specs):
        begun = 1.7e9 + seconds * (place // LANES)
        for record in build_records(spec, labels, generator, begun):
            records.add(record)
    plan = pd.DataFrame([(spec.id, spec.folds, 1e4, 1e9, 1.0, 1.0, 0.0) for spec in specs], columns=[*PLAN_COLUMNS])
    picture = np.zeros((0, 8, 8), dtype=np.uint8)
    test = TestSet(labels, np.arange(TEST_IMAGES), picture, np.zeros(0, dtype=np.int64))
    return Results(study, records, {}, test=test, plan=plan)


def build_records(
    spec: TrialSpec, labels: NDArray[np.int64], generator: np.random.Generator, begun: float
) -> Iterator[Record]:
    """The epochs and folds of one trial, one after the other from `begun`, with accuracies that rise to about 0.9."""
    level = 0.9 + 0.01 * REGULARIZERS.index(spec.regularizer)
    for fold in range(spec.folds):
        place: Mapping[str, Any] = {"trial": spec.id, "replicate": spec.replicate, "fold": fold}
        for epoch in range(1, spec.recipe.epochs + 1):
            reached = level * epoch / (1 + epoch) + generator.normal(0, 0.005, 2)
            scores: dict[str, float] = {}
            for part, accuracy in zip(("train", "validation"), map(float, reached), strict=True):
                scores |= {f"{part}_accuracy": accuracy, f"{part}_loss": 1 - accuracy + float(generator.random()) / 10}
            yield EpochRecord(
                **place, epoch=epoch, scores=scores, learning_rate=0.001, seconds=SECONDS, samples_per_second=28_000.0
            )
        right = generator.random(len(labels)) < level
        predicted = np.where(right, labels, (labels + 1) % CLASSES)
        yield FoldRecord(
            **place,
            status="completed",
            epochs=spec.recipe.epochs,
            scores={"test_loss": 1 - float(right.mean()), "test_accuracy": float(right.mean())},
            predictions=pack_labels(predicted.astype(np.uint8)),
            best_epoch=spec.recipe.epochs,
            started=begun + fold * SECONDS * 2 * spec.recipe.epochs,
            fit_seconds=SECONDS * spec.recipe.epochs + 0.02 * float(generator.random()),
            peak_memory_bytes=2**20,
            device="cpu",
            host="nowhere",
        )


def write_folder(folder: Path, results: Results) -> None:
    """What `tune-report` reads, and nothing that it writes."""
    folder.mkdir(parents=True)
    for name, write in build_sources(results).items():
        write(folder / name)
