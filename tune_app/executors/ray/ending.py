"""What hangs, ended: an actor, or all of a cluster whose control process is gone."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from tune_app.executors.ray.quick import find_started

if TYPE_CHECKING:
    from ray.tune.experiment import Trial  # Ray starts before Ray Tune is imported


def end_actor(trial: "Trial") -> None:
    """Have the node of the trial's actor kill its process, be it stopped or deep in somebody's C code.

    Tune is told as of any process that is lost.
    """
    actor = trial.temporary_state.ray_actor
    if actor is not None:
        ray.kill(actor)


def end_cluster() -> None:
    """Kill the processes of the cluster that this process has started, and theirs, which would wait for its control."""
    for started in find_started():
        for process in [*_find_below(started), started]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _find_below(process: int) -> Iterator[int]:
    """The children of a process that has not been waited for, each after its own."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text(encoding="ascii").split():
                yield from _find_below(int(child))
                yield int(child)
