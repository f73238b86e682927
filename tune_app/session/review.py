"""A run held against its plan: predicted and actual time, and what the next plan goes by."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tune_app.monitor.terminal import spell_seconds
from tune_app.plan import WorkItem
from tune_app.plan.forecast import predict_items
from tune_app.records import FoldRecord, RecordSet
from tune_app.session.calibrating import keep_fits
from tune_app.session.planning import Plan, make_plan

if TYPE_CHECKING:
    from tune_app.session.session import Session

NO_SECONDS = 0.05  # is spelt "0.0 s", and nothing is held against that
MANY = 3  # times as long as predicted: from here on not a matter of percent


def review(plan: Plan, missing: Mapping[str, tuple[int, ...]], records: RecordSet, since: float) -> str:
    """A sentence on what the fits since `since` (seconds since 1970) took and were to take; empty for none.

    The seconds of those that ran on this machine are kept for the next plan. `missing` are the folds that were to run.
    """
    ran = [record for record in records.folds.values() if record.started >= since]
    keep_fits(plan.trials, plan.place, ran)
    completed = {(record.trial, record.fold) for record in ran if record.status == "completed"}
    wanted = {(trial, fold) for trial, folds in missing.items() for fold in folds}
    if not completed:
        return ""
    took = _find_span(ran)
    if completed < wanted:
        return f"{len(completed)} fits took {spell_seconds(took)}."
    work = [
        WorkItem(trial, missing[trial.id]) for trial in plan if missing.get(trial.id) and trial.shares_fits_of is None
    ]
    predicted = predict_items(work, plan.nodes, plan.shard, plan.place.serial)
    if predicted < NO_SECONDS:
        return f"The fits took {spell_seconds(took)}."
    ratio = took / predicted
    difference = f"{ratio - 1:+.0%}" if ratio < MANY else f"{ratio:.0f} times as long"
    return (
        f"The fits took {spell_seconds(took)}, and {spell_seconds(predicted)} had been predicted "
        f"({difference}); trials.csv has both for each trial."
    )


def _find_span(records: list[FoldRecord]) -> float:
    """Seconds from the start of the first to the end of the last."""
    return max(r.started + r.fit_seconds for r in records) - min(r.started for r in records)


def find_whole_plan(session: "Session", plan: Plan) -> Plan:
    """The plan of all of the study's trials, on the nodes of that of some."""
    options = session.options
    if not options.only:
        return plan
    known, root = session.describe_data(), session.found.scope.root
    return make_plan(session.study, replace(options, only=None), plan.nodes, known, root=root, measure=False)
