"""Ray is stopped in a thread of its own while the tables are written: whatever those drop, the process goes on."""

import gc
import os
import tempfile
import threading
from pathlib import Path

import pytest
import ray

from tune_app.executors import ray as on_ray


@pytest.mark.slow
def test_no_thread_collects_garbage_while_ray_stops(alone_with_ray: None) -> None:
    """Ray ends the process at once if something of its own is collected while its core is on its way out."""
    on_ray.start_ray(num_cpus=1)
    stopping = threading.Thread(target=on_ray.stop_ray)
    collections: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if ray.is_initialized():
            collections.append(phase)

    stopping.start()
    gc.callbacks.append(note)
    try:
        while stopping.is_alive():
            [[] for _ in range(1000)]
    finally:
        gc.callbacks.remove(note)
    assert gc.isenabled()
    assert not collections


@pytest.mark.slow
def test_a_cluster_that_was_started_here_leaves_no_files_behind(alone_with_ray: None) -> None:
    """Where temporary files have a short path; elsewhere Ray chooses the place of its own."""
    base = Path(tempfile.gettempdir())

    def find_ours() -> set[Path]:
        return {*base.glob(f"tune_app-{os.getpid()}-*"), *base.glob(f"ray/session_*_{os.getpid()}")}

    before = find_ours()
    on_ray.start_ray(num_cpus=1)
    sessions = [path for folder in find_ours() - before for path in (folder, *folder.glob("session_*"))]
    assert any(path.name.startswith("session_") for path in sessions)
    on_ray.stop_ray()
    assert find_ours() == before
