"""The reported figures: beside ours, and among our replicates run as reported."""

from typing import Any

import pandas as pd

from tune_app.analysis.audit.reference_check import iterate_checks
from tune_app.analysis.reported import Counterpart, find_counterparts
from tune_app.export.tables.conditions import build_estimates
from tune_app.export.tables.cut import find_cut
from tune_app.export.tables.model import Column, Group, Kind, Medium, Range, Row, Table, list_records
from tune_app.export.tables.notes import build_label_note, share_reasons
from tune_app.export.tables.scope import build_scope
from tune_app.records.results import Results

REPORTED = (
    Column("row", "row", wraps=True),
    Column("reported", "reported", Kind.NUMBER),
    Column("ours", "ours", Kind.ESTIMATE),
    Column("ours", "95% interval", Kind.INTERVAL, bounds=(0, 1)),
    Column("difference", "difference", Kind.ESTIMATE, signed=True),
    Column("verdict", "reported figure is", wraps=True),
    Column("place", "among replicates run as reported", wraps=True, least=Medium.PAPER),
)
CHECK = (
    Column("row", "row", wraps=True),
    Column("batch_size", "batch size", Kind.COUNT, settles=True),
    Column("reported_test_accuracy", "reported", Kind.NUMBER),
    Column("as_reported", "as reported", Kind.RANGE),
    Column("as_reported_replicates", "replicates", Kind.COUNT),
    Column("replicates_below", "below", Kind.COUNT),
    Column("place", "place", wraps=True),
    Column("range_coverage", "range holds", Kind.SHARE, least=Medium.PAPER),
    Column("sound", "sound", Kind.RANGE, least=Medium.PAPER),
    Column("sound_replicates", "replicates, sound", Kind.COUNT, least=Medium.SCREEN),
)
SETTING = ("protocol", "batch_size")  # what the columns say, not the labels
EXPLANATION = (
    "Below: replicates with a lower accuracy than the reported figure. Range holds: the chance that one more replicate "
    "lies between the least and the greatest of these."
)


def build_reported_tables(results: Results) -> list[Table]:
    """The reference's own tables: each reported figure beside ours, with the verdict on the difference."""
    tables: dict[str, list[Counterpart]] = {}
    for counterpart in find_counterparts(results):
        tables.setdefault(counterpart.figure.table, []).append(counterpart)
    return [
        _build_reported_table(results, name, counterparts, f"reported-{number}")
        for number, (name, counterparts) in enumerate(tables.items(), start=1)
    ]


def _build_reported_table(results: Results, title: str, counterparts: list[Counterpart], name: str) -> Table:
    labelling = results.study.labelling.within([counterpart.spec.condition for counterpart in counterparts])
    rows, reasons, figures = [], [], []
    for counterpart in counterparts:
        label = labelling.label(counterpart.spec.condition)
        ours, difference = build_estimates(counterpart.numbers)
        rows.append(
            Row(
                {
                    "row": label,
                    "reported": counterpart.figure.test_accuracy,
                    "ours": ours,
                    "difference": difference,
                    "verdict": counterpart.verdict,
                    "place": counterpart.place,
                },
                target=f"trial-{counterpart.spec.id}",
            )
        )
        reasons.append((label, counterpart.reason))
        figures += [f"{label}: {counterpart.figure.note}."] if counterpart.figure.note else []
    means = [(str(row.values["row"]), row.values["ours"]) for row in rows]
    return Table(
        name,
        f"Reported figures, {title}" if title else "Reported figures",
        REPORTED,
        (Group(labelling.build_caption(), tuple(rows)),),
        (
            *dict.fromkeys(figures),
            *build_label_note(labelling.find_labels()),
        ),
        build_scope(
            [(each.numbers["test_accuracy_estimand"], "test_accuracy") for each in counterparts], results.study
        ),
        (*share_reasons(reasons), *find_cut(results.study, "test_accuracy", means)),
    )


def build_check_table(results: Results, checks: pd.DataFrame) -> Table:
    """A row for each of reference_check.csv: the figure among the replicates run as reported, the sound ones beside."""
    conditions = [spec.condition for _, spec, _ in iterate_checks(results)]
    labelling = results.study.labelling.within(conditions)
    records = list_records(checks)
    rows = tuple(
        Row(
            {
                **record,
                "row": labelling.label(condition, SETTING),
                **{
                    name: Range(*(record[f"{name}_{what}"] for what in ("mean", "min", "max")))
                    for name in ("as_reported", "sound")
                },
            },
            key=_name(record),
        )
        for record, condition in zip(records, conditions, strict=True)
    )
    reasons = share_reasons([(_name(record), record["reason"]) for record in records])
    return Table(
        "reference",
        "Reported figures among replicates (mean, least to greatest)",
        CHECK,
        (Group(labelling.build_caption(SETTING), rows),),
        (EXPLANATION,),
        f"Ranges and places speak of one more replicate, on these very {results.study.sample}s.",
        tuple(reasons),
    )


def _name(record: dict[str, Any]) -> str:
    return f"{record['row']}, batch size {record['batch_size']}"
