"""Trials as actors on Ray Tune. The only file that imports ray; Ray's own words stay in here."""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

# Read when ray is imported or initialised: no usage reports (nothing leaves the machine), no second progress display,
# no loggers of Tune's own (the driver writes the records), and Ctrl-C raises here instead of ending `fit` quietly.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_WARN_THRESHOLD_S", "600")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault(
    "RAY_enable_worker_prestart", "0"
)  # idle workers would start beside the first actors, for nothing
# A local cluster turns token authentication on by itself; for an explicit address Ray sends this user's token only if
# told so before it is imported. A cluster that wants none ignores it.
if (Path.home() / ".ray" / "auth_token").exists():
    os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
from ray import tune
from ray.exceptions import GetTimeoutError, RayError
from ray.tune.experiment import Trial
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_app.data import Data, pick_data
from tune_app.errors import ResourceError
from tune_app.executors.flow import Flow
from tune_app.executors.inline import choose_device
from tune_app.executors.scratch import hold_folder
from tune_app.executors.staging import find_users_packages, make_absolute, stage_source, stage_study, use_staged_study
from tune_app.parts.closure import INSTALLED
from tune_app.parts.references import Scope
from tune_app.plan import WorkItem
from tune_app.records import FoldRecord, Record, build_failed_fold, record_from_dict, record_to_dict
from tune_app.records.environments import describe_here, mark, read_commit
from tune_app.study import TrialSpec
from tune_app.study.define import Definition
from tune_app.trial import BestNetwork, Carried, Carrier, Keep, KeepOutputs, RunTrial, TrialOptions, run_trial

