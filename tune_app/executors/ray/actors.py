"""The actor that runs a work item on a node."""

from collections.abc import Iterator
from typing import Any

import ray
from ray import tune

from tune_app.executors.inline import choose_device
from tune_app.executors.ray.peers import ActorPeers, open_peers
from tune_app.executors.ray.writers import Writers
from tune_app.executors.staging import use_staged_study
from tune_app.records import FoldRecord, Record, record_to_dict
from tune_app.records.environments import describe_here, mark
from tune_app.study import TrialSpec
from tune_app.trial import RunTrial, TrialOptions


def build_trainable(shared: Any, writers: "Writers", run: RunTrial, options: TrialOptions) -> type[tune.Trainable]:
    """The actor's class; the closure carries references to the one copy of the data that each node holds."""

    class TrialActor(tune.Trainable):
        @classmethod
        def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
            return tune.PlacementGroupFactory([{"CPU": config["cpu"], "GPU": config["gpu"]}] * config["devices"])

        def setup(self, config: dict[str, Any]) -> None:
            self._records: Iterator[Record] | None = None
            self._peers: ActorPeers | None = None
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
            if done:
                self.cleanup()
            told = record_to_dict(mark(record, self._environment))
            return {"record": told, "environment": self._environment, "done": done}

        def cleanup(self) -> None:
            """End the processes that this one has started; Tune calls it too where it stops the trial."""
            if self._peers:
                self._peers.close()

        def _start(self) -> Iterator[Record]:
            config, root = self.config, use_staged_study()
            spec = TrialSpec(**config["spec"])
            self._peers = peers = open_peers(config, shared[spec.dataset], options)
            return run(
                spec,
                ray.get(shared[spec.dataset]),
                folds=config["folds"],
                device=choose_device(config["device"], config["gpu"]),
                threads=config["threads"],
                also=[TrialSpec(**spec) for spec in config["also"]],
                keep=writers.keep if writers.keeps else None,
                carrier=writers if writers.carries else None,
                **({"peers": peers} if peers else {}),
                **({"keep_outputs": writers.keep_outputs} if writers.keeps_outputs else {}),
                **(options | ({"root": root} if root else {})),
            )

        def __repr__(self) -> str:
            return str(self.config["name"])

    TrialActor.__qualname__ = "TrialActor"  # the dashboard shows it
    return TrialActor
