"""A trial of the CNN on 120 digits, run here, and what of its records must not differ between two runs."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.builders import build_study
from tune_app import data
from tune_app.engine import Images, build_normalisation
from tune_app.models import MODELS
from tune_app.records import RUN_FIELDS, EpochRecord, FoldRecord, Record, record_to_dict
from tune_app.study import TrialSpec
from tune_app.trial import run_trial

CPU = torch.device("cpu")


def defective_spec_of(protocol: str, regularizer: str = "batchnorm", **entry: Any) -> TrialSpec:
    grid = [{"model": "cnn", "width": 0.1, "regularizer": regularizer, "folds": 3, "protocol": protocol} | entry]
    return build_study(grid=grid, recipe={"epochs": 2, "batch_size": 20}).grid_trials()[0].spec


def spec_of(regularizer: str = "dropout+batchnorm", **recipe: Any) -> TrialSpec:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": regularizer, "folds": 3}]
    return build_study(grid=grid, recipe={"epochs": 2, "batch_size": 20} | recipe).grid_trials()[0].spec


def run(spec: TrialSpec, digits: data.Data, folds: Sequence[int] = (0, 1, 2), **options: Any) -> list[Record]:
    return list(run_trial(spec, digits, folds=folds, device=CPU, **options))


def folds_of(records: Sequence[Record]) -> list[FoldRecord]:
    return [record for record in records if isinstance(record, FoldRecord)]


def epochs_of(records: Sequence[Record]) -> list[EpochRecord]:
    return [record for record in records if isinstance(record, EpochRecord)]


def read_until(records: Iterator[Record], fold: int, epoch: int) -> list[Record]:
    """The records up to the first of that epoch; the process is then gone, as far as the trial can tell."""
    read = []
    for record in records:
        read.append(record)
        if isinstance(record, EpochRecord) and (record.fold, record.epoch) == (fold, epoch):
            return read
    raise AssertionError(f"there is no such epoch: {read[-1]}")


def differ(metric: str, first: Sequence[Record], second: Sequence[Record]) -> bool:
    """Whether every record's score differs from its counterpart's."""
    return all(a.scores[metric] != b.scores[metric] for a, b in zip(first, second, strict=True))


def content_of(record: Record) -> dict[str, Any]:
    """Everything but the trial's name and what a run may change."""
    return {name: value for name, value in record_to_dict(record).items() if name not in {*RUN_FIELDS, "trial"}}


def build_cnn(regularizer: str) -> nn.Sequential:
    torch.manual_seed(3)
    return MODELS["cnn"](image_shape=(1, 8, 8), regularizer=regularizer, width=0.1)  # type: ignore[return-value]


def digits_images(digits: data.Data) -> Images:
    positions = np.arange(120)
    normalisation = build_normalisation(digits.inputs, positions)
    return Images(digits.inputs, digits.targets, positions, normalisation, CPU)
