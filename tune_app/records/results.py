"""A results folder's sources, read and written: the study, its records, what was reported, where it ran."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app.data.npz import UNREADABLE, open_npz
from tune_app.errors import ResultsError
from tune_app.records.codec import record_to_dict
from tune_app.records.environments import check_environment
from tune_app.records.files import read_text, write_bytes_whole, write_whole
from tune_app.records.model import FoldRecord, RecordSet
from tune_app.records.store import RECORDS_FILE, Damaged, read_records, write_records
from tune_app.records.thresholds import THRESHOLD_FILE, read_thresholds
from tune_app.study import Study
from tune_app.study.file import build_yaml, read_study
from tune_app.study.signatures import SHIPPED

STUDY_FILE = "study.yaml"
REFERENCE_FILE = "reference.csv"
ENVIRONMENT_FILE = "environment.json"
PLAN_FILE = "plan.csv"
TEST_FILE = "test.npz"
POOLED_FILE = "pooled.csv"
LOOKS_FILE = "looks.json"
PSEUDO_FILE = "pseudo.npz"
PLAN_COLUMNS = ("trial", "fits", "parameters", "flops", "predicted_fit_seconds", "cpus", "gpus")
MOST_BYTES = 2**30  # of an array in a results folder, which may be a stranger's


@dataclass(frozen=True)
class Reported:
    """A figure that somebody reported for one condition, on all images of `dataset` (empty: whichever a study has).

    `row` and `table` are where it stands in the report.
    """

    row: str
    test_accuracy: float
    note: str
    dataset: str = ""
    table: str = ""


Reference = Mapping[tuple[str, str, int], Reported]  # (model, regularizer, folds) → the reported figure


PseudoValues = Mapping[str, NDArray[np.float32]]  # fit and metric → (block of images,)


def build_pseudo_key(record: FoldRecord, metric: str) -> str:
    """The name of a fit's pseudo-values; a metric whose code has changed has others."""
    code = record.fingerprints.get(f"metric {metric.removeprefix('test_')}", "")
    return f"{record.trial}/{record.fold}/{metric}" + (f"/{code}" if code else "")


@dataclass(frozen=True, eq=False)
class TestSet:
    """The test images that a study's predictions are about, and the pictures of some of them.

    `labels` (N,) are in the order of `FoldRecord.predictions`, `positions` (N,) their places in the data set's
    test split; `images` (M, height, width) are grey levels, those of the rows `image_rows` (M,) of `labels`.
    """

    __test__ = False  # a name that pytest must not take for a test

    labels: NDArray[np.integer[Any]]
    positions: NDArray[np.int64]
    images: NDArray[np.uint8]
    image_rows: NDArray[np.int64]


@dataclass(frozen=True)
class Results:
    """What a study left behind; a folder of an earlier version may lack test set, plan and environment.

    `plan` has a row per trial: trial, fits, parameters, flops and predicted_fit_seconds (of one fit), cpus, gpus.
    """

    study: Study
    records: RecordSet
    reference: Reference
    test: TestSet | None = None
    plan: pd.DataFrame | None = None
    environment: Mapping[str, Any] | None = None
    reference_text: str = ""  # the table of reported figures as it was read
    looks: str = ""  # at the claims of a study that ran until they were decided, as `analysis.looks` writes them
    pooled: pd.DataFrame | None = None  # scores over all held-out samples together, of metrics that do not average
    damaged: tuple[Damaged, ...] = ()  # lines of the records that were left out; number 0 is the last
    pseudo: PseudoValues | None = None  # by `build_pseudo_key`, of metrics that labels alone do not give
    thresholds: pd.DataFrame | None = None  # ROC and precision-recall curves, a row for each of `THRESHOLD_COLUMNS`


