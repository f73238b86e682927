"""Records as lines that prove themselves: strict JSON, closed by a checksum of all that stands before it.

    {"schema":"3.1",…,"checksum":"c5f0a3d2918e47b6"}

Lines of schemas before 3.1 have none, and are believed.
"""

import hashlib
import json
import re

from tune_app.records.codec import record_from_dict, record_to_dict
from tune_app.records.model import Record

_CHECKSUM = re.compile(rb',"checksum":"([0-9a-f]{16})"\}$')
_UNCHECKED = (2, "3.0")  # schemas whose lines have no checksum


def record_to_line(record: Record) -> str:
    """One line with its checksum and its newline; ValueError for a number that JSON does not know."""
    body = json.dumps(record_to_dict(record), allow_nan=False, separators=(",", ":")).removesuffix("}")
    return f'{body},"checksum":"{_sum_up(body.encode())}"}}\n'


def record_from_line(line: bytes) -> Record:
    """The record of a line without its newline.

    Raises ValueError, which says what is wrong, for a damaged line, RecordError for one of another schema.
    """
    found = _CHECKSUM.search(line)
    if found and _sum_up(line[: found.start()]) != found[1].decode():
        raise ValueError("its checksum is that of another text")
    try:
        content = json.loads(line, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError(f"it is no record but a JSON {type(content).__name__}")
    content.pop("checksum", None)
    record = record_from_dict(content)
    if not found and content.get("schema") not in _UNCHECKED:
        raise ValueError("its checksum is missing")
    return record


def has_checksum(line: bytes) -> bool:
    """Whether the line ends in a checksum, right or wrong."""
    return _CHECKSUM.search(line) is not None


def _sum_up(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
