"""The actor that runs a work item on a node."""

from collections.abc import Callable, Iterator, Mapping
from traceback import format_exception_only
from typing import Any

import ray
import torch
from ray import _raylet, tune
from ray.exceptions import RayError, RayTaskError

from tune_app.data import Data
from tune_app.executors.inline import choose_device
from tune_app.executors.ray.gauges import Gauges
from tune_app.executors.ray.orders import read_order
from tune_app.executors.ray.peers import ActorPeers, open_peers
from tune_app.executors.ray.writers import Writers
from tune_app.executors.staging import use_staged_study
from tune_app.records import FoldRecord, Record, record_to_dict
from tune_app.records.environments import build_key, describe_here, mark
from tune_app.study import TrialSpec
from tune_app.trial import Checkpointer, RunTrial, TrialOptions

IN_TURN = "trials in turn"  # an actor that takes one after the other: the first one's name would go stale


def show_title(name: str) -> None:
    """Name this process after what it runs, for `ps`, `top` and the dashboard's list of processes."""
    if set_title := getattr(_raylet, "setproctitle", None):
        set_title(f"ray::{name}")


def _take(advance: Callable[[], Record]) -> Record | str:
    """The record that it gives, or the last line of an error of the trial's own."""
    try:
        return advance()
    except Exception as error:
        if isinstance(error, RayError) and not isinstance(error, RayTaskError):
            raise  # what is gone is Ray's: the last copy of the data, say
        lines = [line.strip() for line in "".join(format_exception_only(error)).splitlines() if line.strip()]
        return lines[-1]


class TrialActor(tune.Trainable):
    """What all actors of a run have is in a subclass: see `build_trainable`."""

    shared: Mapping[str, Any]  # data set → the one copy that each node holds
    writers: "Writers"
    run: RunTrial
    options: TrialOptions

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        order = read_order(config)
        return tune.PlacementGroupFactory([{"CPU": order["cpu"], "GPU": order["gpu"]}] * order["devices"])

    def setup(self, config: dict[str, Any]) -> None:
        self._records: Iterator[Record] | None = None
        self._peers: ActorPeers | None = None
        self._order = read_order(config)
        trials = 1 + len(self._order["also"])
        self._left = dict.fromkeys(self._order["folds"], trials)
        self._environment = describe_here(self._order["commit"])
        show_title(self._order["name"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """The next record, or an error of the trial's own: what is raised here counts as a lost process."""
        if not self._left:
            return {"done": True}
        record = _take(self._advance)
        if isinstance(record, str):
            self.cleanup()
            return {"error": record, "done": True}
        if isinstance(record, FoldRecord) and record.fold in self._left:
            self._left[record.fold] -= 1
        done = not any(self._left.values())
        if done:
            self.cleanup()
        self._gauges.record(record)
        show_title(self._order["name"])  # Ray has set its own for the call
        # In tuples, because Tune keeps histories of every number that it finds in a result's dictionaries.
        return {
            "record": (record_to_dict(mark(record, self._environment)),),
            "environment": (self._environment,),
            "done": done,
        }

    def cleanup(self) -> None:
        """End the processes that this one has started; Tune calls it too where it stops the trial."""
        if self._peers:
            self._peers.close()

    def _advance(self) -> Record:
        if self._records is None:
            self._records = self._start()
        return next(self._records)

    def _start(self) -> Iterator[Record]:
        order, data = self._order, self.shared[self._order["spec"]["dataset"]]
        device = choose_device(order["device"], order["gpu"])
        self._gauges = Gauges(order["names"], device, order["cpu"], order["gpu"])
        self._peers = open_peers(order, data, self.options)
        checkpointer = None
        if order["is_long"]:
            checkpointer = Checkpointer(self.writers.checkpoints, build_key(self._environment))
        return _start_trial(
            order, ray.get(data), device, self.writers, self.run, self._peers, checkpointer, self.options
        )

    def __repr__(self) -> str:
        """What the dashboard calls the actor for as long as it lives, which Ray asks once."""
        order = read_order(self.config)
        return IN_TURN if order["reused"] else str(order["name"])


def build_trainable(
    shared: Mapping[str, Any], writers: "Writers", run: RunTrial, options: TrialOptions
) -> type[tune.Trainable]:
    """The actor's class for one run, which travels with what is given here."""
    given = {"shared": shared, "writers": writers, "run": staticmethod(run), "options": options}
    return type("TrialActor", (TrialActor,), given)  # the dashboard shows the name


def _start_trial(
    order: Mapping[str, Any],
    data: Data,
    device: torch.device,
    writers: "Writers",
    run: RunTrial,
    peers: ActorPeers | None,
    checkpointer: Checkpointer | None,
    options: TrialOptions,
) -> Iterator[Record]:
    root = use_staged_study()
    return run(
        TrialSpec(**order["spec"]),
        data,
        folds=order["folds"],
        device=device,
        threads=order["threads"],
        also=[TrialSpec(**spec) for spec in order["also"]],
        keep=writers.keep if writers.keeps else None,
        carrier=writers if writers.carries else None,
        **({"peers": peers} if peers else {}),
        **({"keep_outputs": writers.keep_outputs} if writers.keeps_outputs else {}),
        **({"gpu_share": order["gpu"]} if order["gpu"] else {}),
        **({"data_on_host": True} if order["data_on_host"] else {}),
        **({"checkpointer": checkpointer} if checkpointer else {}),
        **(options | ({"root": root} if root else {})),
    )
