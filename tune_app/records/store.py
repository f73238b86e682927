"""The file of records, and the append-only store that one driver at a time may write."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

from tune_app.errors import RecordError
from tune_app.records.codec import record_from_dict, record_to_line
from tune_app.records.files import write_whole
from tune_app.records.model import Record, RecordSet

RECORDS_FILE = "records.jsonl"


def read_records(path: Path) -> tuple[RecordSet, bytes]:
    """The records in a file, and its torn last line (empty if there is none).

    Raises RecordError for a damaged line that is not the last, or a record of another schema.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    records = RecordSet()
    lines = content.split(b"\n")
    torn = lines.pop()  # empty after a final newline: a line without one was cut off while it was written
    for number, line in enumerate(lines, start=1):
        try:
            records.add(record_from_dict(json.loads(line, parse_constant=_refuse_constant)))
        except (ValueError, TypeError, AttributeError) as error:
            raise RecordError(
                f"{path}, line {number}, is damaged ({error}); delete the line, or start over with --fresh"
            ) from error
        except RecordError as error:
            raise RecordError(
                f"{path}, line {number}: {error}; start over with --fresh (the old records are kept beside the new), "
                "or use the version that wrote it"
            ) from None
    return records, torn


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write a whole record file; it appears complete or not at all."""
    write_whole(path, "".join(map(record_to_line, records)))


def _open_alone(path: Path) -> FileIO:
    """The file, open for appending and locked against other processes; RecordError if that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab", buffering=0)  # unbuffered: a line that fails must not linger and be written later
    except OSError as error:
        raise RecordError(
            f"records cannot be written to {path.parent}: {error.strerror}; choose another --runs"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RecordError(f"{path} is being written by another run of this study; wait, or stop it") from None
    return file


def set_records_aside(folder: Path) -> Path | None:
    """Move a study's whole folder out of the way, and say where to; None if it has no records.

    Raises RecordError while another run writes there.
    """
    if not (folder / RECORDS_FILE).exists():
        return None
    aside = folder.with_name(f"{folder.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
    with _open_alone(folder / RECORDS_FILE):
        folder.rename(aside)
    return aside


class RecordStore:
    """The records of one study on disk, open for appending; a second writer is refused.

    `torn` is the cut-off last line that opening dropped, empty if there was none.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORDS_FILE
        self._file = _open_alone(self.path)
        try:
            self.records, self.torn = read_records(self.path)
        except RecordError:
            self._file.close()
            raise
        if self.torn:
            self._file.truncate(self.path.stat().st_size - len(self.torn))

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
