"""A study on its way: plan, take over, run what is missing, export. What commands and `calls` share.

Importing this takes neither torch nor Ray along: a finished study needs neither. `planning` and `execution` do, and are
imported where there is something to plan or to run.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from tune_app.data import Data
from tune_app.monitor.waiting import say_while
from tune_app.parts.fingerprints import find_changes
from tune_app.parts.sources import DataFacts, describe_data, load_source
from tune_app.records import RecordSet, RecordStore, set_records_aside
from tune_app.records.results import PLAN_FILE, read_results, write_plan
from tune_app.records.results import Results as StoredResults
from tune_app.session.changes import Remedies, find_remedies, score_anew
from tune_app.session.kept import find_kept
from tune_app.session.notes import (
    add_metrics,
    find_earlier,
    note_environments,
    write_run,
)
from tune_app.session.options import RunOptions
from tune_app.session.outcome import Outcome, show
from tune_app.session.resume import (
    HoldsBest,
    clear_states,
    describe_changes,
    describe_damage,
    find_missing,
    find_unkept,
    peek_records,
    take_over,
)
from tune_app.session.studies import FoundStudy
from tune_app.study import Study, TrialSpec
from tune_app.study.selection import select_trials

if TYPE_CHECKING:
    from tune_app.monitor import Monitor
    from tune_app.session.planning import Plan
    from tune_app.session.review import Review
    from tune_app.session.starting import RayStart
    from tune_app.session.watch.watching import Watching

logger = logging.getLogger("tune_app")


@dataclass
class Session:
    """One study with the options of one run.

    `report` is given a line for each step, `console` (None: none) shows the progress, `callbacks` see every event.
    """

    found: FoundStudy
    options: RunOptions = field(default_factory=RunOptions)
    report: Callable[[str], None] = logger.info
    console: Console | None = None
    callbacks: "Sequence[Monitor]" = ()
    begun: float = field(default_factory=time.monotonic)  # when the user began to wait
    phase: str = "Interrupted before anything started."  # what there is to say if an interrupt comes now

    def __post_init__(self) -> None:
        self.folder = self.options.runs.resolve() / self.found.study.name
        self.results = self.options.results.resolve() / self.found.study.name
        self.study = self.found.study if self.found.problems else find_kept(self)
        self.look: Callable[[StoredResults], bool] | None = None  # once every fit is there; true if more are to come
        self._data: dict[str, Data] = {}
        self._starting: RayStart | None = None
        if self.found.problems:
            from tune_app.session.preparation import refuse

            refuse(self)
        self.take_study(self.study)
        self.lost = ""  # what became of the cluster, where it ended the run
        self.watching: Watching | None = None  # the process that serves the page of the running study
        self.review: Review | None = None  # predicted and actual time of what ran
        self.remedies = Remedies()  # what to do about code or data that changed

    def take_study(self, study: Study) -> None:
        """Go on with a study that has more replicates than the one so far."""
        self.study = study
        self.specs: list[TrialSpec] = [trial.spec for trial in select_trials(study.grid_trials(), self.options.only)]

    def make_plan(self) -> "Plan":
        """The plan of the selected trials on this machine; imports torch."""
        from tune_app.session.planning import make_plan

        return make_plan(self.study, self.options, known=self.describe_data(), root=self.found.scope.root)

    def load_data(self) -> dict[str, Data]:
        """The study's data sets by name, loaded once; a TuneAppError for data that cannot be loaded or used."""
        for name in {spec.dataset: None for spec in self.specs}:
            self.load_data_set(name)
        return self._data

    def load_data_set(self, name: str, problems: list[str] | None = None) -> Data:
        """One of them; with `problems`, what is wrong with its arrays is added to them, and it is given as it is."""
        if name not in self._data:
            data = load_source(name, self.study.define, self.options.data, self.found.scope, problems)
            if problems:
                return data
            self._data[name] = data
        return self._data[name]

    def describe_data(self) -> "dict[str, DataFacts]":
        """The facts of data sets that do not ship, which are known once they are loaded."""
        if not set(self.study.data.names) & set(self.study.define):
            return {}
        return {name: describe_data(data) for name, data in self.load_data().items()}

    def run(self) -> Outcome:
        """`run_once`, with `until_decided` as often as it takes; it raises the same."""
        from tune_app.session.until_decided import run_until_decided

        outcome = run_until_decided(self) if self.options.until_decided else self.run_once()
        if self.watching:
            self.watching.finish(outcome.page)
        elif self.options.watch:
            self.report("Nothing was left to run, and so there was nothing to watch.")
        return outcome

    def close(self) -> None:
        """Let go who watches, once there is nothing more to show."""
        if self.watching:
            self.watching.close()

    def run_once(self) -> Outcome:
        """Run what the records lack and export what there is.

        Raises a TuneAppError for bad input before any trial starts, and where disks or folders refuse.
        """
        try:
            return self._run_once()
        finally:
            if self._starting:
                self._starting.join()
                self._starting = None

    def _run_once(self) -> Outcome:
        with say_while(self.report, "The records are being read"):
            origin = self.check_origin()
            known = peek_records(None if self.options.fresh else self.folder, self.specs, origin)
            self._check_unchanged(known, None)
        missing = self.find_missing(known)
        plan = dataset = None
        if any(missing.values()):  # bad input is refused before records are touched
            if not self.study.define:  # where there is nothing to import that may turn out to be wrong
                self._start_ray()
            from tune_app.session.preparation import prepare

            with say_while(self.report, "The study is being prepared"):
                plan, dataset = prepare(self, self._start_ray)
                self._check_unchanged(known, dataset)
        from tune_app.export.folder import check_writable  # here, after Ray's start: it takes the figures along

        check_writable(self.results)
        if self.options.fresh and (aside := set_records_aside(self.folder)):
            self.report(f"Starting over; the old records are in {aside}.")
        with say_while(self.report, "The records are being read"):
            store = RecordStore(self.folder)
        try:
            with say_while(self.report, "The records are being taken up"):
                self._take_over(store, origin)
                score_anew(self, store)
            interrupted = bool(plan and dataset and self._execute(plan, dataset, store))
            return self._finish(store, interrupted, dataset)
        finally:
            store.close()

    def _start_ray(self) -> None:
        """Have Ray start beside what is still to be prepared, where it is what the study runs on."""
        if self.options.executor == "ray" and not self._starting:
            from tune_app.session.starting import start_beside

            self._starting = start_beside(self)

    def check(self) -> "Plan":
        """The plan, once every part has been imported and tried on two samples; StudyError with all that is wrong."""
        from tune_app.session.preparation import prepare

        return prepare(self)[0]

    def find_records(self) -> RecordSet:
        """The records that a run would start from; nothing is touched. Raises a TuneAppError if they cannot be read."""
        return peek_records(None if self.options.fresh else self.folder, self.specs, self.check_origin())

    def find_missing(self, records: RecordSet) -> dict[str, tuple[int, ...]]:
        """Trial → the folds to run: those without a record, without a kept network, or of code that has changed."""
        missing = find_missing(self.specs, records, self._find_holder())
        again = {trial: [fold for name, fold in self.remedies.train if name == trial] for trial in missing}
        return {trial: tuple(sorted({*folds, *again[trial]})) for trial, folds in missing.items()}

    def check_origin(self) -> StoredResults | None:
        """The results whose records are taken over first, if any; raises a TuneAppError if they cannot be read."""
        return read_results(self.options.continue_from) if self.options.continue_from else None

    def _check_unchanged(self, known: RecordSet, dataset: dict[str, Data] | None) -> None:
        """Raise StudyError if networks or data have changed since the records were made, unless that is no matter."""
        metrics = {name: part for name, part in self.study.define.items() if name in self.study.metrics.named}
        changes = find_changes(self.specs, known, dataset, self.found.scope.root, metrics)
        self.remedies = find_remedies(self, changes, known)

    def _find_holder(self) -> HoldsBest | None:
        """What says whether a trial's best network is on disk; None where none is kept."""
        if self.options.keep != "best":
            return None
        from tune_app.trial.keeper import Keeper  # torch reads the weights

        return Keeper(self.folder / "weights").holds_best

    def _take_over(self, store: RecordStore, origin: StoredResults | None) -> None:
        for line in describe_damage(store, origin):
            self.report(line)
        if store.torn:
            self.report(
                f"The last record was cut off ({len(store.torn)} bytes); it is dropped and its fold runs again."
            )
        if origin:
            fits = take_over(store, origin, self.specs, partial(note_environments, self))
            self.report(f"Took over {fits} completed fits from {self.options.continue_from}.")
        if changed := describe_changes(self.study, self.specs, store):
            self.report(changed)

    def _execute(self, plan: "Plan", dataset: dict[str, Data], store: RecordStore) -> bool:
        """Run the missing folds; True if it was interrupted. Notes where they run and what was planned."""
        from tune_app.session.execution import Execution
        from tune_app.session.review import find_whole_plan, review
        from tune_app.session.watch.watching import watch_session

        shown = self.report, self.console, self.callbacks
        note = partial(note_environments, self)
        execution = Execution(plan, self.options, self.folder, dataset, *shown, self.found.scope, note, self._starting)
        execution.begun, execution.watch = self.begun, watch_session(self, dataset) if self.options.watch else None
        self.phase = "Interrupted: every finished fit is on disk."
        note_environment = partial(write_run, self, execution, find_earlier(self))
        note_environment()  # a run that is killed has said where it ran, too
        missing = self.find_missing(store.records)
        lost = sum(len(missing[spec.id]) > len(store.records.missing_folds(spec.id, spec.folds)) for spec in self.specs)
        if lost:
            self.report(f"{lost} trials have records but no kept network; they run again to keep one.")
        begun = time.time()

        def settle() -> None:
            self.lost = execution.lost
            self.review = review(execution.plan, execution.work, missing, store.records, begun, self.begun)
            note_environment()
            write_plan(self.folder / PLAN_FILE, find_whole_plan(self, execution.plan).build_frame())

        def leave() -> None:
            settle()
            show(self, self._finish(store, True, dataset))

        interrupted = execution.run(missing, store, leave)
        settle()
        return interrupted

    def _finish(self, store: RecordStore, interrupted: bool, dataset: dict[str, Data] | None) -> Outcome:
        self.phase = (
            "Interrupted while the tables were written: every record is on disk, and the same command writes them "
            "again."
        )
        if added := add_metrics(self, store):
            self.report(f"{added} fits scored by metrics that were added; nothing was trained for it.")
        from tune_app.export.folder import write_results
        from tune_app.session.exporting import build_results
        from tune_app.session.results import Results

        with say_while(self.report, "Tables, figures and page are being written"):
            results, folder, current = build_results(self, store.records, dataset)
            undrawn = [] if current else write_results(folder, results)
        if self.review and not current:
            self.review = self.review.end()
        left = {(spec.id, fold) for spec in self.specs for fold in store.records.missing_folds(spec.id, spec.folds)}
        if not left:
            clear_states(self.folder)
        return Outcome(
            results=Results(results, folder),
            folder=folder,
            wanted=self.results,
            weights=self.folder / "weights",
            fits=sum(spec.folds for spec in self.specs),
            missing=len(left),
            failed=tuple(store.records.folds[key] for key in sorted(left) if key in store.records.folds),
            unkept=find_unkept(self.specs, store.records, self._find_holder()),
            interrupted=interrupted,
            lost=self.lost,
            written=not current,
            undrawn=tuple(undrawn),
            took=tuple(self.review.describe()) if self.review else (),
        )
