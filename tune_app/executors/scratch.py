"""Folders for as long as something runs: removed at its end, and those of killed runs at the start of the next one."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "tune_app-"  # then comes the id of the process that it belongs to


@contextlib.contextmanager
def hold_folder() -> Iterator[Path]:
    """A temporary folder of this process while the context lasts; what killed runs left is removed first.

    It is locked as long. A process id says too little: it may be given again, and that of a run in another container
    with the same /tmp means nothing here.
    """
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned() -> None:
    """Remove the folders that dead processes of this user left; whatever is not surely one of these stays."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):  # gone in the meantime, or not ours to remove
            if owner.isdigit() and path.lstat().st_uid == os.getuid() and not path.is_symlink():
                _remove_unheld(path, int(owner))


def _remove_unheld(folder: Path, owner: int) -> None:
    if _is_alive(owner):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: somebody holds it
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 asks and does nothing
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True
