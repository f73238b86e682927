"""Work items as trials of Ray Tune: sent out, started again where a process was lost, recorded."""

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

import ray
from ray import tune
from ray.tune.experiment import Trial

from tune_app.data import Data, pick_data
from tune_app.executors.flow import Flow
from tune_app.executors.inline import is_long
from tune_app.executors.ray.actors import build_trainable
from tune_app.executors.ray.orders import build_space, read_order
from tune_app.executors.ray.relay import MOST_RETRIES, SILENT_END, Relay
from tune_app.executors.ray.watch import Leave, watch_head
from tune_app.executors.ray.writers import Writers, start_writers
from tune_app.executors.scratch import hold_folder
from tune_app.parts.scoring import Scoring
from tune_app.plan import WorkItem
from tune_app.records import build_failed_fold
from tune_app.records.environments import read_commit
from tune_app.trial import Carrier, Checkpoints, Keep, RunTrial, TrialOptions, run_trial
from tune_app.trial.setup import ACCURACY

# Starting an actor costs about 5 s (a process, ray, torch). Below this length of a trial, actors take the next
# trial instead. Ray asks an actor for its name once: those are called "trials in turn", never by a trial that is over.
REUSE_BELOW_SECONDS = 60.0


def run_on_ray(
    work: Sequence[WorkItem],
    data: Data | Mapping[str, Data],
    flow: Flow,
    *,
    device: str = "auto",
    keep: Keep | None = None,
    carrier: Carrier | None = None,
    run: RunTrial = run_trial,
    leave: Leave | None = None,
    report_within: float | None = None,
    checkpoints: Checkpoints | None = None,
    **options: Unpack[TrialOptions],
) -> None:
    """Run every item as a Tune trial on its share of a node, and send the records to `flow` as they come.

    A fit whose process or node is lost runs again, at most twice, and of what is recorded nothing does; one that
    outgrows its share of a GPU runs again with twice the share. One that reports nothing for longer than
    `report_within` seconds (None: as its plan has it) is ended and runs again, once. What is still missing in the end
    is recorded as failed, as is what a trial's own error leaves. Whatever `flow` raises ends the run and comes out
    here, and ClusterError once the head or every node for what is left is gone (`leave`: see `watch_head`).
    KeyboardInterrupt leaves at once.
    """
    relay = Relay(work, flow, report_within)
    with watch_head(relay.find_needs, leave):
        names = {item.trial.spec.dataset for item in work}
        shared = {name: ray.put(pick_data(data, name)) for name in names}
        keep_outputs = options.pop("keep_outputs", None)
        if not _needs_outputs(work, data, options.get("scoring", ACCURACY)):
            keep_outputs = None  # a process less
        long = {item.id for item in work if is_long(item, checkpoints)}
        writers = start_writers(keep, carrier, keep_outputs, checkpoints.files if checkpoints and long else None)
        for _ in range(1 + MOST_RETRIES):
            if left := relay.find_left():
                _run_once(left, shared, writers, relay, device, run, options, long)
    for item in work:
        error = relay.errors.get(item.id, SILENT_END)
        for trial, fold in relay.find_unrecorded(item):
            flow.record(build_failed_fold(trial.id, trial.spec.replicate, fold, "ActorDied", error, time.time()))


def _needs_outputs(work: Sequence[WorkItem], data: Data | Mapping[str, Data], scoring: Scoring) -> bool:
    """Whether any trial has outputs that go to side files."""
    specs = {(spec.dataset, spec.test): spec for item in work for spec in [item.trial.spec]}
    sets = ((spec, pick_data(data, spec.dataset)) for spec in specs.values())
    return any(scoring.keeps_outputs(each.task, spec.test == "auto" and each.test is not None) for spec, each in sets)


def _run_once(
    work: Sequence[WorkItem],
    shared: Any,
    writers: "Writers",
    relay: "Relay",
    device: str,
    run: RunTrial,
    options: TrialOptions,
    long: set[str],
) -> None:
    commit = read_commit()  # here, for a node that the source was sent to cannot tell
    seconds = [item.trial.seconds * len(item.folds) for item in work]
    has_parts = any(len(item.folds) < item.trial.fits for item in work)  # each would cost an actor's start
    reused = has_parts or sum(seconds) / len(seconds) < REUSE_BELOW_SECONDS
    orders = [
        {
            "item": item.id,
            "name": item.name,
            "names": {trial.id: trial.name for trial in item.trials},
            "reused": reused,
            "spec": item.trial.spec.model_dump(mode="json"),
            "folds": relay.find_missing(item),
            "also": [trial.spec.model_dump(mode="json") for trial in item.also],
            "cpu": item.trial.share.cpus,
            "gpu": item.trial.share.gpus,
            "threads": item.threads,
            "devices": item.trial.share.devices,
            "device": device,
            "data_on_host": item.trial.data_on_host,
            "commit": commit,
            "is_long": item.id in long,
        }
        for item in work
    ]
    trainable = build_trainable(shared, writers, run, options)
    tune_config = tune.TuneConfig(
        trial_name_creator=_trial_name,
        trial_dirname_creator=_trial_name,
        reuse_actors=reused,
    )
    no_checkpoints = tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False)
    with hold_folder() as folder:  # Tune insists on one; nothing in it is needed afterwards
        run_config = tune.RunConfig(
            storage_path=str(folder),
            name="study",
            verbose=0,
            callbacks=[relay],
            checkpoint_config=no_checkpoints,
            failure_config=tune.FailureConfig(max_failures=MOST_RETRIES),
        )
        space = build_space(orders)
        tuner = tune.Tuner(trainable, param_space=space, tune_config=tune_config, run_config=run_config)
        with _keep_handlers(), _in_any_process():
            try:
                tuner.fit()
            except Exception as error:
                raise relay.raised or error from None


@contextlib.contextmanager
def _in_any_process() -> Iterator[None]:
    """Within, Tune asks for no process with a variable of its own, but takes one that has started with Ray.

    The variable keeps Lightning from forking, which nothing here uses; a process for it would import torch again.
    """
    variables: dict[str, str] = {}
    with contextlib.suppress(ImportError, AttributeError):  # Ray promises none of it
        from ray.tune.execution import class_cache

        variables = class_cache.DEFAULT_ENV_VARS
    before = dict(variables)
    variables.clear()
    try:
        yield
    finally:
        variables.update(before)


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
    return str(read_order(trial.config)["name"])
