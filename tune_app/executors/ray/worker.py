"""The script of a Ray worker on this machine: it imports what trials need, and goes on as any worker of Ray.

Ray starts a process for each core before anybody asks, and gives an actor such a process if there is one. While the
study is still being prepared, these import torch. Ray runs this file by its path; see `quick.py`.
"""

import contextlib
import importlib
import os
import runpy
import sys
from pathlib import Path

PLACES = "TUNE_APP_WARM"  # a folder with a file for each process that is to import what trials need
THREADS = "TUNE_APP_WARM_THREADS"
NEEDED = "tune_app.executors.ray.actors"  # with torch, Ray Tune and the rooms of a trial


def warm_up() -> None:
    """Import what trials need, if there is a place left; where that fails, the trial will say why."""
    if not _take_place():
        return
    # Libraries read it once, when they are loaded, and Ray sets it for an actor that is given this process.
    with _set_for_now("OMP_NUM_THREADS", os.environ.get(THREADS, "1")), contextlib.suppress(Exception):
        root = str(Path(__file__).parents[3])
        sys.path.insert(0, root)  # this package, and no other installation of it
        try:
            importlib.import_module("tune_app")
        finally:
            sys.path.remove(root)  # what lies beside it must not hide the user's modules
        importlib.import_module(NEEDED)


def _take_place() -> bool:
    with contextlib.suppress(OSError, KeyError):
        for place in sorted(Path(os.environ[PLACES]).iterdir()):
            with contextlib.suppress(FileNotFoundError):
                place.unlink()  # of two processes one succeeds
                return True
    return False


@contextlib.contextmanager
def _set_for_now(name: str, value: str):  # type: ignore[no-untyped-def]
    before = os.environ.get(name)
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this script
    warm_up()
    import ray._private.workers

    script = str(Path(ray._private.workers.__path__[0]) / "default_worker.py")
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")
