"""Which claims to run further replicates for, and of which conditions: what tells most for its time comes first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tune_app.analysis.chances import find_chance
from tune_app.analysis.claims import assess, find_fewest
from tune_app.analysis.looking import count_replicates
from tune_app.analysis.looks import ClaimPath, Looks, spell_replicates
from tune_app.analysis.metrics import find_folds
from tune_app.analysis.power import Region
from tune_app.analysis.sequential import FUTILE
from tune_app.analysis.sides import Condition
from tune_app.analysis.t_tests import TTest
from tune_app.records.results import Results
from tune_app.study import Study


@dataclass(frozen=True)
class Round:
    """The replicates to run next, as a study's key `more` has them, and the seconds that they take, as measured.

    `held` has the open claims, by the sentence of their path, that the budget leaves as they are, and why.
    """

    more: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0
    held: Mapping[str, str] = field(default_factory=dict)


class _Step(NamedTuple):
    """A claim's next look: the conditions that it needs, how many replicates of each, what it tells."""

    conditions: tuple[Condition, ...]
    replicates: int
    gain: float


def choose_round(results: Results, looks: Looks, left: float | None, slots: float) -> Round:
    """Each open claim's next look, or of them those with most information per second for which `left` seconds suffice.

    Information is counted in what it decides: the growth of the squared distance, in standard errors, from the effect
    to the nearest edge of the claim. A claim that all of `left` would hardly decide is held. `slots` fits run at a
    time.
    """
    study, wanted, seconds = results.study, dict[str, int](), 0.0
    open_steps, held = _build_steps(results, looks, left, slots)
    costs = {id(step): _price(results, step.conditions, step.replicates, {}) for step in open_steps}
    open_steps.sort(key=lambda step: step.gain / max(costs[id(step)], 1e-9), reverse=True)
    chosen: dict[str, tuple[Condition, int]] = {}
    for step in open_steps:
        cost = _price(results, step.conditions, step.replicates, wanted) / slots
        if left is not None and seconds + cost > left:
            continue
        seconds += cost
        for specs in step.conditions:
            most = max(step.replicates, wanted.get(specs[0].id, 0))
            wanted[specs[0].id] = most
            chosen[specs[0].id] = specs, most
    grown = [(specs, count) for specs, count in chosen.values() if count > len(specs)]
    more = tuple({"levels": find_levels(study, specs), "replicates": count} for specs, count in grown)
    return Round(more, seconds, held)


def _build_steps(
    results: Results, looks: Looks, left: float | None, slots: float
) -> tuple[list[_Step], dict[str, str]]:
    """The steps that open claims may take, and why those that the budget does not decide take none."""
    steps, held = [], {}
    for claim, path in zip(results.study.claims, looks.paths, strict=True):
        now, fewest = count_replicates(results.study, claim), find_fewest(results.study, claim)
        then = looks.schedule.find_next(now, fewest) if path.is_open else None
        if then is None:
            continue
        sides = {side[0].id: side for pair in results.study.claim_pairs(claim) for side in pair}
        conditions = tuple(sides.values())
        judged = assess(results, claim, now)
        test = judged.contrast.test if judged.contrast else None
        if left is not None:
            reach = _find_reach(results, conditions, looks, then, left * slots)
            if reason := _find_hold(looks, path, test, judged.region, then, reach):
                held[path.sentence] = reason
                continue
        steps.append(_Step(conditions, then, _find_gain(test, judged.region, then) if test else math.inf))
    return steps, held


def _find_reach(
    results: Results, conditions: tuple[Condition, ...], looks: Looks, then: int, seconds: float
) -> int | None:
    """The replicates of the last look that these core seconds suffice for if they are for these conditions alone."""
    counts = [count for count in looks.schedule.looks if count >= then]
    within = [count for count in counts if _price(results, conditions, count, {}) <= seconds]
    return max(within, default=None)


def _find_hold(looks: Looks, path: ClaimPath, test: TTest | None, region: Region, then: int, reach: int | None) -> str:
    """Why a claim is left as it is, for which the budget reaches so many replicates; empty for one that may go on."""
    after = f"after {spell_replicates(path.replicates)}" if path.replicates else "without a look"
    if reach is None:
        return f"left {after}: the budget does not allow its next look, at {then}."
    if reach == looks.most:  # that the last look may decide it is what the look has found
        return ""
    if test is None or (chance := find_chance(looks, path, test, region, reach)) >= FUTILE:
        return ""
    return (
        f"left {after}: the budget allows {reach} at most, and the chance that these decide it is "
        f"{100 * chance:.2g}%, which is below {100 * FUTILE:g}%."
    )


def _find_gain(test: TTest, region: Region, replicates: int) -> float:
    distance = min(abs(test.effect - edge) for edge in region if math.isfinite(edge))
    later = test.with_replicates(replicates).standard_error
    return max(0.0, (distance / later) ** 2 - (distance / test.standard_error) ** 2)


def _price(results: Results, conditions: tuple[Condition, ...], replicates: int, wanted: dict[str, int]) -> float:
    """Core seconds of the fits beyond those there are or that are wanted already, by what the condition's fits took."""
    seconds = 0.0
    for specs in conditions:
        added = replicates - max(len(specs), wanted.get(specs[0].id, 0))
        fits = [record.fit_seconds for spec in specs for record in find_folds(results, spec) if record]
        if added > 0 and fits:
            seconds += added * specs[0].folds * sum(fits) / len(fits)
    return seconds


def find_levels(study: Study, specs: Condition) -> dict[str, Any]:
    """The levels that tell the condition from the study's others."""
    condition = specs[0].condition
    return {name: condition[name] for name in ("model", *study.varying_factors()) if condition[name] is not None}
