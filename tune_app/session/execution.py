"""A plan run: work items made, an executor started, records stored and shown. Importing this takes torch along."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from tune_app.data import Data
from tune_app.errors import ClusterError, StudyError
from tune_app.executors.arrival import find_lacking_parts
from tune_app.executors.inline import run_inline
from tune_app.monitor import Monitor, NoteEnvironments, RecordFlow
from tune_app.monitor.progress import Progress
from tune_app.monitor.terminal import shorten_path
from tune_app.parts.fingerprints import fingerprint_code, fingerprint_definition
from tune_app.parts.networks import choose_network
from tune_app.parts.references import Scope, describe_refusal
from tune_app.parts.scoring import build_scoring
from tune_app.parts.sources import describe_data
from tune_app.parts.splits import Split, build_limit
from tune_app.parts.splitters import find_alike_splits
from tune_app.parts.trial_splits import build_trial_splits
from tune_app.plan import WorkItem, spread
from tune_app.records import RecordSet, RecordStore
from tune_app.records.environments import read_versions
from tune_app.session.interrupts import ignore_interrupts
from tune_app.session.options import RunOptions
from tune_app.session.output import quote_argument
from tune_app.session.planning import Plan, make_plan
from tune_app.session.resume import CARRIED_FOLDER, CHECKPOINT_FOLDER
from tune_app.session.showing import EachRecord, build_monitors
from tune_app.session.starting import RayStart
from tune_app.study import Study, TrialSpec
from tune_app.study.define import Definition
from tune_app.study.seeds import build_seed
from tune_app.trial import Checkpoints
from tune_app.trial.keeper import CarriedStates, Keeper, KeptCheckpoints
from tune_app.trial.outputs import OutputFiles

BIN = Path(sys.executable).parent
Report = Callable[[str], None]


def build_work(plan: Plan, missing: Mapping[str, tuple[int, ...]]) -> list[WorkItem]:
    """The plan's trials with the folds that they or those who share their training lack, in the plan's order."""
    work = []
    for trial in plan:
        sharing = [other for other in plan if other.shares_fits_of == trial.id and missing[other.id]]
        folds = sorted({fold for each in (trial, *sharing) for fold in missing[each.id]})
        if folds and trial.shares_fits_of is None:
            work.append(WorkItem(trial, tuple(folds), tuple(sharing)))
    return work


def spread_work(plan: Plan, missing: Mapping[str, tuple[int, ...]]) -> list[WorkItem]:
    """The work items in the order of their start; this process is one slot, which nothing is gained by feeding."""
    work = build_work(plan, missing)
    return work if plan.place.serial and plan.shard == "auto" else spread(work, plan.nodes, plan.shard)


def find_settled(records: RecordSet, plan: Plan, work: Sequence[WorkItem]) -> RecordSet:
    """The records of the plan's folds that no item trains again; a fold whose network is lost is trained again."""
    trained = {(trial.id, fold) for item in work for trial in item.trials for fold in item.folds}
    return RecordSet(r for r in records.in_order(trial.id for trial in plan) if (r.trial, r.fold) not in trained)


def find_split_problems(specs: Iterable[TrialSpec], datasets: Mapping[str, Data], scope: Scope) -> list[str]:
    """Sentences on splits that the data cannot give (a class rarer than the folds): not in every actor."""
    problems: dict[str, None] = {}
    failed: set[tuple[Any, ...]] = set()
    found: dict[tuple[Any, ...], list[tuple[Split, ...]]] = {}
    for spec in specs:
        key, dataset = (spec.dataset, spec.train_images, spec.folds), datasets[spec.dataset]
        if spec.replicate != len(found.setdefault(key, [])) or key in failed:
            continue
        positions = build_limit(dataset.targets, spec.train_images, build_seed(spec.seed, "limit"))
        try:
            found[key].append(build_trial_splits(spec, dataset, positions))
        except StudyError as error:
            problems[describe_refusal(error, scope)] = None
            failed.add(key)
    problems |= {problem: None for each in found.values() if (problem := find_alike_splits(each))}
    return list(problems)


def find_definitions(study: Study, specs: Iterable[TrialSpec]) -> dict[str, Definition]:
    """The study's own parts that these trials use, those that score them among them."""
    found = {name: part for spec in specs for name, part in spec.definitions.items()}
    return found | dict(build_scoring(study).definitions)


