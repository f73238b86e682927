"""Every condition against one that the reader chooses, from the pairs of pairs.csv."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from tune_app.export.rounding import format_estimate, format_p_value
from tune_app.export.tables.model import list_records


@dataclass(frozen=True)
class Choice:
    """The conditions to choose from, the one chosen at first, and the pairs: how many, and what makes their rows.

    `pairs` is JSON for tables.js: the places of both, the first one minus the second with its interval, the adjusted
    p, and what is said of it.
    """

    title: str
    labels: tuple[str, ...]
    chosen: int
    count: int
    pairs: Markup


def build_choice(pairs: pd.DataFrame | None, baseline: str) -> Choice | None:
    """The choice, where all pairs of one data set are there; `baseline` is the label of the study's own."""
    if pairs is None or pairs.empty or pairs["data"].nunique() > 1:
        return None
    labels = list(dict.fromkeys([*pairs["row"], *pairs["other_row"]]))
    if len(pairs) < len(labels) * (len(labels) - 1) // 2:  # of a large study only the leading condition's are
        return None
    places = {label: place for place, label in enumerate(labels)}
    found = [_spell(places, row) for row in list_records(pairs)]
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    unit = str(pairs["unit"].iloc[0])
    metric = str(pairs["metric"].iloc[0]).replace("_", " ")
    title = f"Difference in {metric}" + (f" ({unit})" if unit else "")
    return Choice(title, tuple(labels), places.get(baseline, 0), len(pairs), Markup(text))


def _spell(places: Mapping[str, int], row: Mapping[str, Any]) -> list[Any]:
    effect, interval = format_estimate(row["effect"], row["ci95_low"], row["ci95_high"], sign="+")
    low, _, high = interval.strip("[]").partition(", ")
    ends = [low, high] if high else ["", ""]
    status = "decided" if row["status"] == "decided" else row["reason"] or "undecided"
    numbers = [text.replace("-", "−") for text in (effect, *ends)]
    return [places[row["row"]], places[row["other_row"]], *numbers, format_p_value(row["p_holm"]), status]
