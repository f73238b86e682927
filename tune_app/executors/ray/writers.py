"""What trials write apart from records, on the driver's node: only there are files written."""

from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_app.trial import BestNetwork, Carried, Carrier, Keep, KeepOutputs


@dataclass(frozen=True)
class Writers:
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


def start_writers(keep: Keep | None, carrier: Carrier | None, keep_outputs: KeepOutputs | None = None) -> Writers:
    if keep is None and carrier is None and keep_outputs is None:
        return Writers(None, keeps=False, carries=False)

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
    return Writers(actor, keep is not None, carrier is not None, keep_outputs is not None)
