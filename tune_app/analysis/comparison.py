"""Results folders side by side: the same conditions, and what changed between the runs."""

import string
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
from tune_app.study.metrics import list_summarised

LETTERS = string.ascii_uppercase  # what the folders are called, in their order
ALONE = "alone"  # the status of a condition that A or the other study lacks
Levels = tuple[Any, ...]


def find_compared(*found: Results) -> list[Metric]:
    """The metrics that are compared: the first study's primary one, the loss and the times, where all have them."""
    known = [set(list_summarised(results.study.metrics.named)) for results in found]
    wanted = (found[0].study.primary, "test_loss", "fit_seconds")
    return [metric for metric in dict.fromkeys(wanted) if all(metric in names for names in known)]


def build_comparison(first: Results, *others: Results) -> pd.DataFrame:
    """One row per (metric, other study, condition) that is in any; the effect is that `study` minus the first.

    Conditions are the same if they agree in every factor that varies in any study; a factor that is constant in each
    is a setting, and its change is one of `build_changes`. A condition that either lacks is a row with a reason.
    """
    every = (first, *others)
    factors = dict.fromkeys(factor for results in every for factor in results.study.factors)
    varying = [factor for factor in factors if any(factor in r.study.varying_factors() for r in every)]
    placed = [_by_levels(results.study, varying) for results in every]
    labels = _build_labels([results.study for results in every], varying)
    rows = [
        {"study": letter, "row": labels[key]}
        | _build_row((first, results), (placed[0].get(key), theirs.get(key)), letter, metric)
        for metric in find_compared(*every)
        for letter, results, theirs in zip(LETTERS[1:], others, placed[1:], strict=False)
        for key in dict.fromkeys(key for known in placed for key in known)
    ]
    return pd.DataFrame(rows).astype({"n_pairs": "Int64"})


def _build_labels(studies: list[Study], varying: list[str]) -> dict[Levels, str]:
    """The labels of the conditions of all, unique among them: an earlier study's own labels come first."""
    factors = dict.fromkeys(factor for study in studies for factor in study.factors)
    conditions = [factors | specs[0].condition for study in studies for specs in study.conditions()]
    labels = list({label.label: label for study in reversed(studies) for label in reversed(study.labels)}.values())
    members = list({tuple(condition.get(name) for name in varying): condition for condition in conditions}.items())
    labelling = Labelling([condition for _, condition in members], labels[::-1], conditions[0], varying)
    return {key: labelling.label(condition) for key, condition in members}


def _build_row(
    pair: tuple[Results, Results], found: tuple[Condition | None, Condition | None], letter: str, metric: Metric
) -> dict[str, Any]:
    a, b = (Side(results, specs) if specs else None for results, specs in zip(pair, found, strict=True))
    row: dict[str, Any] = {
        "metric": metric,
        "unit": pair[0].study.describe_metric(metric).unit,
        **dict.fromkeys(NUMBERS),
    }
    if a and b:
        row |= build_contrast_numbers(b, a, metric)
    else:
        alone = f"it is in study {'A' if a else letter} alone." if a or b else f"it is neither in A nor in {letter}."
        row |= {"method": "", "note": "", "status": ALONE, "reason": alone}
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


def build_changes(*contents: Mapping[str, Any]) -> pd.DataFrame:
    """The keys (dotted) whose values are not the same in all, such as recipe.epochs; a column for each, A first.

    Empty where one has none: null says no more than a key left out.
    """
    flat = [_flatten(content) for content in contents]
    names = LETTERS[: len(contents)]
    rows = [
        {"key": key} | {name: each.get(key, "") for name, each in zip(names, flat, strict=True)}
        for key in dict.fromkeys(key for each in flat for key in each)
        if len({each.get(key) for each in flat}) > 1
    ]
    return pd.DataFrame(rows, columns=["key", *names])


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
