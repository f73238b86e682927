"""Notes below a table: a reason that several rows share is said once."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tune_app.export.tables.model import Reason
from tune_app.study import Label

_CLAUSE = re.compile(r"(?<=[.;])\s+")


def share_reasons(reasons: Iterable[tuple[str, str]], leave_out: Sequence[str] = ()) -> list[Reason]:
    """(row, reason) of every row → each clause once, with its rows; clauses of the same rows stay together.

    Clauses that begin as one of `leave_out` are dropped; a row that a reason begins with is `it`.
    """
    rows: dict[str, dict[str, None]] = {}
    texts: dict[str, str] = {}  # with the punctuation that ends them
    for row, reason in reasons:
        named = f"it {reason.removeprefix(f'{row} ')}" if reason.startswith(f"{row} ") else reason
        for text in _CLAUSE.split(named.strip()):
            clause = text.rstrip(".;")
            if clause and not clause.startswith(tuple(leave_out)):
                rows.setdefault(clause, {})[row] = None
                texts.setdefault(clause, text)
    groups: dict[tuple[str, ...], str] = {}
    for clause, names in rows.items():
        groups[tuple(names)] = _append(groups.get(tuple(names), ""), texts[clause])
    return [Reason(names, f"{text.rstrip('.;')}.") for names, text in groups.items()]


def _append(text: str, clause: str) -> str:
    if not text:
        return clause
    return f"{text} {clause[0].upper()}{clause[1:]}" if text.endswith(".") else f"{text} {clause}"


def join_remarks(record: Mapping[str, Any]) -> str:
    """A contrast's reason, and what else must be known to read its numbers."""
    return " ".join(filter(None, (record["reason"], record["note"])))


def build_notes(reasons: Sequence[Reason], rows: int) -> list[str]:
    """A note for each reason: the labels of its rows, or that it is about every one of so many `rows`."""
    return [
        f"{'Every row' if len(reason.rows) == rows > 1 else '; '.join(reason.rows)}: {reason.text}"
        for reason in reasons
    ]


def number_claims(reason: Reason) -> str:
    """`Claim 2` or `Claims 1, 2 and 3`, for rows that are numbers."""
    *others, last = reason.rows
    return f"Claims {', '.join(others)} and {last}" if others else f"Claim {last}"


def build_label_note(labels: Sequence[Label]) -> list[str]:
    """What the study's labels stand for, in one note; none without labels."""
    spelled = [f"{label.label}: {label.meaning}" for label in labels]
    return [f"{'; '.join(spelled)}."] if spelled else []
