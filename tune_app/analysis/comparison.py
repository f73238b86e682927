"""Two results folders side by side: the same conditions, and what changed between the runs."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tune_app.analysis.contrast_rows import NUMBERS, build_contrast_numbers
from tune_app.analysis.metrics import build_scores
from tune_app.analysis.sides import Condition, Side
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import Metric, Study
from tune_app.study.labels import Labelling

COMPARED: tuple[Metric, ...] = ("test_accuracy", "test_loss", "fit_seconds")


def build_comparison(first: Results, second: Results) -> pd.DataFrame:
    """One row per (metric, condition) that is in either; the effect is second minus first.

    Conditions are the same if they agree in every factor that varies in either study; a factor that is constant in each
    is a setting, and its change is one of `build_changes`. A condition of one study alone is a row with a reason.
    """
    factors = dict.fromkeys((*first.study.factors, *second.study.factors))
    varying = [factor for factor in factors if any(factor in r.study.varying_factors() for r in (first, second))]
    ours, theirs = _by_levels(first.study, varying), _by_levels(second.study, varying)
    levels = dict.fromkeys((*ours, *theirs))
    labels = _build_labels(first.study, second.study, varying)
    rows = [
        {"row": labels[key]} | _build_row(first, ours.get(key), second, theirs.get(key), metric)
        for metric in COMPARED
        for key in levels
    ]
    return pd.DataFrame(rows)


def _build_labels(first: Study, second: Study, varying: list[str]) -> dict[tuple[Any, ...], str]:
    """The labels of the conditions of both, unique among all of them: the first study's own labels come first."""
    conditions = [specs[0].condition for study in (first, second) for specs in study.conditions()]
    names = dict.fromkeys(label.label for label in first.labels)
    labels = [*first.labels, *(label for label in second.labels if label.label not in names)]
    members = list({tuple(condition.get(name) for name in varying): condition for condition in conditions}.items())
    labelling = Labelling([condition for _, condition in members], labels, conditions[0], varying)
    return {key: labelling.label(condition) for key, condition in members}


def _build_row(
    first: Results, ours: Condition | None, second: Results, theirs: Condition | None, metric: Metric
) -> dict[str, Any]:
    sides = [Side(results, specs) if specs else None for results, specs in ((first, ours), (second, theirs))]
    a, b = sides
    row: dict[str, Any] = {
        "metric": metric,
        "unit": first.study.describe_metric(metric).unit,
        **dict.fromkeys(NUMBERS),
    }
    if a and b:
        row |= build_contrast_numbers(b, a, metric)
    else:
        row |= {"method": "", "note": "", "status": "refused", "reason": f"it is in study {'A' if a else 'B'} alone."}
    return row | {"mean_first": _find_mean(a, metric), "mean_second": _find_mean(b, metric)}


def _find_mean(side: Side | None, metric: Metric) -> float | None:
    if side is None:
        return None
    try:
        return float(build_scores(side.results, side.specs, metric).mean())
    except RefusedError:
        return None


def _by_levels(study: Study, varying: list[str]) -> dict[tuple[Any, ...], Condition]:
    return {tuple(specs[0].condition.get(name) for name in varying): specs for specs in study.conditions()}


def build_changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> pd.DataFrame:
    """The keys (dotted) whose values differ, such as recipe.epochs or versions.torch.

    Empty where one has none: null says no more than a key left out.
    """
    ours, theirs = _flatten(first), _flatten(second)
    rows = [
        {"key": key, "first": ours.get(key, ""), "second": theirs.get(key, "")}
        for key in dict.fromkeys((*ours, *theirs))
        if ours.get(key) != theirs.get(key)
    ]
    return pd.DataFrame(rows, columns=["key", "first", "second"])


def _flatten(content: Any, key: str = "") -> dict[str, Any]:
    if isinstance(content, list) and any(isinstance(value, Mapping) for value in content):
        content = dict(enumerate(content))
    if isinstance(content, Mapping):
        return {
            k: v
            for name, value in content.items()
            for k, v in _flatten(value, f"{key}.{name}" if key else name).items()
        }
    return {} if content is None else {key: str(content)}