SILENT_END = "the trial's process ended without a message"
CHECK_SECONDS = 300  # until a node has unpacked what it was sent, imported torch and built a network or two
# Starting an actor costs about 5 s (a process, ray, torch). Below this length of a trial, actors take the next
# trial instead; the price is that the dashboard keeps calling such an actor by its first trial.
REUSE_BELOW_SECONDS = 60.0


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster this process is connected to: each node's CPUs and GPUs, and the dashboard's URL, if any."""

    nodes: list[Mapping[str, float]]
    dashboard: str | None


def start_ray(
    address: str | None = None,
    scope: Scope | None = None,
    definitions: Mapping[str, Definition] | None = None,
    **options: Any,
) -> Cluster:
    """Start Ray on this machine, or connect to the cluster at `address` and send it the source.

    The study's own parts, which lie where `scope` says, are found by every worker: on this machine by the path, on a
    cluster by copies of what the study imports and of the files that its definitions name.

    Raises ResourceError if there is no cluster at that address, StudyError for more than it can be sent. `options` go
    to `ray.init`.
    """
    paths = _find_paths(scope, definitions or {}) if scope and not address else []
    settings: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address:
        settings |= {"address": address}
    else:
        # "local", because without an address Ray would join whatever cluster happens to run on this machine.
        settings |= {"address": "local", "include_dashboard": True}
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        with hold_folder() as folder:
            if address:
                staged = [stage_source(folder), *([stage_study(folder, scope, definitions or {})] if scope else ())]
                settings["runtime_env"] = {"py_modules": [str(path) for path in staged]}
            with _on_path(paths):
                context = ray.init(**(settings | options))
    except (OSError, ValueError, RuntimeError) as error:
        where = f"the cluster at {address}" if address else "Ray on this machine"
        raise ResourceError(
            f"{where} cannot be used: {error}; start a cluster with `ray start --head` (and set RAY_AUTH_TOKEN "
            "if it asks for a token), leave --address out, or run with --executor inline"
        ) from error
    signal.signal(signal.SIGTERM, on_terminate)  # Ray has put its own handler there, which kills with a dump
    for name in ("ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is reported from the records
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    url = context.dashboard_url
    return Cluster(nodes, f"http://{url}" if url else None)


@contextlib.contextmanager
def _on_path(paths: Sequence[str]) -> Iterator[None]:
    """Workers inherit the path that a local Ray is started with; it is put back afterwards."""
    before = os.environ.get("PYTHONPATH")
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, [*paths, before])))
    try:
        yield
    finally:
        if paths:
            os.environ.pop("PYTHONPATH")
            if before is not None:
                os.environ["PYTHONPATH"] = before


def _find_paths(scope: Scope, definitions: Mapping[str, Definition]) -> list[str]:
    """The study's folder, and those that its modules and this package come from by a path set in this process.

    What comes after the installed packages on the path is there in every process of this Python.
    """
    installed = (at for at, entry in enumerate(sys.path) if Path(entry).name in INSTALLED)
    own = {make_absolute(__file__).parents[2], *(base for base, _ in find_users_packages(scope, definitions))}
    entries = [make_absolute(entry) for entry in sys.path[: next(installed, None)]]
    return [str(scope.root), *(str(entry) for entry in entries if entry in own)]


def check_nodes(find_problems: Callable[[], list[str]], can_run: Callable[[Mapping[str, float]], bool]) -> None:
    """Ask every node that trials can run on what it lacks, before any of them starts.

    Raises ResourceError with a sentence for each problem that `find_problems` gives there, and for a node that cannot
    be asked; it names the node. `can_run` is given a node's resources.
    """
    asked = {}
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"] and can_run(node["Resources"]):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            # A process that has looked for GPUs keeps what it saw: where there are some, no trial may run in it.
            calls = {"max_calls": 1} if node["Resources"].get("GPU") else {}
            question = ray.remote(lambda: find_problems()).options(num_cpus=0, scheduling_strategy=there, **calls)
            asked[f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"] = question.remote()
    problems = [f"{name}: {problem}" for name, reply in asked.items() for problem in _read_reply(reply)]
    if problems:
        raise ResourceError("\n".join(problems))


def _read_reply(reply: Any) -> list[str]:
    try:
        found: list[str] = ray.get(reply, timeout=CHECK_SECONDS)
    except GetTimeoutError:
        return [f"it has not answered for {CHECK_SECONDS} s; see `ray status`, or leave it out of the cluster"]
    except RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return [f"trials cannot start there: {lines[-1] if lines else type(error).__name__}"]
    return found


def stop_ray() -> None:
    """End the actors, and the cluster too if `start_ray` started it."""
    ray.shutdown()


def run_on_ray(
    work: Sequence[WorkItem],
    data: Data | Mapping[str, Data],
    flow: Flow,
    *,
    device: str = "auto",
    keep: Keep | None = None,
    carrier: Carrier | None = None,
    run: RunTrial = run_trial,
    **options: Unpack[TrialOptions],
) -> None:
    """Run every item as a Tune trial on its share of a node, and send the records to `flow` as they come.

    A trial whose process ends early is started once more with what it lacks; what is still missing then is recorded as
    failed. Whatever `flow` raises ends the run and comes out here. KeyboardInterrupt leaves at once.
    """
    names = {item.trial.spec.dataset for item in work}
    shared = {name: ray.put(pick_data(data, name)) for name in names}
    writers = _start_writers(keep, carrier, options.pop("keep_outputs", None))
    relay = _Relay(work, flow)
    for _ in range(2):
        remaining = relay.remaining()
        if remaining:
            _run_once(remaining, shared, writers, relay, device, partial(run, **options) if options else run)
    for item in relay.remaining():
        for fold in item.folds:
            error = relay.errors.get((item.trial.id, fold), SILENT_END)
            for trial in item.trials:
                flow.record(build_failed_fold(trial.id, trial.spec.replicate, fold, "ActorDied", error, time.time()))


def _run_once(
    work: Sequence[WorkItem], shared: Any, writers: "_Writers", relay: "_Relay", device: str, run: RunTrial
) -> None:
    commit = read_commit()  # here, for a node that the source was sent to cannot tell
    configs = [
        {
            "item": item.id,
            "name": item.name,
            "spec": item.trial.spec.model_dump(mode="json"),
            "folds": list(item.folds),
            "also": [trial.spec.model_dump(mode="json") for trial in item.also],
            "cpu": item.trial.share.cpus,
            "gpu": item.trial.share.gpus,
            "threads": item.threads,
            "device": device,
            "commit": commit,
        }
        for item in work
    ]
    seconds = [item.trial.seconds * len(item.folds) for item in work]
    trainable = _build_trainable(shared, writers, run)
    tune_config = tune.TuneConfig(
        trial_name_creator=_trial_name,
        trial_dirname_creator=_trial_name,
        reuse_actors=sum(seconds) / len(seconds) < REUSE_BELOW_SECONDS,
    )
    no_checkpoints = tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False)
    relay.begin(work)
    with hold_folder() as folder:  # Tune insists on one; nothing in it is needed afterwards
        run_config = tune.RunConfig(
            storage_path=str(folder), name="study", verbose=0, callbacks=[relay], checkpoint_config=no_checkpoints
        )
        space = tune.grid_search(configs)
        tuner = tune.Tuner(trainable, param_space=space, tune_config=tune_config, run_config=run_config)
        with _keep_handlers():
            try:
                tuner.fit()
            except Exception as error:
                raise relay.raised or error from None


@contextlib.contextmanager
def _keep_handlers() -> Iterator[None]:
    """Tune leaves handlers of its own behind, which would swallow the next Ctrl-C of whoever called."""
    numbers = (signal.SIGINT, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) != handler:  # in the main thread, or Tune could not have changed it
                signal.signal(number, handler)


def _trial_name(trial: Trial) -> str:
    return str(trial.config["name"])


def _build_trainable(shared: Any, writers: "_Writers", run: RunTrial) -> type[tune.Trainable]:
    """The actor's class; the closure carries references to the one copy of the data that each node holds."""

    class TrialActor(tune.Trainable):
        @classmethod
        def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
            return tune.PlacementGroupFactory([{"CPU": config["cpu"], "GPU": config["gpu"]}])

        def setup(self, config: dict[str, Any]) -> None:
            self._records: Iterator[Record] | None = None
            trials = 1 + len(config["also"])
            self._left = dict.fromkeys(config["folds"], trials)
            self._environment = describe_here(config["commit"])

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            """The next record: Tune hands it to the driver as the trial's report."""
            if self._records is None:
                self._records = self._start()
            record = next(self._records)
            if isinstance(record, FoldRecord) and record.fold in self._left:
                self._left[record.fold] -= 1
            done = not any(self._left.values())
            record = mark(record, self._environment)
            return {"record": record_to_dict(record), "environment": self._environment, "done": done}

        def _start(self) -> Iterator[Record]:
            config = self.config
            spec = TrialSpec(**config["spec"])
            root = use_staged_study()
            return run(
                spec,
                ray.get(shared[spec.dataset]),
                folds=config["folds"],
                device=choose_device(config["device"], config["gpu"]),
                threads=config["threads"],
                also=[TrialSpec(**spec) for spec in config["also"]],
                keep=writers.keep if writers.keeps else None,
                carrier=writers if writers.carries else None,
                **({"keep_outputs": writers.keep_outputs} if writers.keeps_outputs else {}),
                **({"root": root} if root else {}),
            )

        def __repr__(self) -> str:
            return str(self.config["name"])

    TrialActor.__qualname__ = "TrialActor"  # the dashboard shows it
    return TrialActor