def read_results(folder: Path) -> Results:
    """The study and the records in a results folder; ResultsError if it is not one."""
    for name in (STUDY_FILE, RECORDS_FILE):
        if not (folder / name).is_file():
            raise ResultsError(
                f"{folder} is not a results folder: {name} is missing; give a folder that "
                "`python -m tune_app.grid` exported, such as results/quick"
            )
    records, damaged, torn = read_records(folder / RECORDS_FILE)
    if torn:
        damaged = (*damaged, Damaged(0, torn, "it was cut off"))
    path = folder / REFERENCE_FILE
    reference = read_reference(path) if path.is_file() else {}
    text = path.read_text(encoding="utf-8-sig") if reference else ""
    study, pseudo = read_study(folder / STUDY_FILE), _read_pseudo(folder)
    looks = read_text(folder / LOOKS_FILE)
    extras = _read_extras(folder)
    curves = read_thresholds(folder)
    return Results(study, records, reference, *extras, text, looks, read_pooled(folder), damaged, pseudo, curves)


def _read_pseudo(folder: Path) -> PseudoValues | None:
    path = folder / PSEUDO_FILE
    try:
        return read_pseudo_values(path) if path.is_file() else None
    except UNREADABLE as error:
        raise ResultsError(f"{path} cannot be read ({error}); delete it, and run the study again") from error


def read_pseudo_values(path: Path) -> PseudoValues:
    """What `write_pseudo_values` wrote; one of `UNREADABLE` for another file."""
    with open_npz(path, MOST_BYTES) as arrays:
        return {name: np.asarray(arrays[name], dtype=np.float32) for name in arrays.files}


def write_pseudo_values(path: Path, values: PseudoValues) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **values)  # type: ignore[arg-type]
    write_bytes_whole(path, content.getvalue())


def read_pooled(folder: Path) -> pd.DataFrame | None:
    """The scores over all held-out samples together, None where there are none; ResultsError for a damaged file."""
    path = folder / POOLED_FILE
    try:
        return pd.read_csv(path) if path.is_file() else None
    except UNREADABLE as error:
        raise ResultsError(f"{path} cannot be read ({error}); delete it, and run the study again") from error


def build_sources(results: Results) -> dict[str, Callable[[Path], None]]:
    """What writes each source file of a results folder, by its name: records, study, and what else there is."""
    order = [trial.spec.id for trial in results.study.grid_trials()]
    writers: dict[str, Callable[[Path], None]] = {
        RECORDS_FILE: lambda path: write_records(path, results.records.in_order(order)),
        STUDY_FILE: lambda path: write_whole(path, build_yaml(results.study)),
    }
    environment, plan, test = results.environment, results.plan, results.test
    if environment is not None:
        writers[ENVIRONMENT_FILE] = lambda path: write_environment(path, environment)
    if plan is not None:
        writers[PLAN_FILE] = lambda path: write_plan(path, plan)
    if test is not None:
        writers[TEST_FILE] = lambda path: _write_test_set(path, test)
    pooled = results.pooled
    if pooled is not None and len(pooled):
        writers[POOLED_FILE] = lambda path: write_plan(path, pooled)
    thresholds = results.thresholds
    if thresholds is not None and len(thresholds):
        writers[THRESHOLD_FILE] = lambda path: write_plan(path, thresholds)
    if results.looks:
        writers[LOOKS_FILE] = lambda path: write_whole(path, results.looks)
    pseudo = results.pseudo
    if pseudo:
        writers[PSEUDO_FILE] = lambda path: write_pseudo_values(path, pseudo)
    if results.reference_text:
        writers[REFERENCE_FILE] = lambda path: write_whole(path, results.reference_text)
    return writers


def write_environment(path: Path, environment: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(environment, indent=2) + "\n")


def write_plan(path: Path, plan: pd.DataFrame) -> None:
    write_whole(path, plan.to_csv(index=False, lineterminator="\n"))


