"""What a session exports, and where to. Importing this takes the figures along."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tune_app.data import Data
from tune_app.data.npz import UNREADABLE
from tune_app.errors import DataError
from tune_app.export.folder import choose_folder, is_current
from tune_app.records import RecordSet
from tune_app.records.results import PLAN_FILE, TEST_FILE, read_plan, read_test_set
from tune_app.records.results import Results as StoredResults
from tune_app.session.gathering import add_context, add_test_set, gather_results
from tune_app.session.kept import find_looks
from tune_app.session.resume import find_missing

if TYPE_CHECKING:
    from tune_app.session.session import Session


def build_results(
    session: "Session", records: RecordSet, dataset: dict[str, Data] | None
) -> tuple[StoredResults, Path, bool]:
    """The results as they are exported, the folder to export them to, and whether it has them already."""
    stored = gather_results(session, records)
    folder = choose_folder(session.results, stored)
    stored = add_context(session, stored, folder)
    if session.look and not any(find_missing(session.specs, records).values()):
        stored = add_test_set(session, stored, dataset)  # claims about new images are judged by it
        if session.look(stored):
            return stored, folder, True  # tables are for the end
        stored = replace(stored, looks=find_looks(session))
    with contextlib.suppress(*UNREADABLE):
        read_plan(folder / PLAN_FILE)  # the plan may be known from elsewhere, and the folder's own be damaged
        has_test = (folder / TEST_FILE).exists()  # a study that scores held-out folds has none
        same = replace(stored, test=read_test_set(folder / TEST_FILE)) if has_test else stored
        if is_current(folder, same):
            return same, folder, True
    try:
        stored = add_test_set(session, stored, dataset)
    except DataError as error:  # nothing ran, so nothing but the confusions needs the images
        session.report(f"The confusions are left out: {error}")
    return stored, folder, False
