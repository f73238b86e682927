"""Studies A, B and so on side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tune_app.analysis.comparison import ALONE
from tune_app.export.tables.contrasts import spell_n
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Reason, Row, Table, list_records
from tune_app.export.tables.notes import join_remarks, share_reasons
from tune_app.export.tables.scope import build_scope
from tune_app.study import Study

Record = dict[str, Any]
MINUS = "\u00a0−\u00a0A"
CHANGED = "What differs between the runs"
MOST_KEYS = 6  # of a section of the study that are listed one by one
LACKING = "Conditions that A alone has, or that it lacks, are in comparison.csv."
COMMON = "Where one has more replicates, means are over all of them, paired differences over those that both have."
LEVEL = "p is that of each row by itself, not adjusted for their number."


def build_comparison_tables(study: Study, comparison: pd.DataFrame, changes: pd.DataFrame) -> list[Table]:
    """Per metric the conditions of all with the effects against A, then what the runs do not share.

    A reason that is said below one table is not said again below the next. `study` is that of A.
    """
    said: set[Reason] = set()
    tables = [
        _build_table(study, str(metric), list_records(frame), said)
        for metric, frame in comparison.groupby("metric", sort=False)
    ]
    columns = (Column("key", "setting", wraps=True), *(Column(n, n, wraps=True) for n in changes.columns[1:]))
    changed = tuple(map(Row, _shorten(list_records(changes))))
    return (
        [*tables, Table("changes", CHANGED, columns, (Group("", changed),), file="changes.csv")] if changed else tables
    )


def _shorten(changes: Sequence[Record]) -> list[Record]:
    """The changes, those of a section with many of them in one row."""
    sections = [".".join(record["key"].split(".")[:2]) for record in changes]
    counts = Counter(sections)
    rows: dict[str, Record] = {}
    for section, record in zip(sections, changes, strict=True):
        count = counts[section]
        key = record["key"] if count <= MOST_KEYS else f"{section}: {count} keys, see changes.csv"
        rows.setdefault(key, record if count <= MOST_KEYS else dict.fromkeys(record, "") | {"key": key})
    return list(rows.values())


def _build_table(study: Study, metric: str, records: Sequence[Record], said: set[Reason]) -> Table:
    letters = list(dict.fromkeys(record["study"] for record in records))
    by_row: dict[str, dict[str, Record]] = {}
    for record in records:
        by_row.setdefault(record["row"], {})[record["study"]] = record
    notes, reasons = _find_reasons(letters, by_row, said)
    shared = {row: found for row, found in by_row.items() if any(r["status"] != ALONE for r in found.values())}
    once = [LACKING] if shared and len(shared) < len(by_row) else []
    differ = any(r["n_replicates"] != r["n_replicates_baseline"] for r in records if r["status"] != ALONE)
    once += [COMMON] if differ else []
    notes += [note for note in once if Reason((), note) not in said]
    said |= {Reason((), note) for note in once}
    by_row = shared or by_row
    if any(not pd.isna(record["p_value"]) for record in records):
        notes.insert(0, LEVEL)
    title = f"{metric.replace('_', ' ')}" + (f" ({records[0]['unit']})" if records[0]["unit"] else "")
    return Table(
        f"comparison-{metric}",
        title[0].upper() + title[1:],
        (Column("row", "condition", wraps=True), Column("A", "A", Kind.NUMBER), *_build_columns(letters)),
        (Group("", tuple(_build_row(found) for found in by_row.values())),),
        tuple(notes),
        build_scope([(record["estimand"], metric) for record in records], study),
        tuple(reasons),
        file="comparison.csv",
    )


def _build_columns(letters: Sequence[str]) -> list[Column]:
    """The means of the others, then each one's effect; of several p and n are in the CSV file."""
    least = Medium.TERMINAL if len(letters) == 1 else Medium.SCREEN
    columns = [Column(letter, letter, Kind.NUMBER) for letter in letters]
    for letter in letters:
        columns += [
            Column(f"effect_{letter}", f"{letter}{MINUS}", Kind.ESTIMATE, signed=True),
            Column(f"effect_{letter}", "95% interval", Kind.INTERVAL, signed=True),
            Column(f"p_{letter}", "p", Kind.P_VALUE, least=least),
            Column(f"n_{letter}", "n", least=least, settles=True),
        ]
    return columns


def _build_row(found: Mapping[str, Record]) -> Row:
    first = next(iter(found.values()))
    values: Record = {"row": first["row"], "A": first["mean_first"]}
    for letter, record in found.items():
        values |= {
            letter: record["mean_second"],
            f"effect_{letter}": Estimate(record["effect"], record["ci95_low"], record["ci95_high"]),
            f"p_{letter}": record["p_value"],
            f"n_{letter}": spell_n(record),
        }
    return Row(values)


def _find_reasons(
    letters: Sequence[str], by_row: Mapping[str, Mapping[str, Record]], said: set[Reason]
) -> tuple[list[str], list[Reason]]:
    """What holds for every condition that A and another have, once; and what holds for some of them.

    A condition that is in one study alone has no mean in the others: the dashes say so, and one sentence does.
    """
    notes: list[str] = []
    reasons: list[Reason] = []
    for letter in letters:
        records = [found[letter] for found in by_row.values()]
        both = [record for record in records if record["status"] != ALONE]
        remarks = [(record["row"], join_remarks(record)) for record in both]
        name = f"{letter}{MINUS}"
        for reason in share_reasons(remarks):
            known = Reason(reason.rows, f"{name}: {reason.text}")
            if known in said:
                continue
            said.add(known)
            if len(reason.rows) == len({record["row"] for record in both}):
                notes.append(known.text)
            else:
                reasons.append(known)
        if len(both) < len(records) and (lacking := Reason((), f"{name}: alone")) not in said:
            said.add(lacking)
            own = [sum(r["reason"] == f"it is in study {one} alone." for r in records) for one in ("A", letter)]
            counts = f"{len(both) + own[0]} conditions of A and the {len(both) + own[1]} of {letter}"
            notes.append(f"{name}: of the {counts}, {len(both) or 'none'} {'is' if len(both) < 2 else 'are'} in both.")
    return notes, reasons
