"""The file of records, and the append-only store that one driver at a time may write."""

import errno
import itertools
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tune_app.errors import RecordError
from tune_app.records.files import write_bytes_whole, write_whole
from tune_app.records.lines import record_from_line, record_to_line
from tune_app.records.lock import Lock
from tune_app.records.model import Record, RecordSet

RECORDS_FILE = "records.jsonl"
DAMAGED_FILE = "records.damaged.jsonl"  # what was taken out of it


class Damaged(NamedTuple):
    """A line that is no record; `number` counts from 1."""

    number: int
    content: bytes
    reason: str


class ReadRecords(NamedTuple):
    """The records of a file, the whole lines that are none, and the cut-off last line (empty if there is none)."""

    records: RecordSet
    damaged: tuple[Damaged, ...]
    torn: bytes


def read_records(path: Path) -> ReadRecords:
    """The records in a file; RecordError for a file that cannot be read, or a record of another schema."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    records, damaged = RecordSet(), []
    lines = content.split(b"\n")
    torn = lines.pop()  # empty after a final newline: a line without one was cut off while it was written
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.add(record_from_line(line))
        except (ValueError, TypeError, AttributeError) as error:
            damaged.append(Damaged(number, line, str(error)))
        except RecordError as error:
            raise RecordError(
                f"{path}, line {number}: {error}; start over with --fresh (the old records are kept beside the new), "
                "or use the version that wrote it"
            ) from None
    records.drop_incomplete()
    return ReadRecords(records, tuple(damaged), torn)


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write a whole record file; it appears complete or not at all."""
    write_whole(path, "".join(map(record_to_line, records)))


def _lock(folder: Path) -> Lock:
    """The folder, held against other processes; RecordError if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Lock(folder)
    except OSError as error:
        raise RecordError(f"records cannot be written to {folder}: {error.strerror}; choose another --runs") from error


def set_records_aside(folder: Path) -> Path | None:
    """Move a study's whole folder out of the way, and say where to; None if it has no records.

    Raises RecordError while another run writes there.
    """
    if not (folder / RECORDS_FILE).exists():
        return None
    name = f"{folder.name}.before-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
    aside = next(path for path in map(folder.with_name, names) if not path.exists())
    lock = _lock(folder)
    try:
        folder.rename(aside)
        (aside / lock.path.name).unlink()
    finally:
        lock.release()
    return aside


class RecordStore:
    """The records of one study on disk, open for appending; a second writer is refused.

    Opening drops a cut-off last line, `torn` (empty if there was none), and moves `damaged` lines to a file beside the
    records: what they told is run again.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORDS_FILE
        self._lock = _lock(folder)
        try:
            if not self.path.exists():
                self.path.touch()  # one that is there keeps its time: nothing may have to be written
            self.records, self.damaged, self.torn = read_records(self.path)
            if self.damaged:
                self._set_damaged_aside()
            self._file = self.path.open("ab", buffering=0)  # a line that fails must not linger and be written later
            if self.torn:
                self._file.truncate(self.path.stat().st_size - len(self.torn))
        except OSError as error:
            self._lock.release()
            raise RecordError(
                f"records cannot be written to {folder}: {error.strerror}; choose another --runs"
            ) from error
        except BaseException:
            self._lock.release()
            raise

    def _set_damaged_aside(self) -> None:
        """Take the damaged lines out; they are beside the records before they are gone from them."""
        lines = self.path.read_bytes().split(b"\n")
        with self.path.with_name(DAMAGED_FILE).open("ab") as aside:
            aside.writelines(line.content + b"\n" for line in self.damaged)
            aside.flush()
            os.fsync(aside.fileno())
        numbers = {line.number for line in self.damaged}
        kept = [line for number, line in enumerate(lines, start=1) if number not in numbers]
        write_bytes_whole(self.path, b"\n".join(kept))

    def append(self, record: Record) -> None:
        """Write one record through to the disk; RecordError if the disk refuses it."""
        try:
            line = record_to_line(record).encode()
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.records.add(record)  # before the disk confirms: an interrupt may come while it does
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RecordError(
                f"{self.path} cannot be written: {error.strerror}; free some space and run the same command again, "
                "it resumes from the last whole record"
            ) from error

    def close(self) -> None:
        self._file.close()
        self._lock.release()
