"""What a session exports, and where to. Importing this takes the figures along."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tune_app.data import Data
from tune_app.errors import DataError
from tune_app.export.folder import choose_folder, is_current
from tune_app.records import RecordSet
from tune_app.records.results import PLAN_FILE, TEST_FILE, UNREADABLE, read_plan, read_test_set
from tune_app.records.results import Results as StoredResults
from tune_app.session.kept import find_looks
from tune_app.session.notes import find_environment, find_plan, find_pseudo_values, pool
from tune_app.session.resume import find_missing
from tune_app.session.testset import build_test_set

if TYPE_CHECKING:
    from tune_app.session.session import Session


def build_results(
    session: "Session", records: RecordSet, dataset: dict[str, Data] | None
) -> tuple[StoredResults, Path, bool]:
    """The results as they are exported, the folder to export them to, and whether it has them already."""
    found = session.found
    stored = StoredResults(session.study, records, found.reference, reference_text=found.reference_text)
    folder = choose_folder(session.results, stored)
    plan, pooled, pseudo = find_plan(session, folder), pool(session, records), find_pseudo_values(session, records)
    stored = replace(stored, environment=find_environment(session), plan=plan, pooled=pooled, pseudo=pseudo)
    if session.look and not any(find_missing(session.specs, records).values()) and session.look(stored):
        return stored, folder, True  # tables are for the end
    stored = replace(stored, looks=find_looks(session))
    with contextlib.suppress(*UNREADABLE):
        read_plan(folder / PLAN_FILE)  # the plan may be known from elsewhere, and the folder's own be damaged
        has_test = (folder / TEST_FILE).exists()  # a study that scores held-out folds has none
        same = replace(stored, test=read_test_set(folder / TEST_FILE)) if has_test else stored
        if is_current(folder, same):
            return same, folder, True
    try:
        dataset = dataset or session.load_data()
        if len(dataset) == 1:  # predictions of several data sets have no labels in common
            stored = replace(stored, test=build_test_set(stored, *dataset.values()))
    except DataError as error:  # nothing ran, so nothing but the confusions needs the images
        session.report(f"The confusions are left out: {error}")
    return stored, folder, False
