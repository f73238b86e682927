"""The conditions with their primary score; the rows that share protocol, folds and recipe form a group."""

from typing import Any

import pandas as pd

from tune_app.analysis.conditions import build_condition
from tune_app.analysis.contrast_rows import SHARES
from tune_app.analysis.labels import Row as LabelledRow
from tune_app.analysis.labels import build_groups
from tune_app.analysis.metrics import find_folds
from tune_app.analysis.pairs import find_best
from tune_app.analysis.undefined import describe_undefined
from tune_app.analysis.unrun import describe_unrun, find_unrun
from tune_app.export.tables.best import build_best_note
from tune_app.export.tables.cut import find_cut
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Part, Reason, Row, Shares, Table
from tune_app.export.tables.notes import build_label_note, share_reasons
from tune_app.export.tables.scope import ESTIMAND, build_scope, do_differ, spell_estimand, spell_method
from tune_app.records.results import Results
from tune_app.study import Study
from tune_app.study.metrics import find_bounds

METHOD = Column("method", "interval", least=Medium.SCREEN)


def build_columns(study: Study) -> tuple[Column, ...]:
    """The columns, with the study's primary metric in the place of honour."""
    primary = study.primary
    unit = study.describe_metric(primary).unit
    heading = primary.replace("_", " ")
    bounds = find_bounds(primary, study.define)  # the CSV files have the formula's ends
    return (
        Column("row", "row", wraps=True),
        Column(primary, heading, Kind.ESTIMATE, unit=unit),
        Column(primary, "95% interval", Kind.INTERVAL, bounds=bounds),
        ESTIMAND,
        Column("shares", f"seeds / {study.sample}s / both", Kind.SHARES, least=Medium.PAPER),
        Column("reported_test_accuracy", "reported", Kind.NUMBER),
        Column("difference", "difference", Kind.ESTIMATE, signed=True),
        Column("fits", "fits", Kind.PART, settles=True),
        Column("replicates", "replicates", Kind.COUNT, settles=True),
        Column(
            "test_loss_mean",
            "test loss",
            Kind.NUMBER,
            unit=study.describe_metric("test_loss").unit,
            least=Medium.SCREEN,
        ),
        Column("fit_seconds_total", "fits took", Kind.NUMBER, unit="s", decimals=1, least=Medium.SCREEN),
        METHOD,
        Column("flags", "note", wraps=True),
    )


def build_condition_table(results: Results) -> Table:
    """A row for each condition, in groups that each say in their caption what their rows have in common."""
    study = results.study
    unrun = find_unrun(results)
    members = [(group, [row for row in group.rows if row.label not in unrun]) for group in build_groups(study)]
    members = [(group, rows) for group, rows in members if rows]
    best = [find_best(results, [row.label for row in rows]) for _, rows in members]
    groups = tuple(
        Group(group.caption, tuple(_build_row(results, group.label(row), row, row.label == one) for row in rows))
        for (group, rows), one in zip(members, best, strict=True)
    )
    rows = [row for group in groups for row in group.rows]
    estimands = [row.values["estimand"] for row in rows]
    notes = [*describe_unrun(results), *build_label_note(study.labelling.find_labels())]
    notes += _build_interval_notes(rows) + build_best_note(results, best, "group" if len(groups) > 1 else "table")
    labels = [row.key for row in rows]
    means = [row.values[study.primary] for row in rows]
    reasons = (*_find_undefined(results), *find_cut(study, study.primary, zip(labels, means, strict=True)))
    hidden = [] if do_differ(estimands) else [ESTIMAND]
    hidden += [] if do_differ(row.values["method"] for row in rows) else [METHOD]
    columns = [column for column in build_columns(study) if column not in hidden]
    scope = build_scope([(row.values[f"{study.primary}_estimand"], study.primary) for row in rows], study)
    shares = (
        f"Seeds / {study.sample}s / both: what the squared error of the mean is made of. More replicates make the "
        f"first part smaller, more test {study.sample}s the second, either of them the third."
    )
    return Table(
        "conditions", "Conditions", tuple(columns), groups, tuple(notes), scope, reasons, (("shares", shares),)
    )


def _build_interval_notes(rows: list[Row]) -> list[str]:
    """How the intervals came about."""
    methods = dict.fromkeys(str(row.values["method"]) for row in rows if row.values["method"])
    return [f"The interval is the {' or the '.join(methods)}."] if methods else []


def _find_undefined(results: Results) -> list[Reason]:
    """Why conditions have no primary score though their fits are complete."""
    reasons = []
    for group in build_groups(results.study):
        for row in group.rows:
            fits = [record for spec in row.trials for record in find_folds(results, spec) if record]
            reasons.append((row.label, describe_undefined(fits, results.study.primary)))
    return share_reasons(reasons)


def _build_row(results: Results, label: str, row: LabelledRow, is_best: bool) -> Row:
    numbers, study = build_condition(results, row.trials), results.study
    primary = study.primary
    score, difference = build_estimates(numbers, primary)
    shares = [numbers[f"{primary}_{name}"] for name in SHARES]
    own = {
        "row": label,
        "fits": Part(numbers["fits_completed"], numbers["fits_planned"]),
        primary: score,
        "difference": difference,
        "estimand": spell_estimand(numbers[f"{primary}_estimand"], study),
        "method": spell_method(numbers[f"{primary}_method"], study),
        "shares": None if shares[0] is None else Shares(*shares),
    }
    best = frozenset([primary] if is_best else [])
    return Row(numbers | own, target=f"trial-{row.trials[0].id}", best=best, key=row.label)


def build_estimates(numbers: dict[str, Any], metric: str = "test_accuracy") -> tuple[Estimate, Estimate]:
    """The score of a row of `build_conditions`, and its difference from the reported figure."""
    low, high = (numbers[f"{metric}_ci95_{end}"] for end in ("low", "high"))
    difference = numbers["difference"]
    if difference is None or pd.isna(low):
        return Estimate(numbers[f"{metric}_mean"], low, high), Estimate(difference)
    figure = numbers["reported_test_accuracy"]
    return Estimate(numbers[f"{metric}_mean"], low, high), Estimate(difference, low - figure, high - figure)
