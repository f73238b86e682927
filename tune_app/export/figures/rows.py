"""Rows under headings: what conditions have in common is said once above them, and all of them share an axis."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from tune_app.analysis.labels import Row, build_group, build_groups, build_rows
from tune_app.export.figures.figure import build_data
from tune_app.records.results import Results
from tune_app.study import Study

MARK = "¦"  # between the heading and the label in the name of a row


def add_places(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `place`, from its columns `heading` and `label`: a name for each row of the drawing."""
    return frame.assign(place=frame["heading"] + MARK + frame["label"])


def list_places(frame: pd.DataFrame) -> list[str]:
    """The rows from the top, each heading before its own; one without words is none."""
    places: list[str] = []
    for heading, members in frame.groupby("heading", sort=False):
        places += [str(heading) + MARK] if heading else []
        places += list(dict.fromkeys(members["place"]))
    return places


def build_rows_axis(places: Sequence[str]) -> alt.Y:
    """The vertical axis of `place`, labelled by what follows the heading."""
    labels = alt.Axis(labelExpr=f"slice(datum.label, indexof(datum.label, '{MARK}') + 1)", ticks=False, domain=False)
    scale = alt.Scale(type="band", domain=list(places), paddingInner=0, paddingOuter=0)
    return alt.Y("place:N", title=None, sort=list(places), scale=scale, axis=labels)


def draw_headings(places: Sequence[str]) -> alt.Chart:
    """The headings, at the left within the plot."""
    headings = [place for place in places if place.endswith(MARK)]
    frame = pd.DataFrame({"place": headings, "heading": [place.removesuffix(MARK) for place in headings]}, dtype=str)
    texts = alt.Chart(build_data(frame)).mark_text(style="heading", align="left", dx=4)
    chart: alt.Chart = texts.encode(x=alt.value(0), y=build_rows_axis(places), text="heading:N")
    return chart


def label_rows(study: Study) -> dict[str, tuple[str, str]]:
    """The heading and the short label of each condition, by its label in the tables' column `row`."""
    return {
        row.label: (_trim(study, group.caption), group.label(row))
        for group in build_groups(study)
        for row in group.rows
    }


def _trim(study: Study, caption: str) -> str:
    """The caption of a group without what the captions of all groups of the study say."""
    captions = [set(group.caption.split(", ")) for group in build_groups(study)]
    shared = set.intersection(*captions)
    return ", ".join(part for part in caption.split(", ") if part not in shared)


def label_contrasts(results: Results, contrasts: pd.DataFrame) -> pd.DataFrame:
    """Contrasts of one metric, in groups of equal baselines, with a heading and a short label for each.

    The label has the levels that the conditions of a group and their baseline do not share.
    """
    rows: dict[str, Row] = {row.label: row for row in build_rows(results.study)}
    parts, is_mixed = [], contrasts["family"].nunique() > 1
    for (family, baseline), members in contrasts.groupby(["family", "baseline_row"], sort=False):
        group = build_group(results.study, [rows[label] for label in dict.fromkeys((baseline, *members["row"]))])
        labels = [group.label(rows[label]) for label in members["row"]]
        heading = f"Against {baseline}" + (f" ({family})" if is_mixed else "")
        parts.append(members.assign(heading=heading, label=labels))
    return pd.concat(parts) if parts else contrasts


def spell_pair(study: Study, first: str, second: str) -> tuple[str, str, str]:
    """What two conditions, by their labels in a table, are called beside each other, and what they have in common."""
    rows = {row.label: row for row in build_rows(study)}
    group = build_group(study, [rows[first], rows[second]])
    return group.label(rows[first]), group.label(rows[second]), _trim(study, group.caption)
