"""Records as lines of JSON, and labels as text."""

import base64
import json
import zlib
from dataclasses import asdict, fields
from typing import Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from tune_app.errors import RecordError
from tune_app.records.model import EpochRecord, FoldRecord, Record

SCHEMA = 2


def _find_types(kind: type) -> dict[str, tuple[type, ...]]:
    """The types that each field of a record may have; a JSON number may be an integer where a float is meant."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        types = (str,) if name == "status" else get_args(hint) or (hint,)
        found[name] = (*types, int) if float in types else types
    return found


_KINDS: dict[str, type[EpochRecord] | type[FoldRecord]] = {"epoch": EpochRecord, "fold": FoldRecord}
_TYPES = {kind: _find_types(kind) for kind in _KINDS.values()}


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
