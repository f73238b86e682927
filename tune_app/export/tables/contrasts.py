"""Contrasts of one metric, in the groups of the conditions: where one factor changes, then where more do."""

from typing import Any

import pandas as pd

from tune_app.analysis.comparable import APART
from tune_app.analysis.contrast_rows import FAMILIES
from tune_app.analysis.estimands import DETECTABLE
from tune_app.analysis.labels import RowGroup, build_groups, build_rows
from tune_app.analysis.unrun import find_unrun
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Row, Table, list_records
from tune_app.export.tables.notes import join_remarks, share_reasons
from tune_app.export.tables.scope import ESTIMAND, build_scope, do_differ, spell_estimand, spell_method
from tune_app.records.results import Results
from tune_app.study import Metric, Study

BASELINE = Column("baseline", "baseline", wraps=True)
DIFFERS = Column("differs", "differs", wraps=True)
COLUMNS = (
    Column("row", "row", wraps=True),
    BASELINE,
    DIFFERS,
    Column("effect", "effect", Kind.ESTIMATE, signed=True),
    Column("effect", "95% interval", Kind.INTERVAL, signed=True),
    ESTIMAND,
    Column("p_value", "p", Kind.P_VALUE, least=Medium.SCREEN),
    Column("p_holm", "p (Holm)", Kind.P_VALUE),
    Column("p_worse", "P(worse)", Kind.PROBABILITY, least=Medium.PAPER),
    Column("p_equivalent", "P(equal)", Kind.PROBABILITY, least=Medium.PAPER),
    Column("p_better", "P(better)", Kind.PROBABILITY, least=Medium.PAPER),
    Column("smallest_detectable", "detectable", Kind.SPREAD, least=Medium.PAPER),
    Column("n", "n", settles=True, wraps=True),
    Column("method", "method", least=Medium.SCREEN, settles=True),
)
TITLES = dict(zip(FAMILIES, ("", ", more than one factor changed"), strict=True))


def build_contrast_tables(results: Results, contrasts: pd.DataFrame, metric: Metric) -> list[Table]:
    """A row for each contrast of the metric in `contrasts`, which has the columns of contrasts.csv.

    The contrasts that change more than one factor have a table of their own. A table without rows is left out.
    """
    unrun = find_unrun(results)
    records = [
        record
        for record in list_records(contrasts)
        if record["metric"] == metric and not {record["row"], record["baseline_row"]} & unrun
    ]
    families = [[record for record in records if record["family"] == family] for family in FAMILIES]
    return [
        _build_table(results, {record["row"]: record for record in members}, metric, family)
        for family, members in zip(FAMILIES, families, strict=True)
        if members
    ]


def _build_table(results: Results, records: dict[str, dict[str, Any]], metric: Metric, family: str) -> Table:
    """The table of one family; where every group has one baseline, the captions name it."""
    study = results.study
    groups = _build_groups(results, records)
    is_captioned = all(len({row.values["baseline"] for row in rows}) == 1 for _, rows in groups)
    hidden = [*([BASELINE] if is_captioned else []), *([DIFFERS] if family == FAMILIES[0] else [])]
    if not do_differ(record["estimand"] for record in records.values()):
        hidden.append(ESTIMAND)
    captions = [
        f"{group.caption}; compared with {rows[0].values['baseline']}" if is_captioned else group.caption
        for group, rows in groups
    ]
    reasons = [(row, join_remarks(record)) for row, record in records.items() if record["reason"] != APART]
    unit = study.describe_metric(metric).unit
    title = f"Contrasts of {metric.replace('_', ' ')}" + (f" ({unit})" if unit else "")
    return Table(
        f"contrasts-{metric}" + ("" if family == FAMILIES[0] else "-several"),
        title + TITLES[family],
        tuple(column for column in COLUMNS if column not in hidden),
        tuple(Group(caption, rows) for caption, (_, rows) in zip(captions, groups, strict=True)),
        tuple(_build_notes(results, records)),
        build_scope([(record["estimand"], metric) for record in records.values()], study),
        tuple(share_reasons(reasons, leave_out=(DETECTABLE,))),
    )


def _build_groups(results: Results, records: dict[str, dict[str, Any]]) -> list[tuple[RowGroup, tuple[Row, ...]]]:
    conditions = {row.label: row.trials[0].condition for row in build_rows(results.study)}
    groups: list[tuple[RowGroup, tuple[Row, ...]]] = []
    for group in build_groups(results.study):
        rows = tuple(
            _build_row(
                results.study,
                records[row.label],
                group.label(row),
                group.labelling.label(conditions[records[row.label]["baseline_row"]]),
            )
            for row in group.rows
            if row.label in records
        )
        groups += [(group, rows)] if rows else []
    return groups


LOOKED = (
    "Replicates were added until claims were decided. The claims' intervals allow for that; p and intervals here take "
    "the number of replicates as planned."
)


def _build_notes(results: Results, records: dict[str, dict[str, Any]]) -> list[str]:
    study = results.study
    notes = [LOOKED] if results.looks and study.more else []
    if any(record["reason"] == APART for record in records.values()):
        notes.append(f"Times without an interval: {APART}")
    if any(not pd.isna(record["p_superior"]) for record in records.values()):
        notes.append(
            "What assumes less, the sign-flip p, the median effect and P(superior), the chance that a fit of the row "
            f"beats one of its baseline, is in contrasts.csv; it counts fits, on these very {study.sample}s."
        )
    return notes


def _build_row(study: Study, record: dict[str, Any], label: str, baseline: str) -> Row:
    return Row(
        record
        | {
            "row": label,
            "baseline": baseline,
            "effect": Estimate(record["effect"], record["ci95_low"], record["ci95_high"]),
            "estimand": spell_estimand(record["estimand"], study),
            "method": spell_method(record["method"], study),
            "n": spell_n(record),
        },
        key=record["row"],
    )


def spell_n(record: dict[str, Any]) -> str | None:
    """What a contrast was computed from, `12 pairs` or `3 and 3 replicates`; None where there is none."""
    if not pd.isna(record["n_pairs"]):
        return f"{record['n_pairs']} pairs"
    names = ("n_replicates", "n_replicates_baseline" if "n_replicates_baseline" in record else "n_replicates_against")
    return f"{record[names[0]]} and {record[names[1]]} replicates" if record["method"] else None
