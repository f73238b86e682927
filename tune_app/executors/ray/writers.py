"""What trials write apart from records, on the driver's node: only there are files written."""

from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_app.trial import BestNetwork, Carried, Carrier, CheckpointFiles, Keep, KeepOutputs


@dataclass(frozen=True)
class Writers:
    """What trials write apart from records, through an actor on the driver's node: only there are files written."""

    actor: Any
    keeps: bool
    carries: bool
    keeps_outputs: bool = False

    @property
    def checkpoints(self) -> "RemoteCheckpoints":
        """Where checkpoints are kept."""
        return RemoteCheckpoints(self.actor)

    def keep(self, best: BestNetwork) -> None:
        _wait(self.actor.keep.remote(best))

    def keep_outputs(self, trial: str, fold: int, content: bytes) -> str:
        return str(_wait(self.actor.keep_outputs.remote(trial, fold, content)))

    def read(self, trial: str) -> Carried | None:
        carried: Carried | None = _wait(self.actor.read.remote(trial))
        return carried

    def write(self, trial: str, carried: Carried) -> None:
        _wait(self.actor.write.remote(trial, carried))


def _wait(reply: Any) -> Any:
    """The reply; what was raised there is raised here as it was, and not as pages of Ray's."""
    try:
        return ray.get(reply)
    except RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None


@dataclass(frozen=True)
class RemoteCheckpoints:
    """Checkpoints on the driver's node, for trials on any: a `tune_app.trial.CheckpointFiles`."""

    actor: Any

    def read(self, trial: str, fold: int) -> bytes | None:
        content: bytes | None = ray.get(self.actor.read_checkpoint.remote(trial, fold))
        return content

    def write(self, trial: str, fold: int, content: bytes) -> None:
        ray.get(self.actor.write_checkpoint.remote(trial, fold, content))


def start_writers(
    keep: Keep | None,
    carrier: Carrier | None,
    keep_outputs: KeepOutputs | None = None,
    checkpoints: CheckpointFiles | None = None,
) -> Writers:
    """What trials are given to write by; no process is started where there is nothing to write."""
    if keep is None and carrier is None and keep_outputs is None and checkpoints is None:
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

        def read_checkpoint(self, trial: str, fold: int) -> bytes | None:
            return checkpoints.read(trial, fold) if checkpoints else None

        def write_checkpoint(self, trial: str, fold: int, content: bytes) -> None:
            if checkpoints:
                checkpoints.write(trial, fold, content)

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Writer).options(num_cpus=0, scheduling_strategy=here).remote()
    return Writers(actor, keep is not None, carrier is not None, keep_outputs is not None)
