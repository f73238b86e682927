"""Which claims to run further replicates for, and of which conditions: what tells most for its time comes first."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from tune_app.analysis.claims import assess, find_fewest
from tune_app.analysis.looking import count_replicates
from tune_app.analysis.looks import Looks
from tune_app.analysis.metrics import find_folds
from tune_app.analysis.power import Region
from tune_app.analysis.sides import Condition
from tune_app.analysis.t_tests import TTest
from tune_app.records.results import Results
from tune_app.study import Claim, Study


@dataclass(frozen=True)
class Round:
    """The replicates to run next, as a study's key `more` has them, and the seconds that they take, as measured.

    Where a claim is open and nothing is to be run, `postponed` are the least seconds that a next step would take.
    """

    more: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0
    postponed: float = 0.0


class _Step(NamedTuple):
    """A claim's next look: the conditions that it needs, how many replicates of each, what it tells."""

    conditions: tuple[Condition, ...]
    replicates: int
    gain: float


def choose_round(results: Results, looks: Looks, left: float | None, slots: float) -> Round:
    """Each open claim's next look, or of them those with most information per second for which `left` seconds suffice.

    Information is counted in what it decides: the growth of the squared distance, in standard errors, from the effect
    to the nearest edge of the claim. `slots` fits run at a time.
    """
    study, wanted, seconds = results.study, dict[str, int](), 0.0
    steps = [_build_step(results, claim, looks) for claim in _find_open(study, looks)]
    open_steps = [step for step in steps if step]
    costs = {id(step): _price(results, step, {}) for step in open_steps}
    open_steps.sort(key=lambda step: step.gain / max(costs[id(step)], 1e-9), reverse=True)
    chosen: dict[str, tuple[Condition, int]] = {}
    for step in open_steps:
        cost = _price(results, step, wanted) / slots
        if left is not None and seconds + cost > left:
            continue
        seconds += cost
        for specs in step.conditions:
            most = max(step.replicates, wanted.get(specs[0].id, 0))
            wanted[specs[0].id] = most
            chosen[specs[0].id] = specs, most
    grown = [(specs, count) for specs, count in chosen.values() if count > len(specs)]
    more = tuple({"levels": find_levels(study, specs), "replicates": count} for specs, count in grown)
    postponed = min((costs[id(step)] / slots for step in open_steps), default=0.0)
    return Round(more, seconds, 0.0 if more else postponed)


def _find_open(study: Study, looks: Looks) -> list[Claim]:
    return [claim for claim, path in zip(study.claims, looks.paths, strict=True) if path.state == "open"]


def _build_step(results: Results, claim: Claim, looks: Looks) -> _Step | None:
    """None where there is no look to come."""
    study = results.study
    now = count_replicates(study, claim)
    then = looks.schedule.find_next(now, find_fewest(study, claim))
    if then is None:
        return None
    sides = {side[0].id: side for pair in study.claim_pairs(claim) for side in pair}
    judged = assess(results, claim, now)
    test = judged.contrast.test if judged.contrast else None
    return _Step(tuple(sides.values()), then, _find_gain(test, judged.region, then) if test else math.inf)


def _find_gain(test: TTest, region: Region, replicates: int) -> float:
    distance = min(abs(test.effect - edge) for edge in region if math.isfinite(edge))
    later = test.with_replicates(replicates).standard_error
    return max(0.0, (distance / later) ** 2 - (distance / test.standard_error) ** 2)


def _price(results: Results, step: _Step, wanted: dict[str, int]) -> float:
    """Seconds of the fits that the step adds to those wanted already, as long as the condition's fits took so far."""
    seconds = 0.0
    for specs in step.conditions:
        added = step.replicates - max(len(specs), wanted.get(specs[0].id, 0))
        fits = [record.fit_seconds for spec in specs for record in find_folds(results, spec) if record]
        if added > 0 and fits:
            seconds += added * specs[0].folds * sum(fits) / len(fits)
    return seconds


def find_levels(study: Study, specs: Condition) -> dict[str, Any]:
    """The levels that tell the condition from the study's others."""
    condition = specs[0].condition
    return {name: condition[name] for name in ("model", *study.varying_factors()) if condition[name] is not None}
