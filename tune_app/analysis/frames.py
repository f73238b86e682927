"""Tidy tables: a row per epoch, per fold, with every factor as a column; and the reported figure of a condition."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from tune_app.analysis.intervals import wilson_interval
from tune_app.records import EpochRecord, FoldRecord, Record, build_failed_fold, unpack_labels
from tune_app.records.environments import Environment, build_environments, locate
from tune_app.records.results import Reported, Results
from tune_app.study import TrialSpec

SINGLE_CLASS_SHARE = 0.99  # a few images that fall to another label are no learning
# Every frame has these columns, whatever was recorded.
SCORES = {
    "epoch": ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
    "fold": ("test_loss", "test_accuracy"),
}
_WHERE_KNOWN = ("tested_epoch", "determinism")  # columns of frames in which some row has something to say
_NONE: dict[str, Record] = {
    "epoch": EpochRecord("", 0, 0, 1, {}, 0.0, 0.0, 0.0),
    "fold": build_failed_fold("", 0, 0, "", "", 0.0),
}
_LEFT_OUT = ("trial", "scores", "predictions", "fingerprints", "undefined", "extra")


def build_epochs(results: Results) -> pd.DataFrame:
    """One row per (trial, fold, epoch); units as in `EpochRecord`, folds counted from 1."""
    return _build_rows(results, "epoch")


def build_folds(results: Results) -> pd.DataFrame:
    """One row per (trial, fold), failed ones included; units as in `FoldRecord`, folds counted from 1.

    `single_class` is true where the network gives (nearly) every test image the same label: it has not learnt. The
    Wilson interval is that of this one network on other images, not of the method.
    """
    return _build_rows(results, "fold")


def _build_rows(results: Results, kind: str) -> pd.DataFrame:
    conditions = {trial.spec.id: trial.spec.condition for trial in results.study.grid_trials()}
    environments = build_environments(results.environment)
    held = results.records.folds if kind == "fold" else results.records.epochs
    place = {trial: number for number, trial in enumerate(conditions)}
    records: list[Record] = sorted(
        (record for record in held.values() if record.trial in place),
        key=lambda record: (place[record.trial], record.fold, record.epoch if isinstance(record, EpochRecord) else 0),
    )
    if (
        not records
    ):  # before anything has run, a row that is left out gives names and types: a file without them is none
        records = [_NONE[kind]]
        conditions = {records[0].trial: next(iter(conditions.values()))}
    # By column: of a large study a dictionary for each row would take hundreds of megabytes, and as much time.
    trials = [record.trial for record in records]
    columns: dict[str, list[Any]] = {"trial": trials}
    for name in dict.fromkeys(name for condition in conditions.values() for name in condition):
        levels = {trial: condition.get(name, np.nan) for trial, condition in conditions.items()}
        columns[name] = [levels[trial] for trial in trials]
    columns |= _build_columns(records, environments)
    frame = pd.DataFrame(columns)
    return _drop_unknown(frame if records[0] is not _NONE[kind] else frame[:0])


def _drop_unknown(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=[name for name in _WHERE_KNOWN if name in frame and frame[name].isna().all()])


def _build_columns(records: Sequence[Record], environments: Mapping[str, Environment]) -> dict[str, list[Any]]:
    """What the records hold, by column; scores that the first one lacks come last."""
    is_fold = isinstance(records[0], FoldRecord)
    named = SCORES["fold" if is_fold else "epoch"]
    first = dict.fromkeys((*named, *records[0].scores))
    later = dict.fromkeys(name for record in records for name in record.scores if name not in first)
    columns: dict[str, list[Any]] = {}
    for each in fields(records[0]):
        if each.name == "scores":
            columns |= {name: _list_scores(records, name, None if name in named else np.nan) for name in first}
        elif each.name not in _LEFT_OUT:
            columns[each.name] = [getattr(record, each.name) for record in records]
    columns["fold"] = [record.fold + 1 for record in records]
    folds = [record for record in records if isinstance(record, FoldRecord)]
    if is_fold:
        origins = [_describe_origin(record, environments) for record in folds]
        columns |= {name: [origin[name] for origin in origins] for name in ("environment", "torch_version")}
        columns["single_class"] = [is_single_class(record) for record in folds]
        bounds = [_wilson(record) for record in folds]
        columns["test_accuracy_wilson95_low"], columns["test_accuracy_wilson95_high"] = map(
            list, zip(*bounds, strict=True)
        )
    return columns | {name: _list_scores(records, name, np.nan) for name in later}


def _list_scores(records: Sequence[Record], name: str, missing: float | None) -> list[float | None]:
    return [record.scores.get(name, missing) for record in records]


def _describe_origin(record: FoldRecord, environments: Mapping[str, Environment]) -> dict[str, str | None]:
    """The key of the fit's environment and its version of torch; None where neither the record nor the folder says."""
    key, candidates = locate(record, environments)
    versions = {candidate["versions"].get("torch") for candidate in candidates}
    return {
        "environment": key if candidates else record.environment,
        "torch_version": versions.pop() if len(versions) == 1 else None,
    }


def _wilson(record: FoldRecord) -> tuple[float | None, float | None]:
    accuracy = record.score("test_accuracy")
    if record.predictions is None or accuracy is None:
        return None, None
    images = len(unpack_labels(record.predictions))
    return wilson_interval(round(accuracy * images), images)


def is_single_class(record: FoldRecord) -> bool:
    """Whether the network tested gives 99% or more of the images the same label."""
    return record.predictions is not None and _is_single_class(record.predictions)


@lru_cache(maxsize=65_536)  # every table asks again
def _is_single_class(packed: str) -> bool:
    labels = unpack_labels(packed)
    return bool(np.bincount(labels).max() >= SINGLE_CLASS_SHARE * len(labels))


def find_reported(results: Results, spec: TrialSpec) -> Reported | None:
    """The figure reported for the trial's condition; another width, data set or number of images is another one."""
    reported = results.reference.get((spec.model, spec.regularizer, spec.folds))
    return None if reported is None or find_departures(reported, spec) else reported


def find_departures(reported: Reported, spec: TrialSpec) -> list[str]:
    """What makes the trial another experiment than the one that was reported, in words; empty if nothing does."""
    departures = [] if spec.width == 1 else [f"width {spec.width:g}"]
    if reported.dataset not in ("", spec.dataset):
        departures.append(f"data set {spec.dataset}")
    for kind, images in (("training", spec.train_images), ("test", spec.test_images)):
        if images is not None:
            departures.append(f"{images:,} {kind} images")
    return departures