@dataclass(frozen=True)
class _Writers:
    """What trials write apart from records, through an actor on the driver's node: only there are files written."""

    actor: Any
    keeps: bool
    carries: bool
    keeps_outputs: bool = False

    def keep(self, best: BestNetwork) -> None:
        ray.get(self.actor.keep.remote(best))

    def keep_outputs(self, trial: str, fold: int, content: bytes) -> str:
        address: str = ray.get(self.actor.keep_outputs.remote(trial, fold, content))
        return address

    def read(self, trial: str) -> Carried | None:
        carried: Carried | None = ray.get(self.actor.read.remote(trial))
        return carried

    def write(self, trial: str, carried: Carried) -> None:
        ray.get(self.actor.write.remote(trial, carried))


def _start_writers(keep: Keep | None, carrier: Carrier | None, keep_outputs: KeepOutputs | None = None) -> _Writers:
    if keep is None and carrier is None and keep_outputs is None:
        return _Writers(None, keeps=False, carries=False)

    class Writer:
        def keep(self, best: BestNetwork) -> None:
            if keep:
                keep(best)

        def keep_outputs(self, trial: str, fold: int, content: bytes) -> str:
            if keep_outputs is None:
                raise RuntimeError("outputs are not kept in this run")
            return keep_outputs(trial, fold, content)

        def read(self, trial: str) -> Carried | None:
            return carrier.read(trial) if carrier else None

        def write(self, trial: str, carried: Carried) -> None:
            if carrier:
                carrier.write(trial, carried)

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Writer).options(num_cpus=0, scheduling_strategy=here).remote()
    return _Writers(actor, keep is not None, carrier is not None, keep_outputs is not None)


class _Relay(tune.Callback):
    """Tune's events → the flow. An exception here would abort Tune with a message of its own: it is kept for later."""

    def __init__(self, work: Sequence[WorkItem], flow: Flow) -> None:
        self._work = work
        self._items: dict[str, WorkItem] = {}
        self._flow = flow
        self._recorded: set[tuple[str, int]] = set()  # (trial, fold)
        self.errors: dict[tuple[str, int], str] = {}  # (trial, fold) → what its process said at its end
        self.raised: Exception | None = None

    def begin(self, work: Sequence[WorkItem]) -> None:
        """These items are about to run: at a second try they hold fewer folds than at the first."""
        self._items = {item.id: item for item in work}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never made; the open record file is no part of it

    def remaining(self) -> list[WorkItem]:
        left = [
            replace(
                item,
                folds=tuple(
                    fold for fold in item.folds if any((t.id, fold) not in self._recorded for t in item.trials)
                ),
            )
            for item in self._work
        ]
        return [item for item in left if item.folds]

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._guard(self._flow.item_started, self._find(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        record = record_from_dict(result["record"])
        self._guard(self._flow.environment, result["environment"])
        self._guard(self._flow.record, record)
        if isinstance(record, FoldRecord):
            self._recorded.add((record.trial, record.fold))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._guard(self._flow.item_ended, self._find(trial))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        item = self._find(trial)
        self.errors |= dict.fromkeys(((item.trial.id, fold) for fold in item.folds), _read_last_line(trial.error_file))
        self._guard(self._flow.item_ended, item)

    def _find(self, trial: Trial) -> WorkItem:
        return self._items[str(trial.config["item"])]

    def _guard(self, action: Any, argument: Any) -> None:
        if self.raised is None:
            try:
                action(argument)
            except Exception as error:
                self.raised = error
                raise  # aborts Tune: the records can no longer be written, so nothing more should run


def _read_last_line(error_file: str | None) -> str:
    """What the trial's process said at its end: Tune writes it to a file and hands over nothing else."""
    text = ""
    if error_file:
        with contextlib.suppress(OSError):
            text = Path(error_file).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else SILENT_END
