"""The conditions with their primary score; the rows that share protocol, folds and recipe form a group."""

from typing import Any

import pandas as pd

from tune_app.analysis.conditions import build_condition
from tune_app.analysis.labels import Row as LabelledRow
from tune_app.analysis.labels import build_groups
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Part, Row, Table
from tune_app.export.tables.notes import build_label_note
from tune_app.records.results import Results
from tune_app.study import Study
from tune_app.study.metrics import SHARE, find_facts


def build_columns(study: Study) -> tuple[Column, ...]:
    """The columns, with the study's primary metric in the place of honour."""
    primary = study.primary
    facts = find_facts(primary, study.define)
    heading = primary.replace("_", " ")
    # No share lies outside [0, 1]; the CSV files have the formula's ends.
    bounds = (0, 1) if facts.unit == SHARE else None
    return (
        Column("row", "row", wraps=True),
        Column("fits", "fits", Kind.PART),
        Column("replicates", "replicates", Kind.COUNT),
        Column(primary, heading, Kind.ESTIMATE, unit=facts.unit),
        Column(primary, "95% interval", Kind.INTERVAL, bounds=bounds),
        Column("reported_test_accuracy", "reported", Kind.NUMBER),
        Column("difference", "difference", Kind.ESTIMATE, signed=True),
        Column("test_loss_mean", "test loss", Kind.NUMBER, unit="nats/image", least=Medium.SCREEN),
        Column("fit_seconds_total", "fits took", Kind.NUMBER, unit="s", decimals=1, least=Medium.SCREEN),
        Column("flags", "note", wraps=True),
    )


def build_condition_table(results: Results) -> Table:
    """A row for each condition, in groups that each say in their caption what their rows have in common."""
    groups = tuple(
        Group(group.caption, tuple(_build_row(results, group.label(row), row) for row in group.rows))
        for group in build_groups(results.study)
    )
    notes = build_label_note(results.study.labelling.find_labels())
    return Table("conditions", "Conditions", build_columns(results.study), groups, tuple(notes))


def _build_row(results: Results, label: str, row: LabelledRow) -> Row:
    numbers = build_condition(results, row.trials)
    primary = results.study.primary
    score, difference = build_estimates(numbers, primary)
    fits = Part(numbers["fits_completed"], numbers["fits_planned"])
    own = {"row": label, "fits": fits, primary: score, "difference": difference}
    return Row(numbers | own, target=f"trial-{row.trials[0].id}")


def build_estimates(numbers: dict[str, Any], metric: str = "test_accuracy") -> tuple[Estimate, Estimate]:
    """The score of a row of `build_conditions`, and its difference from the reported figure."""
    low, high = (numbers[f"{metric}_ci95_{end}"] for end in ("low", "high"))
    difference = numbers["difference"]
    if difference is None or pd.isna(low):
        return Estimate(numbers[f"{metric}_mean"], low, high), Estimate(difference)
    figure = numbers["reported_test_accuracy"]
    return Estimate(numbers[f"{metric}_mean"], low, high), Estimate(difference, low - figure, high - figure)