@dataclass
class Execution:
    """One run of a plan's missing folds. `plan` is made again from the nodes where a cluster is joined."""

    plan: Plan
    options: RunOptions
    folder: Path  # of the study, in `options.runs`
    datasets: Mapping[str, Data]
    report: Report
    console: Console | None  # None: nothing is displayed
    callbacks: Sequence[Monitor] = ()
    scope: Scope | None = None  # where the study's own parts lie
    note: NoteEnvironments | None = None
    starting: RayStart | None = None  # None: trials run in this process
    lost: str = ""  # what became of the cluster, where it ended the run
    begun: float | None = None  # when the command did, by the clock of `time.monotonic`
    work: Sequence[WorkItem] = ()  # what is run
    watch: Callable[[Progress], Monitor] | None = None  # who else must be told of its progress
    differing: tuple[str, ...] = ()  # versions of its nodes that are not those here, as --mixed-versions allows

    def run(
        self,
        missing: Mapping[str, tuple[int, ...]],
        store: RecordStore,
        leave: Callable[[], None] | None = None,
    ) -> bool:
        """Run the folds; True if it was interrupted, by the user or by the loss of the cluster.

        Records are in the store when this returns, come what may. Where Ray's core is stuck after the loss of the
        cluster, this never returns: another thread calls `leave`, with `lost` set, and the process ends.
        """
        self.work = work = spread_work(self.plan, missing)
        self._announce(work)
        keep = Keeper(self.folder / "weights") if self.options.keep == "best" else None
        carries = any(trial.spec.has_dependent_folds for trial in self.plan)
        carrier = CarriedStates(self.folder / CARRIED_FOLDER) if carries else None
        checkpoints = KeptCheckpoints(self.folder / CHECKPOINT_FOLDER)
        run = run_inline
        flow: RecordFlow | None = None
        self._report_where()
        try:
            if self.starting:
                on_ray, cluster = self.starting.wait()
                run = partial(on_ray.run_on_ray, leave=lambda sentence: self._leave(sentence, flow, leave))
                known = {name: describe_data(data) for name, data in self.datasets.items()}
                self.plan = make_plan(self.plan.study, self.options, cluster.nodes, known, root=self._root)
                self.plan.check_shares()
                work = spread_work(self.plan, missing)
                self._check_nodes(on_ray, work)
            self.work = work
            monitors = build_monitors(self, find_settled(store.records, self.plan, work))
            flow = RecordFlow(store, [*monitors, EachRecord(checkpoints.forget)], self.note)
            run(
                work,
                self.datasets,
                flow,
                device=self.options.device,
                keep=keep,
                carrier=carrier,
                report_within=self.options.report_within,
                keep_outputs=OutputFiles(self.folder),
                scoring=build_scoring(self.plan.study),
                root=self._root,
                expected=self._fingerprint_code(),
                checkpoints=Checkpoints(checkpoints, self.options.checkpoint_after),
            )
        except KeyboardInterrupt:
            ignore_interrupts()  # a second Ctrl-C must not break off the goodbye
            return True
        except ClusterError as error:
            self.lost = str(error)
            return True
        finally:
            if flow:
                flow.close()
            if self.starting:
                self.starting.end()
        return False

    def _leave(self, sentence: str, flow: RecordFlow | None, leave: Callable[[], None] | None) -> None:
        self.lost = sentence
        if flow:
            flow.close()
        if leave:
            leave()

    @property
    def _root(self) -> Path | None:
        return self.scope.root if self.scope else None

    def _find_definitions(self) -> dict[str, Definition]:
        return find_definitions(self.plan.study, [trial.spec for trial in self.plan])

    def _check_nodes(self, on_ray: ModuleType, work: Sequence[WorkItem]) -> None:
        """Raise ResourceError if nodes that trials can run on lack what these need, or have another version."""
        specs = [trial.spec for item in work for trial in item.trials if trial.spec.definitions]
        if not specs and not self.options.address:
            return
        definitions = self._find_definitions()
        networks = {
            spec.model: choose_network(spec, describe_data(self.datasets[spec.dataset]))
            for spec in reversed(specs)
            if spec.model in spec.definitions
        }
        expected = {name: fingerprint_definition(part, self._root) for name, part in definitions.items()}
        shares = {trial.share for trial in self.plan}
        with on_ray.watch_head():
            found = on_ray.check_nodes(
                partial(find_lacking_parts, definitions, networks, expected, self._root),
                lambda node: any(s.cpus <= node.get("CPU", 0) and s.gpus <= node.get("GPU", 0) for s in shares),
                read_versions() if self.options.address else None,
                may_differ=self.options.mixed_versions,
            )
        self.differing = tuple(found)
        for sentence in self.differing:
            self.report(f"Warning: {sentence}.")

    def _fingerprint_code(self) -> dict[str, dict[str, str]]:
        """The source of users' parts as it is here, by trial: actors compare theirs with it."""
        specs = [trial.spec for trial in self.plan if trial.spec.definitions]
        return {spec.id: fingerprint_code(spec, self._root) for spec in specs}

    def _announce(self, work: Sequence[WorkItem]) -> None:
        fits = sum(len(item.folds) * len(item.trials) for item in work)
        done = f", {self.plan.fits - fits} done before" if fits < self.plan.fits else ""
        trials = len({trial.id for item in work for trial in item.trials})
        self.report(f"{self.plan.study.name}: {fits} fits in {trials} trials to run{done}.")

    def _report_where(self) -> None:
        board, folder = (
            quote_argument(shorten_path(path)) for path in (BIN / "tensorboard", self.folder / "tensorboard")
        )
        self.report(f"TensorBoard:\n  {board} --logdir {folder}")
