"""What an analysis needs beside the records: before a run, at a look, and for the tables alike."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tune_app.data import Data
from tune_app.records import RecordSet
from tune_app.records.results import Results
from tune_app.session.kept import find_looks
from tune_app.session.notes import find_environment, find_plan, find_pseudo_values, find_thresholds, pool
from tune_app.session.testset import build_test_set

if TYPE_CHECKING:
    from tune_app.session.session import Session


def gather_results(session: "Session", records: RecordSet) -> Results:
    """The records with the looks so far, and with what the study's own metrics need; no plan and no test set yet."""
    found = session.found
    stored = Results(session.study, records, found.reference, reference_text=found.reference_text)
    pseudo = find_pseudo_values(session, records)
    return replace(stored, looks=find_looks(session), pooled=pool(session, records), pseudo=pseudo)


def add_context(session: "Session", results: Results, folder: Path) -> Results:
    """With where the fits ran, what they were planned to cost, and their ROC curves where there are such."""
    environment, plan = find_environment(session), find_plan(session, folder)
    thresholds = find_thresholds(session, results.records)
    return replace(results, environment=environment, plan=plan, thresholds=thresholds)


def add_test_set(session: "Session", results: Results, dataset: dict[str, Data] | None = None) -> Results:
    """With the labels of the test images; `dataset` is loaded if it is not given. Raises DataError if it cannot be."""
    if results.test is not None or not results.records.folds:
        return results
    dataset = dataset or session.load_data()
    if len(dataset) > 1:  # predictions of several data sets have no labels in common
        return results
    return replace(results, test=build_test_set(results, *dataset.values()))