def build_digest(results: Results) -> str:
    """A hash of all sources: results of equal digests give equal tables with the same version of this package."""
    digest = hashlib.sha256()
    order = [trial.spec.id for trial in results.study.grid_trials()]
    texts = [build_yaml(results.study), results.reference_text, json.dumps(results.environment, sort_keys=True)]
    texts += [results.looks] if results.looks else []
    texts += [json.dumps(record_to_dict(record)) for record in results.records.in_order(order)]
    texts += [] if results.plan is None else [results.plan.to_csv(index=False, float_format="%.9g")]
    texts += (
        [] if results.test is None else [results.test.labels.tobytes().hex(), results.test.positions.tobytes().hex()]
    )
    texts += (
        []
        if results.pooled is None or results.pooled.empty
        else [results.pooled.to_csv(index=False, float_format="%.9g")]
    )
    texts += [f"{key} {values.tobytes().hex()}" for key, values in sorted((results.pseudo or {}).items())]
    if results.thresholds is not None and len(results.thresholds):
        texts.append(results.thresholds.to_csv(index=False, float_format="%.9g"))
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _read_extras(folder: Path) -> tuple[TestSet | None, pd.DataFrame | None, Mapping[str, Any] | None]:
    path = folder
    try:
        path = folder / TEST_FILE
        test = read_test_set(path) if path.is_file() else None
        path = folder / PLAN_FILE
        plan = read_plan(path) if path.is_file() else None
    except UNREADABLE as error:
        raise ResultsError(
            f"{path} cannot be read ({type(error).__name__}: {error}); delete it, and `python -m tune_app.grid` with "
            "the same study writes it again"
        ) from error
    return test, plan, read_environment(folder)


def read_plan(path: Path) -> pd.DataFrame:
    """The frame that `write_plan` wrote; ValueError for another file."""
    plan = pd.read_csv(path)
    lacking = [name for name in PLAN_COLUMNS if name not in plan]
    if lacking:
        raise ValueError(f"no column {', '.join(lacking)}")
    plan[list(PLAN_COLUMNS[1:])].astype(float)  # ValueError for what is no number
    return plan


def read_environment(folder: Path) -> Mapping[str, Any] | None:
    """What environment.json in a results folder says, None if there is none; ResultsError if it cannot be read."""
    path = folder / ENVIRONMENT_FILE
    try:
        if not path.is_file():
            return None
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        check_environment(content)
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"{path} cannot be read ({type(error).__name__}: {error}); restore it, or delete it"
        ) from error
    return content


def read_test_set(path: Path) -> TestSet:
    """The test set that `export.folder` wrote; KeyError, ValueError or BadZipFile for another file."""
    with open_npz(path, MOST_BYTES) as arrays:
        test = TestSet(arrays["labels"], arrays["positions"], arrays["images"], arrays["image_rows"])
    if test.labels.ndim != 1 or test.positions.shape != test.labels.shape or len(test.image_rows) != len(test.images):
        raise ValueError("its arrays do not fit together")
    return test


def _write_test_set(path: Path, test: TestSet) -> None:
    content = io.BytesIO()
    np.savez_compressed(
        content, labels=test.labels, positions=test.positions, images=test.images, image_rows=test.image_rows
    )
    write_bytes_whole(path, content.getvalue())


def read_reference(path: Path) -> Reference:
    """Reported figures from a CSV with the columns row, model, regularizer, folds and test_accuracy.

    It may have the columns note, dataset and table, too. Raises ResultsError for anything that is no such table.
    """
    found: dict[tuple[str, str, int], Reported] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:  # spreadsheets put a byte-order mark before
            table = csv.DictReader(lines, strict=True)
            if len(table.fieldnames or ()) == 1 and ";" in "".join(table.fieldnames or ()):
                raise ValueError("its columns are separated by semicolons; save it with commas")
            for number, row in enumerate(table, start=2):
                figure = float(row["test_accuracy"])
                if not 0 <= figure <= 1:
                    raise ValueError(f"line {number}: test_accuracy {figure:g} is no share of images from 0 to 1")
                key = row["model"], row["regularizer"], int(row["folds"])
                if key in found:
                    raise ValueError(f"line {number}: a second figure for {', '.join(map(str, key))}")
                regularizer = SHIPPED.find("regularizer")
                if key[1] not in regularizer.choices:
                    raise ValueError(f"line {number}: no regularizer {key[1]!r}; {', '.join(regularizer.choices)}")
                found[key] = Reported(row["row"], figure, *(row.get(n) or "" for n in ("note", "dataset", "table")))
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ResultsError(
            f"reference table {path} cannot be read ({type(error).__name__}: {error}); it needs the columns row, "
            "model, regularizer, folds, test_accuracy and, if wanted, note, dataset and table"
        ) from error
    return found
