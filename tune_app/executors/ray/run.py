"""Work items as trials of Ray Tune: sent out, started once more where a process ended early, recorded."""

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
from tune_app.executors.ray.actors import build_trainable
from tune_app.executors.ray.relay import SILENT_END, Relay
from tune_app.executors.ray.writers import Writers, start_writers
from tune_app.executors.scratch import hold_folder
from tune_app.plan import WorkItem
from tune_app.records import build_failed_fold
from tune_app.records.environments import read_commit
from tune_app.trial import Carrier, Keep, RunTrial, TrialOptions, run_trial

# Starting an actor costs about 5 s (a process, ray, torch). Below this length of a trial, actors take the next
# trial instead; the price is that the dashboard keeps calling such an actor by its first trial.
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
    **options: Unpack[TrialOptions],
) -> None:
    """Run every item as a Tune trial on its share of a node, and send the records to `flow` as they come.

    A trial whose process ends early is started once more with what it lacks; what is still missing then is recorded as
    failed. Whatever `flow` raises ends the run and comes out here. KeyboardInterrupt leaves at once.
    """
    names = {item.trial.spec.dataset for item in work}
    shared = {name: ray.put(pick_data(data, name)) for name in names}
    writers = start_writers(keep, carrier, options.pop("keep_outputs", None))
    relay = Relay(work, flow)
    for _ in range(2):
        remaining = relay.remaining()
        if remaining:
            _run_once(remaining, shared, writers, relay, device, run, options)
    for item in relay.remaining():
        for fold in item.folds:
            error = relay.errors.get((item.trial.id, fold), SILENT_END)
            for trial in item.trials:
                flow.record(build_failed_fold(trial.id, trial.spec.replicate, fold, "ActorDied", error, time.time()))


def _run_once(
    work: Sequence[WorkItem],
    shared: Any,
    writers: "Writers",
    relay: "Relay",
    device: str,
    run: RunTrial,
    options: TrialOptions,
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
            "devices": item.trial.share.devices,
            "device": device,
            "commit": commit,
        }
        for item in work
    ]
    seconds = [item.trial.seconds * len(item.folds) for item in work]
    trainable = build_trainable(shared, writers, run, options)
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
