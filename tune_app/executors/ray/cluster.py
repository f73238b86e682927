"""Ray on this machine or a cluster: started, joined, left."""

import contextlib
import gc
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from tune_app.errors import ResourceError
from tune_app.executors.ray.joining import find_head
from tune_app.executors.ray.loopback import on_loopback, warn_if_open
from tune_app.executors.ray.nodes import find_nodes
from tune_app.executors.ray.quick import Warm, setting, starting_quickly
from tune_app.executors.ray.token import close_token, keep_token
from tune_app.executors.ray.watch import RECONNECT_SECONDS
from tune_app.executors.scratch import hold_folder, hold_socket_folder
from tune_app.executors.staging import find_users_packages, make_absolute, stage_source, stage_study
from tune_app.parts.closure import INSTALLED
from tune_app.parts.references import Scope
from tune_app.study.define import Definition

# Ray puts its sockets there, whose paths must have no more than 107 characters.
MOST_FOLDER = 107 - len("/session_2026-11-26_00-00-00_123456_1234567/sockets/plasma_store")
_files = contextlib.ExitStack()  # of the cluster that this process has started: gone when it has ended


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster this process is connected to: each node's CPUs and GPUs, and the dashboard's URL, if it has one.

    A cluster that this process has started has none before `start_dashboard`. A node whose GPUs can be asked has the
    bytes of the smallest one as `gpu_bytes`, too.
    """

    nodes: list[Mapping[str, float]]
    dashboard: str | None


def start_ray(
    address: str | None = None,
    scope: Scope | None = None,
    definitions: Mapping[str, Definition] | None = None,
    warm: Warm | None = None,
    **options: Any,
) -> Cluster:
    """Start Ray on this machine, or connect to the cluster at `address` and send it the source.

    The study's own parts, which lie where `scope` says, are found by every worker: on this machine by the path, on a
    cluster by copies of what the study imports and of the files that its definitions name.

    On this machine processes `warm` up meanwhile; there is no dashboard before `start_dashboard`. No other machine
    reaches it.

    Raises ResourceError if there is no cluster at that address that takes this process, within 10 s where nothing
    listens, or if Ray does not come up; StudyError for more than a cluster can be sent. `options` go to `ray.init`.
    """
    paths = _find_paths(scope, definitions or {}) if scope and not address else []
    settings: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address:
        settings |= {"address": find_head(address)}
        # Not for a cluster that is started here: what Ray starts would wait as long after this process is killed.
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", RECONNECT_SECONDS)
    else:
        # "local", because without an address Ray would join whatever cluster happens to run on this machine.
        settings |= {"address": "local", "include_dashboard": False, **_hold_files()}
    is_main = threading.current_thread() is threading.main_thread()
    on_terminate = signal.getsignal(signal.SIGTERM)
    logging.getLogger("ray").setLevel(logging.ERROR)  # it warns in other threads that it leaves SIGTERM alone
    try:
        with hold_folder() as folder:
            if address:
                staged = [stage_source(folder), *([stage_study(folder, scope, definitions or {})] if scope else ())]
                settings["runtime_env"] = {"py_modules": [str(path) for path in staged]}
            if not address:
                keep_token()
            with _on_path(paths), starting_quickly(warm), contextlib.nullcontext() if address else on_loopback():
                context: Any = ray.init(**(settings | options))
    except (OSError, ValueError, RuntimeError, RayError) as error:
        _files.close()
        told = " ".join(str(error).split()) or type(error).__name__
        where = f"the cluster at {address} cannot be used" if address else "Ray does not come up on this machine"
        raise ResourceError(f"{where}: {told}; run with --executor inline, or mend that first") from error
    if is_main:
        signal.signal(signal.SIGTERM, on_terminate)  # Ray has put its own handler there, which kills with a dump
    for name in ("ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is reported from the records
    if not address:
        close_token()
        warn_if_open()
        _files.callback(shutil.rmtree, context.address_info["session_dir"], ignore_errors=True)
    url = context.dashboard_url
    return Cluster(find_nodes(ask=bool(address)), f"http://{url}" if url else None)


def _hold_files() -> dict[str, str]:
    """A folder of this process for the logs and sockets of a cluster that it starts: Ray would leave them behind."""
    folder = _files.enter_context(hold_socket_folder(MOST_FOLDER))
    return {"_temp_dir": str(folder)} if folder else {}


def _on_path(paths: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    """Workers inherit the path that a local Ray is started with."""
    if not paths:
        return contextlib.nullcontext()
    return setting("PYTHONPATH", os.pathsep.join(dict.fromkeys(filter(None, [*paths, os.environ.get("PYTHONPATH")]))))


def _find_paths(scope: Scope, definitions: Mapping[str, Definition]) -> list[str]:
    """The study's folder, and those that its modules and this package come from by a path set in this process.

    What comes after the installed packages on the path is there in every process of this Python.
    """
    installed = (at for at, entry in enumerate(sys.path) if Path(entry).name in INSTALLED)
    own = {make_absolute(__file__).parents[3], *(base for base, _ in find_users_packages(scope, definitions))}
    entries = [make_absolute(entry) for entry in sys.path[: next(installed, None)]]
    return [str(scope.root), *(str(entry) for entry in entries if entry in own)]


def stop_ray() -> None:
    """End the actors, and the cluster too if `start_ray` started it; other threads may go on meanwhile."""
    # If another thread collects a reference of Ray's as garbage while Ray's core is on its way out, Ray ends the whole
    # process at once: exit code 1, and the tables that it was writing are lost.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        ray.shutdown()
        _files.close()
    finally:
        if was_enabled:
            gc.enable()
