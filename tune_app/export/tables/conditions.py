"""The conditions with their test accuracy; the rows that share protocol, folds and recipe form a group."""

from typing import Any

import pandas as pd

from tune_app.analysis.conditions import build_condition
from tune_app.analysis.labels import Row as LabelledRow
from tune_app.analysis.labels import build_groups
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Part, Row, Table
from tune_app.export.tables.notes import build_label_note
from tune_app.records.results import Results

COLUMNS = (
    Column("row", "row", wraps=True),
    Column("fits", "fits", Kind.PART),
    Column("replicates", "replicates", Kind.COUNT),
    # No accuracy lies outside [0, 1]; the CSV files have the formula's ends.
    Column("test_accuracy", "test accuracy", Kind.ESTIMATE, unit="share"),
    Column("test_accuracy", "95% interval", Kind.INTERVAL, bounds=(0, 1)),
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
    return Table("conditions", "Conditions", COLUMNS, groups, tuple(notes))


def _build_row(results: Results, label: str, row: LabelledRow) -> Row:
    numbers = build_condition(results, row.trials)
    accuracy, difference = build_estimates(numbers)
    fits = Part(numbers["fits_completed"], numbers["fits_planned"])
    own = {"row": label, "fits": fits, "test_accuracy": accuracy, "difference": difference}
    return Row(numbers | own, target=f"trial-{row.trials[0].id}")


def build_estimates(numbers: dict[str, Any]) -> tuple[Estimate, Estimate]:
    """The test accuracy of a row of `build_conditions`, and its difference from the reported figure."""
    low, high = (numbers[f"test_accuracy_ci95_{end}"] for end in ("low", "high"))
    difference = numbers["difference"]
    if difference is None or pd.isna(low):
        return Estimate(numbers["test_accuracy_mean"], low, high), Estimate(difference)
    figure = numbers["reported_test_accuracy"]
    return Estimate(numbers["test_accuracy_mean"], low, high), Estimate(difference, low - figure, high - figure)
