"""A quick start of Ray on this machine: what nobody should wait for happens later, or beside.

Ray starts its dashboard before anything else and waits for it; it takes two seconds of a core. And it starts a process
for each core, in which a trial then imports torch. Both are settings of Ray's own that it has no option for. A version
of Ray without them starts as it wants.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from tune_app.executors.ray import worker

node: Any = None
driver: Any = None
with contextlib.suppress(ImportError):  # none of this is promised by Ray
    from ray._private import node
    from ray._private import worker as driver


@dataclass(frozen=True)
class Warm:
    """How many processes import what trials need as soon as they start: `places` is an empty folder to count in.

    `threads` is that of a trial. The folder must be there as long as the cluster.
    """

    places: Path
    count: int
    threads: int = 1


@contextlib.contextmanager
def starting_quickly(warm: Warm | None) -> Iterator[None]:
    """Within, a cluster that is started has no dashboard yet (see `start_dashboard`), and its workers warm up."""
    starts = {name: getattr(getattr(node, "Node", None), name, None) for name in ("start_api_server", "start_raylet")}
    if not all(starts.values()):
        yield
        return

    def start_raylet(self: Any, *arguments: Any, **options: Any) -> Any:
        if warm:
            self._ray_params.worker_path = worker.__file__
        return starts["start_raylet"](self, *arguments, **options)  # type: ignore[misc]

    if warm:
        for place in range(warm.count):
            (warm.places / str(place)).touch()
    settings = {worker.PLACES: str(warm.places), worker.THREADS: str(warm.threads)} if warm else {}
    setattr(node.Node, "start_api_server", lambda self, **options: None)  # noqa: B010  # a type checker has a point
    setattr(node.Node, "start_raylet", start_raylet)  # noqa: B010
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            os.environ.pop(name)
        for name, start in starts.items():
            setattr(node.Node, name, start)


@contextlib.contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    """Within, a variable that what is started inherits; it is put back afterwards."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def started_here() -> bool:
    """Whether this process has started the cluster that it is connected to."""
    return bool(getattr(getattr(driver, "_global_node", None), "head", False))


def find_started() -> list[int]:
    """The ids of the processes of the cluster that this process has started and that run; empty without one."""
    return [each.process.pid for kind in _find_kinds().values() for each in kind if each.process.poll() is None]


def find_ended() -> str:
    """Which process has ended that the cluster which this process has started cannot do without; empty for none."""
    kinds = _find_kinds()
    for kind, name in {"gcs_server": "control process", "raylet": "raylet"}.items():
        if any(each.process.poll() is not None for each in kinds.get(kind, ())):
            return name
    return ""


def _find_kinds() -> Mapping[str, Sequence[Any]]:
    return getattr(driver._global_node, "all_processes", {}) if started_here() else {}


def start_dashboard() -> str:
    """Start the dashboard of the cluster that this process has started, and return its URL.

    Raises RuntimeError with the reason where it cannot start; the cluster is none the worse. It ends with the thread
    that calls this, as all of Ray ends with the thread that starts it.
    """
    started: Any = getattr(driver, "_global_node", None)
    if started is None:
        raise RuntimeError("this version of Ray starts it with Ray itself, or not at all")
    logger = logging.getLogger("ray._private.services")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it prints the end of a log file, and then raises that
    try:
        if not started.webui_url:
            with setting("TMPDIR", started.get_temp_dir_path()):  # it is killed in the end, and leaves its files
                started.start_api_server(include_dashboard=True, raise_on_failure=True)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise RuntimeError(lines[-1] if lines else type(error).__name__) from error
    finally:
        logger.setLevel(level)
    if not ray.is_initialized() or not started.webui_url:
        raise RuntimeError("Ray gives no address for it")
    return f"http://{started.webui_url}"
