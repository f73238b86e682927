"""What a study's claims need, before it runs: from the records that there are, a pilot study, or an assumption."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tune_app.analysis.outlook import Knowledge, build_outlook, read_seconds
from tune_app.data.npz import UNREADABLE
from tune_app.errors import DataError, ResultsError
from tune_app.monitor.terminal import spell_seconds
from tune_app.plan.forecast import predict_items
from tune_app.records import RecordSet
from tune_app.records.results import TEST_FILE, Results, read_results, read_test_set
from tune_app.session.execution import spread_work
from tune_app.session.gathering import add_test_set, gather_results

if TYPE_CHECKING:
    from tune_app.session.planning import Plan
    from tune_app.session.session import Session


def look_ahead(session: "Session", plan: "Plan", records: RecordSet) -> pd.DataFrame:
    """The outlook of the session's study with the records that a run would start from.

    Raises ResultsError for a pilot that is no results folder.
    """
    options = session.options
    results = gather_results(session, records)
    with contextlib.suppress(*UNREADABLE):
        results = replace(results, test=read_test_set(session.results / TEST_FILE))
    with contextlib.suppress(DataError):
        results = add_test_set(session, results)
    pilot = _read_pilot(options.pilot) if options.pilot else None
    knowledge = Knowledge(
        pilot=pilot,
        pilot_name=pilot.study.name if pilot else "",
        assumed_sd=options.assume_sd,
        seconds=read_seconds(plan.build_frame()),
    )
    return build_outlook(results, knowledge)


def describe_left(session: "Session", plan: "Plan", records: RecordSet) -> str:
    """How many fits are done already, and what the others take; empty where none is done."""
    missing = session.find_missing(records)
    left = sum(map(len, missing.values()))
    if left == plan.fits:
        return ""
    if not left:
        return f"All {plan.fits:,} fits are done: there is nothing left to run."
    fits = predict_items(spread_work(plan, missing), plan.nodes, plan.place.serial, plan.run.between)
    rest = spell_seconds(replace(plan.phases, fits=fits).total)
    return f"{plan.fits - left:,} of {plan.fits:,} fits are done; the command will be through in about {rest}."


def _read_pilot(folder: Path) -> Results:
    try:
        return read_results(folder)
    except ResultsError as error:
        raise ResultsError(f"--pilot: {error}") from error
