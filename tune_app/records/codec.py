"""Records as lines of JSON, and labels as text.

A line names its schema, `major.minor`. A newer minor version adds fields: they are kept and written back. A newer major
version changes what is there, and is refused. Lines of schema 2 are read as if they had been written today. `lines` has
their checksums.
"""

import base64
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from tune_app.errors import RecordError
from tune_app.records.model import EpochRecord, FoldRecord, Record

SCHEMA = "3.1"  # since 3.1 a line ends in a checksum
MAJOR = SCHEMA.partition(".")[0]
_KINDS: dict[str, type[EpochRecord] | type[FoldRecord]] = {"epoch": EpochRecord, "fold": FoldRecord}
_HINTS = {kind: get_type_hints(kind) for kind in _KINDS.values()}
_OPTIONAL = {
    kind: [name for name, hint in hints.items() if type(None) in get_args(hint)] for kind, hints in _HINTS.items()
}
_REQUIRED = {
    kind: {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
    - set(_OPTIONAL[kind])
    for kind in _KINDS.values()
}
# What schema 2 called by another name, or had beside the record's other fields and not among its scores.
_RENAMED = {"images_per_second": "samples_per_second", "test_predictions": "predictions"}
_SCORES_OF_2 = (
    *("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
    *("test_loss", "test_accuracy"),
)
# Fields that lines have only where there is something to say.
_WHERE_KNOWN = ("outputs", "n_train", "n_test", "tested_epoch", "undefined", "determinism")
_WIDE = "u2:"  # before packed labels of two bytes each
MAX_CLASSES = 2**16
MOST = 1e300  # no number of a record is larger; JSON's 1e999 is infinite
MOST_BYTES = 2**28  # of the labels of one fit
_ADDRESS = re.compile(r"outputs/(?!\.)[^/\\\0]+/fold-[0-9]+\.npz")  # of a side file: nothing outside their folder
_SHARES = tuple(f"{part}_accuracy" for part in ("train", "validation", "test"))


def pack_labels(labels: NDArray[Any]) -> str:
    """Labels (N,) as text: a byte each, or two where one is too small, compressed by zlib, in base64.

    Raises RecordError for labels that are negative or beyond 65,535.
    """
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low < 0 or high >= MAX_CLASSES:
        raise RecordError(f"labels from {low} to {high} cannot be recorded; at most {MAX_CLASSES:,} classes, from 0")
    wide = high > np.iinfo(np.uint8).max
    packed = zlib.compress(labels.astype("<u2" if wide else np.uint8).tobytes(), 9)
    return (_WIDE if wide else "") + base64.b64encode(packed).decode("ascii")


def unpack_labels(packed: str) -> NDArray[np.unsignedinteger[Any]]:
    """The labels (N,) that `pack_labels` packed; RecordError for another text, or one that unpacks without end."""
    dtype = np.dtype("<u2" if packed.startswith(_WIDE) else np.uint8)
    try:
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(base64.b64decode(packed.removeprefix(_WIDE), validate=True), MOST_BYTES)
        if not unpacking.eof:
            raise ValueError("it is cut off" if len(content) < MOST_BYTES else f"it has over {MOST_BYTES:,} bytes")
        return np.frombuffer(content, dtype=dtype)
    except (ValueError, zlib.error) as error:
        raise RecordError(f"recorded predictions cannot be unpacked: {error}; restore the records") from error


def record_to_dict(record: Record) -> dict[str, Any]:
    """The record with its schema and kind, ready for JSON; fields that a newer version wrote stand in it again."""
    kind = "epoch" if isinstance(record, EpochRecord) else "fold"
    known = {each.name: getattr(record, each.name) for each in fields(record) if each.name != "extra"}
    for name in _WHERE_KNOWN:
        if known.get(name, ...) in (None, {}):
            del known[name]
    if known.get("error_message"):  # which may name a file whose name is no UTF-8
        known["error_message"] = known["error_message"].encode(errors="backslashreplace").decode()
    return {"schema": SCHEMA, "kind": kind, **known, **record.extra}


def record_from_dict(content: Mapping[str, Any]) -> Record:
    """The record in a dictionary made by `record_to_dict`, of this version, of schema 2, or of a newer minor version.

    A field that may be None may be missing. RecordError if the record is of another schema, ValueError if a field is
    not of its type.
    """
    schema = content.get("schema")
    if schema == 2:
        content = _convert_2(content)
    elif str(schema).partition(".")[0] != MAJOR or not isinstance(schema, str):
        raise RecordError(f"a record of schema {schema!r}, this version reads schemas 2 and {MAJOR}")
    kind = _KINDS.get(str(content.get("kind")))
    if kind is None:
        raise RecordError(f"a record of kind {content.get('kind')!r}, known are {', '.join(_KINDS)}")
    checks = _CHECKS[kind]
    lacking = _REQUIRED[kind] - content.keys()
    if lacking:
        raise RecordError(f"a record of kind {content['kind']!r} without {', '.join(sorted(lacking))}")
    known: dict[str, Any] = dict.fromkeys(_OPTIONAL[kind])
    known |= {name: value for name, value in content.items() if name in checks}
    for name, value in known.items():
        if not checks[name](value):
            raise ValueError(f"{name} is {value!r}")
    _check_ranges(known)
    unknown = {name: value for name, value in content.items() if name not in known and name not in ("schema", "kind")}
    if unknown:
        unknown["schema"] = schema
    return kind(**known, extra=unknown)


def _check_ranges(content: Mapping[str, Any]) -> None:
    """Raise ValueError for a value that no run records."""
    least = {"epoch": 1} | dict.fromkeys(("replicate", "fold", "epochs", "started", "fit_seconds", "seconds"), 0)
    for name, bound in least.items():
        if content.get(name, bound) < bound:
            raise ValueError(f"{name} is {content[name]!r}, at least {bound} is possible")
    for name, score in content["scores"].items():
        if name in _SHARES and not 0 <= score <= 1:
            raise ValueError(f"{name} is {score!r}, a share lies between 0 and 1")
    if content.get("outputs") is not None and not _ADDRESS.fullmatch(content["outputs"]):
        raise ValueError(f"outputs is {content['outputs']!r}, which is no place of side files")


def _build_check(hint: Any) -> Callable[[Any], bool]:
    """What tells whether a value of JSON is of the type; an integer may stand where a float is meant."""
    if get_origin(hint) is Mapping:
        is_key, is_item = map(_build_check, get_args(hint))
        return lambda value: isinstance(value, dict) and all(is_key(k) and is_item(v) for k, v in value.items())
    if get_origin(hint) is Literal:
        return get_args(hint).__contains__
    types = get_args(hint) or (hint,)
    types = (*types, int) if float in types else types

    def is_of(value: Any) -> bool:
        if type(value) is float:  # most values are
            return float in types and -MOST < value < MOST
        if isinstance(value, bool):
            return False
        if isinstance(value, str):
            value.encode()  # ValueError for half a surrogate pair
        elif isinstance(value, int | float) and not abs(value) < MOST:
            return False
        return isinstance(value, types)

    return is_of


# Built once: a large study has hundreds of thousands of records.
_CHECKS = {
    kind: {name: _build_check(hint) for name, hint in hints.items() if name != "extra"}
    for kind, hints in _HINTS.items()
}


def _convert_2(content: Mapping[str, Any]) -> dict[str, Any]:
    """A record of schema 2 as one of this schema; RecordError unless it has the fields of schema 2."""
    epoch = content.get("kind") == "epoch"
    # A failed fold had null for its scores; an epoch never had.
    numbers = {name: content[name] for name in _SCORES_OF_2 if name in content}
    scores = {name: number for name, number in numbers.items() if epoch or number is not None}
    rest = {_RENAMED.get(name, name): value for name, value in content.items() if name not in _SCORES_OF_2}
    expected = set(_SCORES_OF_2[:4] if epoch else _SCORES_OF_2[4:])
    lacking = expected - content.keys()
    known = _HINTS[EpochRecord if epoch else FoldRecord].keys() | {"schema", "kind"}
    strange = rest.keys() - known | (scores.keys() - expected)
    if lacking or strange:
        raise RecordError(f"a record with other fields than schema 2: {', '.join(sorted(lacking | strange))}")
    return {**rest, "schema": SCHEMA, "scores": scores}
