"""python -m tune_app.grid [study]: plan a study, run what its records lack, export its tables.

Exit codes: 0 every fit completed, 1 some fits failed, 2 bad input, 130 interrupted.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from tensorboardX import SummaryWriter

from tune_app import data
from tune_app.analysis.claims import find_undecidable
from tune_app.engine.cost import build_gpu_share, estimate_gpu_bytes, measure_machine_rates
from tune_app.errors import DataError, ResourceError, ResultsError, StudyError, TuneAppError
from tune_app.executors.inline import run_inline
from tune_app.export.folder import check_writable, choose_folder, write_results
from tune_app.export.page import PAGE_FILE
from tune_app.export.tables import build_terminal_tables
from tune_app.monitor import Monitor, RecordFlow
from tune_app.monitor.tensorboard import TensorBoardMonitor
from tune_app.monitor.terminal import LiveMonitor, PlainMonitor, Progress, Watched, describe_fit, spell_seconds
from tune_app.parts.catalog import build_catalog
from tune_app.parts.splits import build_limit, build_splits
from tune_app.plan import (
    GpuShare,
    PlannedTrial,
    Shares,
    WorkItem,
    build_plan,
    build_plan_frame,
    check_shares,
    parse_only,
)
from tune_app.records import RECORDS_FILE, RecordSet, RecordStore, set_records_aside
from tune_app.records.results import Results, TestSet, read_environment, read_reference, read_results
from tune_app.session.environment import build_command, build_environment, count_cpus
from tune_app.session.testset import build_test_set
from tune_app.study.file import SHIPPED, find_study, read_study
from tune_app.study.seeds import build_seed
from tune_app.trial import build_network
from tune_app.trial.keeper import CarriedStates, Keeper

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
Plan = tuple[PlannedTrial, ...]
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def build_parser() -> argparse.ArgumentParser:
    """Every option of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tune_app.grid",
        description="Run a study: every condition of its grid, cross-validated, in parallel; then export its tables.",
    )
    add = parser.add_argument
    shipped = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.yaml")))
    add("study", nargs="?", default="quick", help=f"one that ships ({shipped}) or a YAML file; default quick")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, such as recipe.epochs=1")
    add("--only", metavar="FACTOR=LEVEL,…", help="run a part of the grid, such as model=cnn,folds=4")
    add("--dry-run", action="store_true", help="print the plan and start nothing")
    add("--fresh", action="store_true", help="start over; the old records are kept beside the new ones")
    add("--continue-from", type=Path, metavar="FOLDER", help="take over the records of a results folder first")
    add(
        "--keep", choices=("none", "best"), default="none", help="save each trial's best network by validation accuracy"
    )
    add("--executor", choices=("ray", "inline"), default="ray", help="actors on Ray Tune, or this process; default ray")
    add("--address", help="a Ray cluster to use instead of this machine, such as auto or 10.0.0.1:6379")
    add("--cpus-per-trial", type=float, metavar="N", help="share of a node's cores for each trial; default 1")
    add("--gpus-per-trial", type=float, metavar="N", help="share of a GPU for each trial; default by memory")
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="default: a GPU for trials with a share of one",
    )
    add("--runs", type=Path, default=ROOT / "runs", metavar="FOLDER", help="where records and event files go")
    add("--results", type=Path, default=ROOT / "results", metavar="FOLDER", help="where tables go")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is the module's docstring's."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    console = _Console()
    run: _Run | None = None
    try:
        with _terminate_as_interrupt():
            run = _Run(options, console)
            return run.run()
    except TuneAppError as error:
        name = type(error).__name__
        print("\n".join(f"{name}: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(run.goodbye if run else "Interrupted before anything started.", file=sys.stderr)
        return EXIT_INTERRUPTED


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM ends the study as Ctrl-C does: with everything on disk and a word on how to go on."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Console(Console):
    """A console whose reader may leave (`| head`): the study goes on without it."""

    def on_broken_pipe(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Run:
    """One call of the command, step by step."""

    goodbye = "Interrupted before anything started."

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self.options = options
        self.console = console
        self.nodes: list[Any] = [{"CPU": count_cpus(), "GPU": torch.cuda.device_count()}]
        self.connected = False  # to a cluster, whose nodes are then `nodes`

    def run(self) -> int:
        options = self.options
        path = find_study(options.study)
        self.study = read_study(path, options.set, build_catalog())
        self.reference = self._find_reference(path)
        self.only = None if options.only is None else parse_only(options.only)
        for name in ("cpus_per_trial", "gpus_per_trial"):
            share = getattr(options, name)
            if share is not None and not 0 <= share < float("inf"):
                raise StudyError(f"--{name.replace('_', '-')} {share:g}: a share must be 0 or more, such as 0.5 or 1")
        if options.device == "cuda" and not options.address and not torch.cuda.is_available():
            raise ResourceError(
                f"--device cuda: torch {torch.__version__} sees no GPU here (no driver, or a CPU build); leave it "
                "out, or write --device cpu"
            )
        self.plan = self._build_plan(self.only)
        if options.dry_run:
            self._print_plan()
        if not options.address:
            check_shares(self.plan, self.nodes)
        self.folder: Path = options.runs.resolve() / self.study.name
        self.results: Path = options.results.resolve() / self.study.name
        self.keeper = Keeper(self.folder / "weights")
        self.carrier = CarriedStates(self.folder / "carried")
        self.origin = read_results(options.continue_from) if options.continue_from else None
        if options.dry_run:
            return 0
        check_writable(self.results)
        if options.fresh:
            self._set_aside()
        store = RecordStore(self.folder)
        try:
            self._take_over(store)
            return self._run_missing(store)
        finally:
            store.close()

    def _run_missing(self, store: RecordStore) -> int:
        self._tell_resumption(store)
        work = self._build_work(store.records)
        interrupted = False
        dataset: data.Dataset | None = None
        if work:
            dataset = data.load_dataset(self.study.data.name)
            self._check_splits(dataset)
            interrupted = self._execute(work, dataset, store)
        return self._finish(store, interrupted, dataset)

    def _find_reference(self, study_path: Path) -> Path | None:
        name = self.study.reference
        if name is None:
            return None
        for folder in (study_path.parent, SHIPPED):
            if (folder / name).is_file():
                read_reference(folder / name)
                return folder / name
        raise StudyError(
            f"reference: {name} is neither beside {study_path} nor among those that ship; put it beside the study, or leave it out"
        )

    def _build_plan(self, only: Mapping[str, str] | None) -> Plan:
        options = self.options
        gpus: float | GpuShare = 0.0
        node = max(self.nodes, key=lambda node: node.get("GPU", 0))
        if options.gpus_per_trial is not None:
            gpus = options.gpus_per_trial
        elif node.get("GPU", 0) and options.device != "cpu":
            if torch.cuda.is_available():
                memory = torch.cuda.get_device_properties(0).total_memory
                gpus = lambda spec, cost: build_gpu_share(  # noqa: E731
                    estimate_gpu_bytes(spec, cost), memory, node["GPU"], node["CPU"]
                )
            elif options.address:
                gpus = 1.0  # this machine cannot ask how much memory the cluster's GPUs have
        cpus = 1.0 if options.cpus_per_trial is None else options.cpus_per_trial
        plan = build_plan(self.study, Shares(cpus, gpus, options.device != "cpu"), measure_machine_rates(), only)
        without = next((trial.id for trial in plan if not trial.gpus), None)
        if options.device == "cuda" and without and (self.connected or not options.address):
            raise ResourceError(
                f"--device cuda: trial {without} holds no share of a GPU (gpus_per_trial is 0, or no node has one), so "
                "it would run on one that is not counted; give it a share such as --gpus-per-trial 0.1, or leave "
                "--device out"
            )
        return plan

    def _print_plan(self) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in ("trial", "fits", "parameters", "training images", "CPUs", "GPUs", "engine", "about"):
            is_id = column == "trial"  # the one column that may wrap: a number cut off is no number
            table.add_column(column, justify="left" if is_id else "right", no_wrap=not is_id, overflow="fold")
        for trial in self.plan:
            about = spell_seconds(trial.seconds * trial.fits)
            share = f"{trial.cpus:g}", f"{trial.gpus:g}", trial.engine
            table.add_row(trial.id, str(trial.fits), f"{trial.parameters:,}", f"{trial.train_images:,}", *share, about)
        wide = Console(width=max(self.console.width, 120)) if not self.console.is_terminal else self.console
        wide.print(table)
        wide.print(self._totals(), highlight=False)
        undecidable = find_undecidable(self.study)
        if undecidable:
            self._say(f"{len(undecidable)} of {len(self.study.claims)} claims cannot be decided by this design:")
            for line in undecidable:
                self._say(f"- {line}")

    def _totals(self) -> str:
        fits = sum(trial.fits for trial in self.plan)
        cpus = sum(node.get("CPU", 0) for node in self.nodes)
        seconds = sum(trial.seconds * trial.fits for trial in self.plan)
        slots = max(1.0, min(cpus / max(min(t.cpus for t in self.plan), 1e-3), len(self.plan)))
        longest = max(trial.seconds * trial.fits for trial in self.plan)
        about = spell_seconds(max(seconds / slots, longest))
        on = f"{cpus:g} cores" if not any(trial.gpus for trial in self.plan) else "these cores (GPUs are faster)"
        return f"{len(self.plan)} trials, {fits} fits, about {about} on {on}"

    def _set_aside(self) -> None:
        aside = set_records_aside(self.folder)
        if aside:
            self._say(f"Starting over; the old records are in {aside}.")

    def _take_over(self, store: RecordStore) -> None:
        if store.torn:
            self._say(f"The last record was cut off ({len(store.torn)} bytes); it is dropped and its fold runs again.")
        if self.origin:
            earlier = self.origin.records
            order = [trial.id for trial in self.plan]
            new = [
                record
                for record in earlier.in_order(order)
                if earlier.is_completed(record.trial, record.fold)
                and not store.records.is_completed(record.trial, record.fold)
            ]
            for record in new:
                store.append(record)
            folds = len({(record.trial, record.fold) for record in new})
            self._say(f"Took over {folds} completed fits from {self.options.continue_from}.")

    def _tell_resumption(self, store: RecordStore) -> None:
        known = {trial.spec.id for trial in self.study.grid_trials()}
        foreign = {trial for trial, _ in store.records.folds} - known
        if foreign:
            new = [trial.id for trial in self.plan if not any(key[0] == trial.id for key in store.records.folds)]
            self._say(
                f"The study has changed: records of {len(foreign)} trials no longer match it and are left out of the "
                f"tables (kept in {self.folder / RECORDS_FILE}); {len(new)} trials run anew"
                + (f": {', '.join(new[:6])}{', …' if len(new) > 6 else ''}." if new else ".")
            )

    def _build_work(self, records: RecordSet) -> list[WorkItem]:
        missing: dict[str, tuple[int, ...]] = {}
        kept_anew = 0
        for trial in self.plan:
            missing[trial.id] = records.missing_folds(trial.id, trial.spec.folds)
            if (
                self.options.keep == "best"
                and len(missing[trial.id]) < trial.fits
                and not self.keeper.holds_best(trial.id, records)
            ):
                missing[trial.id] = tuple(range(trial.fits))
                kept_anew += 1
        work = []
        for trial in self.plan:
            sharing = [other for other in self.plan if other.shares_fits_of == trial.id and missing[other.id]]
            folds = sorted({fold for each in (trial, *sharing) for fold in missing[each.id]})
            if folds and trial.shares_fits_of is None:
                work.append(WorkItem(trial, tuple(folds), tuple(sharing)))
        if kept_anew:
            self._say(f"{kept_anew} trials have records but no kept network; they run again to keep one.")
        return work

    def _check_splits(self, dataset: data.Dataset) -> None:
        """Splits that the labels cannot give (a class rarer than the folds) must fail here, not in every actor."""
        study = self.study
        problems: list[str] = []
        for images, folds in dict.fromkeys((t.spec.train_images, t.spec.folds) for t in self.plan):
            labels = dataset.train_labels[build_limit(dataset.train_labels, images, build_seed(study.seed, "limit"))]
            try:
                build_splits(labels, folds, study.splitter, 0)
            except StudyError as error:
                problems += error.problems
        if problems:
            raise StudyError(problems)

    def _execute(self, work: list[WorkItem], dataset: data.Dataset, store: RecordStore) -> bool:
        """Run the work; True if it was interrupted."""
        fits = sum(len(item.folds) * len(item.trials) for item in work)
        total = sum(trial.fits for trial in self.plan)
        done = f", {total - fits} done before" if fits < total else ""
        trials = sum(len(item.trials) for item in work)
        self._say(f"{self.study.name}: {fits} fits in {trials} trials to run{done}.")
        monitors: list[Monitor] = []
        keep = self.keeper if self.options.keep == "best" else None
        flow: RecordFlow | None = None
        run, stop = run_inline, None
        try:
            if self.options.executor == "ray":
                on_ray = _import_ray()
                run, stop = on_ray.run_on_ray, on_ray.stop_ray
                cluster = on_ray.start_ray(self.options.address)
                self.nodes, self.connected = cluster.nodes, True
                if self.options.address:  # the plan so far was made for this machine
                    self.plan = self._build_plan(self.only)
                    work = _plan_anew(work, self.plan)
                check_shares(self.plan, self.nodes)
                self._tell_where(cluster.dashboard)
            else:
                self._tell_where(None)
            monitors += self._build_monitors(store.records, dataset)
            flow = RecordFlow(store, monitors)
            carrier = self.carrier if any(trial.spec.has_dependent_folds for trial in self.plan) else None
            run(work, dataset, flow, device=self.options.device, keep=keep, carrier=carrier)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break off the goodbye
            return True
        finally:
            if flow:
                flow.close()
            if stop:
                stop()
        return False

    def _tell_where(self, dashboard: str | None) -> None:
        if dashboard:
            self._say(f"Ray dashboard: {dashboard} (it asks for a token: {_near(BIN / 'ray')} get-auth-token)")
        elif self.options.executor == "ray":
            self._say("Ray dashboard: none on this cluster")
        self._say(f"TensorBoard: {_near(BIN / 'tensorboard')} --logdir {_near(self.folder / 'tensorboard')}")

    def _build_monitors(self, records: RecordSet, dataset: data.Dataset) -> list[Monitor]:
        watched = {
            trial.id: Watched(trial.fits, trial.spec.recipe.epochs, trial.seconds, _spell_share(trial))
            for trial in self.plan
        }
        progress = Progress(watched, {key for key in records.completed() if key[0] in watched})
        terminal = LiveMonitor if self.console.is_terminal else PlainMonitor
        specs = {trial.id: trial.spec for trial in self.plan}
        shape = dataset.train_images.shape[1:]

        def draw_graph(writer: SummaryWriter, trial: str) -> None:
            torch.manual_seed(0)
            network = build_network(specs[trial], (shape[0], shape[1], shape[2]), dataset.classes).eval()
            with warnings.catch_warnings():
                # tensorboardX draws what torch.jit traces, and torch deprecates that without another way to draw.
                warnings.simplefilter("ignore", FutureWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                writer.add_graph(network, torch.zeros(1, *shape))

        conditions = {name: {**spec.condition, "replicate": spec.replicate} for name, spec in specs.items()}
        try:
            board = TensorBoardMonitor(self.folder / "tensorboard", conditions, records, draw_graph)
        except OSError as error:
            self._say(f"Without TensorBoard: {self.folder / 'tensorboard'} cannot be written ({error.strerror}).")
            return [terminal(self.console, progress)]
        return [terminal(self.console, progress), board]

    def _finish(self, store: RecordStore, interrupted: bool, dataset: data.Dataset | None) -> int:
        self.goodbye = (
            "Interrupted while the tables were written: every record is on disk, and the same command writes them anew."
        )
        reference = read_reference(self.reference) if self.reference else {}
        results = Results(self.study, store.records, reference)
        folder = choose_folder(self.results, results)
        environment = build_environment(self.study, self.nodes, build_command(), self._find_earlier(folder))
        plan = build_plan_frame(self._build_plan(None))
        results = replace(results, test=self._build_test_set(results, dataset), plan=plan)
        write_results(folder, results, environment, self.reference)
        for table in build_terminal_tables(results):
            self.console.print(table)
        if folder != self.results:
            self._say(
                f"{self.results} holds records that this run lacks or cannot read, so its tables are in {folder}; "
                f"add to the former with --continue-from {self.results}, or give an edited study another name."
            )
        self._say(f"Tables and page: {_near(folder / PAGE_FILE)}")
        left = {(t.id, fold) for t in self.plan for fold in store.records.missing_folds(t.id, t.fits)}
        if not left:
            self.carrier.clear()
        if self.options.keep == "best":
            whole = [trial.id for trial in self.plan if not store.records.missing_folds(trial.id, trial.fits)]
            lacking = [trial for trial in whole if not self.keeper.holds_best(trial, store.records)]
            if lacking:
                self._say(
                    f"{len(lacking)} networks could not be kept in {self.keeper.folder}, {lacking[0]} among them: free "
                    "some space and run the same command again."
                )
        failed = [store.records.folds[key] for key in sorted(left) if key in store.records.folds]
        for record in failed:
            folds = next(trial.fits for trial in self.plan if trial.id == record.trial)
            self._say(describe_fit(record, folds))
        if interrupted:
            total = sum(trial.fits for trial in self.plan)
            self._say(
                f"Interrupted: {total - len(left)} of {total} fits are done and on disk. "
                f"Go on with: {build_command().replace(' --fresh', '')}"
            )
            return EXIT_INTERRUPTED
        if failed:
            self._say(f"{len(failed)} fits failed; the same command runs them again.")
            return EXIT_FAILED
        return 0

    def _find_earlier(self, folder: Path) -> list[Mapping[str, Any]]:
        """The environments of the runs before this one, as far as results folders tell."""
        found = [self.origin.environment] if self.origin else []
        with contextlib.suppress(ResultsError):  # one that cannot be read is about to be written anew
            if not self.options.fresh:
                found.append(read_environment(folder))
        return [environment for environment in found if environment]

    def _build_test_set(self, results: Results, dataset: data.Dataset | None) -> TestSet | None:
        try:
            return build_test_set(results, dataset or data.load_dataset(self.study.data.name))
        except DataError as error:  # nothing ran, so nothing but the confusions needs the images
            self._say(f"The confusions are left out: {error}")
            return None

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _plan_anew(work: list[WorkItem], plan: Plan) -> list[WorkItem]:
    """The same folds to run, with the costs and shares of another plan."""
    by_id = {trial.id: trial for trial in plan}
    anew = {item.trial.id: item for item in work}
    items = [anew[trial.id] for trial in plan if trial.id in anew]
    return [
        replace(item, trial=by_id[item.trial.id], also=tuple(by_id[trial.id] for trial in item.also)) for item in items
    ]


def _import_ray() -> ModuleType:
    """The executor on Ray; ResourceError where Ray is not installed."""
    try:
        from tune_app.executors import ray as on_ray  # here, because it costs seconds and inline needs no Ray
    except ImportError as error:
        raise ResourceError(
            f"Ray cannot be imported ({error}); install requirements.txt, or run with --executor inline"
        ) from error
    return on_ray


def _near(path: Path) -> str:
    """The path as seen from here, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _spell_share(trial: PlannedTrial) -> str:
    return f"{trial.cpus:g} CPU" + (f", {trial.gpus:g} GPU" if trial.gpus else "") + f", {trial.engine}"


if __name__ == "__main__":
    sys.exit(main())
