"""A results folder, read: the study, its records and the reported figures beside them."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tune_app.errors import ResultsError
from tune_app.records import RECORDS_FILE, RecordSet, read_records
from tune_app.study import Study
from tune_app.study_file import read_study

STUDY_FILE = "study.yaml"
REFERENCE_FILE = "reference.csv"


@dataclass(frozen=True)
class Reported:
    """A figure that somebody reported for one condition."""

    row: str
    test_accuracy: float
    note: str


Reference = Mapping[tuple[str, str, int], Reported]  # (model, regularizer, folds) → the reported figure


@dataclass(frozen=True)
class Results:
    """What a study left behind."""

    study: Study
    records: RecordSet
    reference: Reference


def read_results(folder: Path) -> Results:
    """The study and the records in a results folder; ResultsError if it is not one."""
    for name in (STUDY_FILE, RECORDS_FILE):
        if not (folder / name).is_file():
            raise ResultsError(
                f"{folder} is not a results folder: {name} is missing; give a folder that "
                "`python -m tune_app.grid` exported, such as results/quick"
            )
    records, torn = read_records(folder / RECORDS_FILE)
    if torn:
        raise ResultsError(f"{folder / RECORDS_FILE} ends in the middle of a record; restore it, or run the study")
    path = folder / REFERENCE_FILE
    return Results(read_study(folder / STUDY_FILE), records, read_reference(path) if path.is_file() else {})


def read_reference(path: Path) -> Reference:
    """Reported figures from a CSV with the columns row, model, regularizer, folds, test_accuracy and note."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return {
                (row["model"], row["regularizer"], int(row["folds"])): Reported(
                    row["row"], float(row["test_accuracy"]), row.get("note") or ""
                )
                for row in csv.DictReader(lines)
            }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ResultsError(
            f"reference table {path} cannot be read ({type(error).__name__}: {error}); it needs the columns row, "
            "model, regularizer, folds, test_accuracy, note"
        ) from error
