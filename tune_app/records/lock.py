"""One writer at a time: a lock file that says who holds it, also where the file system knows no locks."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from tune_app.errors import RecordError

LOCK_FILE = "records.lock"
WITHOUT_LOCKS = (
    errno.ENOLCK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EINVAL,
)  # what flock fails with where it is unknown


class Lock:
    """A folder held by this process until `release`, or until the process ends.

    The operating system's lock decides where there is one. Where the file system knows none, as some network ones do,
    the file itself is the lock: one left by a process that is gone, or by a machine that has been started again since,
    is stale and is taken over.
    """

    def __init__(self, folder: Path) -> None:
        """Raises RecordError, which says who holds it, while another process does, and OSError for a bad folder."""
        self.path = folder / LOCK_FILE
        self._own = folder / f".{LOCK_FILE}.{socket.gethostname()}.{os.getpid()}"
        self._file = -1
        take = self._take if self._has_locks() else self._take_by_name
        while self._file < 0:
            self._file = take()

    def _has_locks(self) -> bool:
        with self._own.open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in WITHOUT_LOCKS:
                    raise
                return False
            finally:
                self._own.unlink()
        return True

    def _take(self) -> int:
        """The descriptor of the held file; −1 where the file was another one by the time it was locked."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise RecordError(self._describe(_read(self.path))) from None
        if not self._is_at_path(file):  # who held it has deleted it in between
            os.close(file)
            return -1
        _write(file)
        return file

    def _take_by_name(self) -> int:
        """The same where the name alone is the lock: it appears with its content, and for one process only."""
        file = os.open(self._own, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _write(file)
            os.link(self._own, self.path)
        except FileExistsError:
            os.close(file)
            holder = _read(self.path)
            if not holder or not _is_gone(holder):
                raise RecordError(self._describe(holder)) from None
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
            return -1
        finally:
            self._own.unlink()
        return file

    def _is_at_path(self, file: int) -> bool:
        try:
            return self.path.stat().st_ino == os.fstat(file).st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the folder back; nothing where it was moved or given back before."""
        if self._file < 0:
            return
        if self._is_at_path(self._file):
            self.path.unlink()
        os.close(self._file)
        self._file = -1

    def _describe(self, holder: dict[str, Any]) -> str:
        text = f"{self.path.parent} is being written by another run of this study"
        if not holder:
            return f"{text}; wait for it, or stop it; if there is none, delete {self.path}"
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["started"]))
        return (
            f"{text}: process {holder['process']} on {holder['host']}, since {since}; wait for it, or stop it; if it "
            f"is no longer there, delete {self.path}"
        )


def _write(file: int) -> None:
    holder = {"process": os.getpid(), "host": socket.gethostname(), "started": time.time(), **_identify(os.getpid())}
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(holder).encode(), 0)


def _read(path: Path) -> dict[str, Any]:
    """Who holds the lock; empty where that cannot be read."""
    try:
        holder = json.loads(path.read_bytes())
        return {**holder, "process": int(holder["process"]), "started": float(holder["started"])}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether the process of this machine has ended; of another machine nothing is known."""
    here = _identify(holder["process"])
    if holder.get("host") != socket.gethostname() or not here["boot"]:
        return False
    if holder.get("boot") != here["boot"]:
        return True  # the machine has been started again since
    return bool(holder.get("namespace") == here["namespace"] and holder.get("born") != here["born"])


def _identify(process: int) -> dict[str, str]:
    """What tells this process from a later one with its number: the machine's start, the namespace, its own start."""
    found = dict.fromkeys(("boot", "namespace", "born"), "")
    with contextlib.suppress(OSError):
        found["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        found["namespace"] = str(Path("/proc/self/ns/pid").readlink())
        found["born"] = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    return found
