"""Each reported figure beside our own result, and what that says of the difference."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.audit.reference_check import iterate_checks
from tune_app.analysis.conditions import build_condition
from tune_app.analysis.frames import find_departures
from tune_app.analysis.sides import Condition
from tune_app.records.results import Reported, Results
from tune_app.study import TrialSpec
from tune_app.study.labels import spell_level
from tune_app.study.protocol import AS_REPORTED, SOUND

ELSE = "of another experiment"  # the verdict where there is nothing to compare


@dataclass(frozen=True)
class Counterpart:
    """A reported figure and our condition beside it.

    `numbers` are the condition's row of `build_conditions`. `verdict` says where the figure lies to the interval of our
    mean, or that there is nothing to compare, `reason` why; `place` where it lies among the replicates run as reported.
    """

    figure: Reported
    spec: TrialSpec
    numbers: dict[str, Any]
    verdict: str
    reason: str
    place: str


def find_counterparts(results: Results) -> list[Counterpart]:
    """Our counterparts of every reported figure, in the reference's order; figures without one are left out.

    That is the condition of the same model, regularizer and folds: by sound protocol where there is one, else as
    reported, else any; the same experiment where there is one, else another one. One for each level of other factors.
    """
    checks = [check for check in iterate_checks(results) if check[2]["as_reported_replicates"]]
    found = []
    for key, figure in results.reference.items():
        places = [(spec, row["place"]) for other, spec, row in checks if other is figure]
        for specs in _choose_conditions(results, key, figure):
            numbers = build_condition(results, specs)
            judged = _judge(figure, specs[0], numbers)
            found.append(Counterpart(figure, specs[0], numbers, *judged, _spell_places(places, specs[0])))
    return found


def _choose_conditions(results: Results, key: tuple[str, str, int], figure: Reported) -> list[Condition]:
    found = [
        specs for specs in results.study.conditions() if (specs[0].model, specs[0].regularizer, specs[0].folds) == key
    ]
    found = [specs for specs in found if not find_departures(figure, specs[0])] or found
    for protocol in (SOUND, AS_REPORTED):
        if alike := [specs for specs in found if specs[0].condition["protocol"] == protocol]:
            return alike
    return found


def _judge(figure: Reported, spec: TrialSpec, numbers: dict[str, Any]) -> tuple[str, str]:
    """The verdict and its reason."""
    departures = find_departures(figure, spec)
    if departures:
        return ELSE, f"ours has {', '.join(departures)}."
    if numbers["test_accuracy_mean"] is None:
        return "undecided", f"ours has no mean: {numbers['flags']}."
    low, high = numbers["test_accuracy_ci95_low"], numbers["test_accuracy_ci95_high"]
    if pd.isna(low):
        return "undecided", "ours has no interval."
    return ("inside" if low <= figure.test_accuracy <= high else "outside") + " the interval", ""


def _spell_places(places: list[tuple[TrialSpec, str]], ours: TrialSpec) -> str:
    """Where the figure lies among the replicates of our own setting, or else among those of all others."""
    same = [place for spec, place in places if not _find_differences(spec, ours)]
    others = [f"{place} ({', '.join(_find_differences(spec, ours))})" for spec, place in places]
    return "; ".join(same or others)


def _find_differences(spec: TrialSpec, other: TrialSpec) -> list[str]:
    levels = other.condition
    return [
        spell_level(factor, level)
        for factor, level in spec.condition.items()
        if factor != "protocol" and level != levels[factor]
    ]
