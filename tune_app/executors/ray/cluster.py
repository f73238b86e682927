"""Ray on this machine or a cluster: started, joined, asked for what its nodes have and lack, left."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_app.errors import ResourceError
from tune_app.executors.ray.gpus import ask_gpu_memory, find_gpu_memory
from tune_app.executors.scratch import hold_folder
from tune_app.executors.staging import find_users_packages, make_absolute, stage_source, stage_study
from tune_app.parts.closure import INSTALLED
from tune_app.parts.references import Scope
from tune_app.study.define import Definition

CHECK_SECONDS = 300  # until a node has unpacked what it was sent, imported torch and built a network or two


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster this process is connected to: each node's CPUs and GPUs, and the dashboard's URL, if any.

    A node with GPUs that torch sees there has the memory of the smallest of them, in bytes, as `gpu_bytes`.
    """

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
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    # Of this machine the driver knows it, and need not wait for a process that imports torch.
    nodes = [node["Resources"] | (ask_gpu_memory(node) if address else find_gpu_memory(node)) for node in alive]
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
    own = {make_absolute(__file__).parents[3], *(base for base, _ in find_users_packages(scope, definitions))}
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
            question = ray.remote(num_cpus=0, scheduling_strategy=there, **calls)(lambda: find_problems())
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
