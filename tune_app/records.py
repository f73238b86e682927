"""Records, one line of JSON each, and the append-only store that one driver at a time may write.

A record is keyed by (trial, fold, epoch) or (trial, fold); where a key comes twice, the last one counts.
"""

import base64
import errno
import fcntl
import json
import os
import time
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from io import FileIO
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from tune_app.errors import RecordError

SCHEMA = 2
RECORDS_FILE = "records.jsonl"


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of one fit; `epoch` counts from 1, `fold` from 0.

    Losses are mean cross-entropies in nats per image, accuracies shares in [0, 1]. The training figures are means over
    the epoch's batches as they were trained on; the validation figures are taken after the epoch, in evaluation mode.
    `seconds` covers training and validation, `images_per_second` training alone.
    """

    trial: str
    replicate: int
    fold: int
    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True, slots=True)
class FoldRecord:
    """One fit, completed or failed. A failed one has no scores, but an `error_type` and an `error_message`.

    `test_predictions` holds the predicted labels of the test set, packed (see `unpack_labels`); the network tested is
    that of the last epoch. `best_epoch` is the first one with the highest validation accuracy. `started` is in seconds
    since 1970; `peak_memory_bytes` is the allocator's peak on a GPU, the process's peak resident set on a CPU. `engine`
    is `eager` or `stacked`; of a stack's seconds and bytes each fold has an equal share.
    """

    trial: str
    replicate: int
    fold: int
    status: Literal["completed", "failed"]
    epochs: int
    test_loss: float | None
    test_accuracy: float | None
    test_predictions: str | None
    best_epoch: int | None
    started: float
    fit_seconds: float
    peak_memory_bytes: int | None
    device: str
    host: str
    error_type: str | None = None
    error_message: str | None = None
    engine: str | None = None


Record = EpochRecord | FoldRecord
# What may differ between two runs of the same trial; every other field is the same bit for bit on a CPU.
RUN_FIELDS = frozenset(
    {"seconds", "images_per_second", "started", "fit_seconds", "peak_memory_bytes", "device", "host", "engine"}
)


def _find_types(kind: type) -> dict[str, tuple[type, ...]]:
    """The types that each field of a record may have; a JSON number may be an integer where a float is meant."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        types = (str,) if name == "status" else get_args(hint) or (hint,)
        found[name] = (*types, int) if float in types else types
    return found


_KINDS: dict[str, type[EpochRecord] | type[FoldRecord]] = {"epoch": EpochRecord, "fold": FoldRecord}
_TYPES = {kind: _find_types(kind) for kind in _KINDS.values()}


def build_failed_fold(
    trial: str, replicate: int, fold: int, error_type: str, error_message: str, started: float
) -> FoldRecord:
    """The record of a fold that failed before there was a network to speak of."""
    return FoldRecord(
        trial=trial,
        replicate=replicate,
        fold=fold,
        status="failed",
        epochs=0,
        test_loss=None,
        test_accuracy=None,
        test_predictions=None,
        best_epoch=None,
        started=started,
        fit_seconds=0.0,
        peak_memory_bytes=None,
        device="unknown",
        host="unknown",
        error_type=error_type,
        error_message=error_message[:2000],
    )


def pack_labels(labels: NDArray[np.uint8]) -> str:
    """Labels as text: uint8, compressed by zlib, base64."""
    return base64.b64encode(zlib.compress(labels.astype(np.uint8).tobytes(), 9)).decode("ascii")


def unpack_labels(packed: str) -> NDArray[np.uint8]:
    """The uint8 labels (N,) that `pack_labels` packed."""
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype=np.uint8)


def record_to_dict(record: Record) -> dict[str, Any]:
    """The record with its schema and kind, ready for JSON."""
    kind = "epoch" if isinstance(record, EpochRecord) else "fold"
    return {"schema": SCHEMA, "kind": kind, **asdict(record)}


def record_from_dict(content: dict[str, Any]) -> Record:
    """The record in a dictionary made by `record_to_dict`.

    RecordError if it is of another schema, ValueError if a field is not of its type.
    """
    if content.get("schema") != SCHEMA:
        raise RecordError(f"a record of schema {content.get('schema')!r}, this version reads schema {SCHEMA}")
    kind = _KINDS.get(str(content.get("kind")))
    if kind is None:
        raise RecordError(f"a record of kind {content.get('kind')!r}, known are {', '.join(_KINDS)}")
    names = {field.name for field in fields(kind)}
    if names != content.keys() - {"schema", "kind"}:
        differing = sorted(names ^ (content.keys() - {"schema", "kind"}))
        raise RecordError(f"a {content['kind']} record with other fields than schema {SCHEMA}: {', '.join(differing)}")
    for name, types in _TYPES[kind].items():
        if not isinstance(content[name], types) or isinstance(content[name], bool):
            raise ValueError(f"{name} is {content[name]!r}")
    return kind(**{name: content[name] for name in names})


def record_to_line(record: Record) -> str:
    """One line of strict JSON with its newline."""
    return json.dumps(record_to_dict(record), allow_nan=False, separators=(",", ":")) + "\n"


class RecordSet:
    """Records by key, the last of each key."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.epochs: dict[tuple[str, int, int], EpochRecord] = {}
        self.folds: dict[tuple[str, int], FoldRecord] = {}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        if isinstance(record, EpochRecord):
            self.epochs[record.trial, record.fold, record.epoch] = record
        else:
            self.folds[record.trial, record.fold] = record

    def is_completed(self, trial: str, fold: int) -> bool:
        record = self.folds.get((trial, fold))
        return record is not None and record.status == "completed"

    def missing_folds(self, trial: str, folds: int) -> tuple[int, ...]:
        """The folds of a trial that have no completed record."""
        return tuple(fold for fold in range(folds) if not self.is_completed(trial, fold))

    def completed(self) -> set[tuple[str, int]]:
        return {key for key, record in self.folds.items() if record.status == "completed"}

    def in_order(self, trials: Iterable[str]) -> list[Record]:
        """The records of the given trials, trial by trial, each fold's epochs before the fold itself."""
        position = {trial: index for index, trial in enumerate(trials)}
        keyed: list[tuple[tuple[int, int, int, int], Record]] = [
            ((position[trial], fold, 0, epoch), record)
            for (trial, fold, epoch), record in self.epochs.items()
            if trial in position
        ]
        keyed += [((position[t], fold, 1, 0), record) for (t, fold), record in self.folds.items() if t in position]
        return [record for _, record in sorted(keyed, key=lambda pair: pair[0])]


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


def write_whole(path: Path, text: str) -> None:
    """Replace a text file in one step, so that no reader and no crash sees half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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
                "it goes on from the last whole record"
            ) from error

    def close(self) -> None:
        self._file.close()
