"""A run held against its plan: predicted and actual time, and what the next plan goes by."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tune_app.monitor.terminal import spell_seconds
from tune_app.plan import PlannedTrial, WorkItem
from tune_app.plan.forecast import find_seconds_between, predict_items
from tune_app.plan.phases import Phases, TimedRun
from tune_app.records import FoldRecord, RecordSet
from tune_app.session.calibrating import keep_fits, keep_run
from tune_app.session.planning import Plan, make_plan

if TYPE_CHECKING:
    from tune_app.session.session import Session

HEADINGS = {"start": "start", "fits": "fits", "export": "tables and page"}


@dataclass(frozen=True)
class Review:
    """What a run took, in seconds, and what its plan had predicted.

    `ended` is when its last fit had ended, by the clock of `time.monotonic`: tables and page are what follows. `run` is
    what the next plan goes by. Without them the run was broken off, after so many `fits`.
    """

    took: Phases
    fits: int
    predicted: Phases | None = None
    ended: float = 0.0
    run: TimedRun | None = None

    def end(self) -> "Review":
        """The same, now that tables and page are there; what was measured is kept for the next plan."""
        if self.predicted is None or self.run is None:
            return self
        export = time.monotonic() - self.ended
        keep_run(replace(self.run, export=export))
        return replace(self, took=replace(self.took, export=export))

    def describe(self) -> list[str]:
        """Predicted and actual time, side by side; of a run that was broken off a sentence."""
        if self.predicted is None:
            return [f"{self.fits} fits took {spell_seconds(self.took.fits)}."] if self.fits else []
        columns = [["", *HEADINGS.values(), "in all"]]  # a narrow terminal has more room below than beside
        for name, phases in (("predicted", self.predicted), ("took", self.took)):
            columns.append([name, *map(spell_seconds, (*phases.list().values(), phases.total))])
        rows = list(zip(*columns, strict=True))
        widths = [max(map(len, column)) for column in columns]
        return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]

    def build_content(self) -> dict[str, float]:
        """The same for `environment.json`, which is written before tables and page are; empty where it is not told."""
        if self.predicted is None:
            return {}
        predicted = {f"predicted_{name}": round(seconds, 2) for name, seconds in self.predicted.list().items()}
        return predicted | {"start": round(self.took.start, 2), "fits": round(self.took.fits, 2)}


def review(
    plan: Plan,
    work: Sequence[WorkItem],
    missing: Mapping[str, tuple[int, ...]],
    records: RecordSet,
    since: float,
    begun: float,
) -> Review | None:
    """What the fits since `since` (seconds since 1970) took and were to take; None if there are none.

    The seconds of those that ran on this machine are kept for the next plan. `missing` are the folds that were to run,
    `work` what they ran in, `begun` is when the command began, by the clock of `time.monotonic`.
    """
    ran = [record for record in records.folds.values() if record.started >= since]
    keep_fits(plan.trials, plan.place, ran)
    completed = {(record.trial, record.fold) for record in ran if record.status == "completed"}
    wanted = {(trial, fold) for trial, folds in missing.items() for fold in folds}
    if not completed:
        return None
    first = min(record.started for record in ran)
    span = max(r.started + r.fit_seconds for r in ran) - first
    ago = time.time() - first  # two clocks: `begun` is by the one that nobody sets
    now = time.monotonic()
    took = Phases(max(0.0, now - ago - begun), span, 0.0)
    if completed < wanted:
        return Review(took, len(completed))
    nodes, serial = plan.nodes, plan.place.serial
    between = find_seconds_between(_measure(work, ran), nodes, serial, span)
    predicted = Phases(plan.run.start, predict_items(work, nodes, serial, plan.run.between), plan.run.export)
    run = replace(plan.run, start=took.start, between=between, trials=len(plan.study.grid_trials()))
    return Review(took, len(completed), predicted, now - ago + span, run)


def _measure(work: Sequence[WorkItem], ran: Sequence[FoldRecord]) -> list[tuple[float, PlannedTrial]]:
    """What the fits of each item took together."""
    seconds = {(record.trial, record.fold): record.fit_seconds for record in ran}
    return [(sum(seconds.get((item.trial.id, fold), 0.0) for fold in item.folds), item.trial) for item in work]


def find_whole_plan(session: "Session", plan: Plan) -> Plan:
    """The plan of all of the study's trials, on the nodes of that of some."""
    options = session.options
    if not options.only:
        return plan
    known, root = session.describe_data(), session.found.scope.root
    return make_plan(session.study, replace(options, only=None), plan.nodes, known, root=root, measure=False)
