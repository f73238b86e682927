"""Folders for as long as something runs: removed at its end, and those of killed runs at the start of the next one."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tune_app.errors import ResourceError

PREFIX = "tune_app-"  # then comes the id of the process that it belongs to
SHORT = ("/tmp", "/dev/shm", "/run/lock")  # where a folder of few letters can be
REMEDY = "free some space, set TMPDIR to another folder, or run with --executor inline"


@contextlib.contextmanager
def hold_folder(place: str | None = None) -> Iterator[Path]:
    """A temporary folder of this process while the context lasts; what killed runs left is removed first.

    It is locked as long. A process id says too little: it may be given again, and that of a run in another container
    with the same /tmp means nothing here. `place` is where it lies, without one where temporary files do. Raises
    ResourceError where none can be made.
    """
    try:
        remove_abandoned(place)
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        where = place or os.environ.get("TMPDIR") or "/tmp"
        raise ResourceError(f"the temporary folder {where} cannot be used ({error.strerror}); {REMEDY}") from error
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


@contextlib.contextmanager
def hold_socket_folder(longest: int) -> Iterator[Path | None]:
    """As `hold_folder`, with at most `longest` bytes in its path, as sockets must have; elsewhere, if need be.

    None where RAY_TMPDIR names what is no folder: Ray is left to make it, or to refuse it. Raises ResourceError where
    there is no such place.
    """
    named = os.environ.get("RAY_TMPDIR")
    if named and not Path(named).is_dir():
        yield None
        return
    usual = named or tempfile.gettempdir()
    added = len(f"/{PREFIX}{os.getpid()}-") + 8  # letters that mkdtemp draws
    for place in (usual, *(place for place in SHORT if os.access(place, os.W_OK | os.X_OK))):
        if len(os.fsencode(place)) + added <= longest:
            with hold_folder(place) as folder:
                yield folder
            return
    raise ResourceError(
        f"the temporary folder {usual} has {len(os.fsencode(usual))} bytes in its path, for Ray's sockets at most "
        f"{longest - added} are possible; set RAY_TMPDIR to a shorter one, or run with --executor inline"
    )


def find_company() -> list[int]:
    """Other processes of this user that hold such a folder, and may use cores that this one may use, too."""
    found: set[int] = set()
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if not owner.isdigit() or int(owner) == os.getpid() or path.lstat().st_uid != os.getuid():
                continue
            shared = os.sched_getaffinity(int(owner)) & os.sched_getaffinity(0)
            if shared and _is_held(path):
                found.add(int(owner))
    return sorted(found)


def _is_held(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_abandoned(place: str | None = None) -> None:
    """Remove the folders that dead processes of this user left; whatever is not surely one of these stays."""
    for path in Path(place or tempfile.gettempdir()).glob(f"{PREFIX}*"):
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
