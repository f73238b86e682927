"""The conditions with their primary score; the rows that share protocol, folds and recipe form a group."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tune_app.analysis.conditions import build_condition
from tune_app.analysis.labels import Row as LabelledRow
from tune_app.analysis.labels import build_groups
from tune_app.analysis.metrics import find_folds
from tune_app.analysis.undefined import describe_undefined
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Part, Row, Table
from tune_app.export.tables.notes import Reason, build_label_note, build_notes, share_reasons
from tune_app.records.results import Results
from tune_app.study import Study
from tune_app.study.metrics import find_bounds


def build_columns(study: Study) -> tuple[Column, ...]:
    """The columns, with the study's primary metric in the place of honour."""
    primary = study.primary
    unit = study.describe_metric(primary).unit
    heading = primary.replace("_", " ")
    bounds = find_bounds(primary, study.define)  # the CSV files have the formula's ends
    return (
        Column("row", "row", wraps=True),
        Column("fits", "fits", Kind.PART),
        Column("replicates", "replicates", Kind.COUNT),
        Column(primary, heading, Kind.ESTIMATE, unit=unit),
        Column(primary, "95% interval", Kind.INTERVAL, bounds=bounds),
        Column("reported_test_accuracy", "reported", Kind.NUMBER),
        Column("difference", "difference", Kind.ESTIMATE, signed=True),
        Column(
            "test_loss_mean",
            "test loss",
            Kind.NUMBER,
            unit=study.describe_metric("test_loss").unit,
            least=Medium.SCREEN,
        ),
        Column("fit_seconds_total", "fits took", Kind.NUMBER, unit="s", decimals=1, least=Medium.SCREEN),
        Column("flags", "note", wraps=True),
    )


def build_condition_table(results: Results) -> Table:
    """A row for each condition, in groups that each say in their caption what their rows have in common."""
    groups = tuple(
        Group(group.caption, tuple(_build_row(results, group.label(row), row) for row in group.rows))
        for group in build_groups(results.study)
    )
    rows = [row for group in groups for row in group.rows]
    notes = build_label_note(results.study.labelling.find_labels())
    notes += build_notes(_find_undefined(results), len(rows))
    notes += build_notes(_find_cut(results.study, rows), len(rows))
    return Table("conditions", "Conditions", build_columns(results.study), groups, tuple(notes))


def _find_undefined(results: Results) -> list[Reason]:
    """Why conditions have no primary score though their fits are complete."""
    reasons = []
    for group in build_groups(results.study):
        for row in group.rows:
            fits = [record for spec in row.trials for record in find_folds(results, spec) if record]
            reasons.append((group.label(row), describe_undefined(fits, results.study.primary)))
    return share_reasons(reasons)


def _find_cut(study: Study, rows: Sequence[Row]) -> list[Reason]:
    """Which intervals are shown cut, in a study with parts of its user's own: one that ships has always shown them so.

    Its readers find the formula's ends in the CSV files.
    """
    bounds = find_bounds(study.primary, study.define)
    if bounds is None or not study.define:
        return []
    name, reasons = study.primary.removeprefix("test_").replace("_", " "), []
    for row in rows:
        score = row.values[study.primary]
        if not isinstance(score, Estimate) or score.low is None or score.high is None:
            continue
        ends = [
            end for end, beyond in zip(bounds, (score.low < bounds[0], score.high > bounds[1]), strict=True) if beyond
        ]
        reasons += [
            (str(row.values["row"]), f"the interval is cut at {end:g}, where {name} ends; conditions.csv has it uncut.")
            for end in ends
        ]
    return share_reasons(reasons)


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
