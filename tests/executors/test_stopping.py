"""Ray is stopped in a thread of its own while the tables are written: whatever those drop, the process goes on."""

import gc
import threading

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
