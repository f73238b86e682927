"""What each defect is shown to explain: direction and size by one rule, adjusted over the verdicts of a family."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tune_app.analysis.audit.evidence import Effect, Outcome, Values, count_signs, subtract_sound
from tune_app.analysis.contrasts import Contrast
from tune_app.analysis.metrics import Scores
from tune_app.analysis.sides import Condition
from tune_app.analysis.t_tests import LEVEL, adjust_by_holm
from tune_app.analysis.verdicts import find_error_rates

HYPOTHESES = ("replica-statistics", "test-skips-layers")  # the original report's, and the alternative
FAMILY, OTHERS = "the two hypotheses", "the other defects"
# What taking a defect away is shown to explain (column `explains`).
MOST = "more than half of the gap"
PART = "a part of the gap"
MINOR = "a part of the gap, less than half"
LITTLE = "less than half of the gap, if any"
WORSE = "nothing: it raises the score"
UNDECIDED, NO_GAP = "undecided", "undecided, for the gap itself is not shown"
SHOWN = (MOST, PART, MINOR, LITTLE, WORSE)


@dataclass(frozen=True)
class Evidence:
    """Of a defect taken away: the setting's gap, what that gains, and what it gains beyond half of the gap."""

    row: dict[str, Any]
    gap: Effect
    gains: Effect
    excess: Effect

    @property
    def is_testable(self) -> bool:
        return all(effect.is_testable for effect in (self.gap, self.gains, self.excess))


def are_paired_replicates(contrast: Contrast) -> bool:
    """Whether the two sides are pairs of whole replicates, one observation each."""
    return contrast.n_pairs is not None and all(scores.shape[1] == 1 for scores in contrast.sides)


def find_replicates(pair: tuple[Condition, Condition]) -> list[int]:
    """The replicates of the second condition that the first one has too, in their order."""
    common = {spec.replicate for spec in pair[0]}
    return [spec.replicate for spec in pair[1] if spec.replicate in common]


def build_gap(contrast: Contrast, pair: tuple[Condition, Condition]) -> tuple[Effect, Values]:
    """The gap between the sound protocol and that as reported, and its value in each replicate of the latter."""
    sound, whole = contrast.sides
    values, is_independent = subtract_sound(
        -whole.mean(axis=1), [spec.replicate for spec in pair[1]], -sound, [spec.replicate for spec in pair[0]]
    )
    return Effect(values if is_independent else None, (sound.ravel(), -whole.ravel())), values


def weigh(row: dict[str, Any], gap: Effect, contrast: Contrast, sound: tuple[Scores, Condition], pair: Any) -> Evidence:
    """The evidence on a defect, from the contrast of as-reported without it and with it, and the sound scores.

    Adds to `row` in how many replicates the gain is above and below half of the gap.
    """
    without, having = contrast.sides
    scores, specs = sound
    if not are_paired_replicates(contrast):
        parts = [without.ravel(), -having.ravel() / 2, -scores.ravel() / 2]
        return Evidence(row, gap, Effect(None, [without.ravel(), -having.ravel()]), Effect(None, parts))
    gains = (without - having).mean(axis=1)
    halves = (without - having / 2).mean(axis=1)
    excess, is_independent = subtract_sound(
        halves, find_replicates(pair), scores / 2, [spec.replicate for spec in specs]
    )
    row |= dict(zip(("replicates_above_half", "replicates_below_half"), count_signs(excess), strict=True))
    parts = [halves, -scores.ravel() / 2]
    return Evidence(row, gap, Effect(gains, [gains]), Effect(excess if is_independent else None, parts))


def judge(evidence: Sequence[Evidence]) -> None:
    """Fill in the verdicts of the rows, before and after Holm over each family."""
    for name in (FAMILY, OTHERS):
        family = [each for each in evidence if each.is_testable and each.row["family"] == name]
        rate = (1 - LEVEL) / max(1, len(family))
        tests = [(each.gap.decide(rate), each.gains.decide(rate), each.excess.decide(rate)) for each in family]
        p_values = [_combine(*outcomes) for outcomes in tests]
        rates = find_error_rates(p_values)
        for each, outcomes, p, p_holm, left in zip(
            family, tests, p_values, adjust_by_holm(p_values), rates, strict=True
        ):
            each.row.update(
                p_cost=outcomes[1].p_value,
                p_half=outcomes[2].p_value,
                test=outcomes[1].test,
                p_value=p,
                p_holm=float(p_holm),
                explains=explain(*outcomes, left),
                explains_unadjusted=explain(*outcomes, 1 - LEVEL),
            )


def _combine(gap: Outcome, gains: Outcome, excess: Outcome) -> float:
    """The least error rate at which there is a verdict: the gap must be shown, and the gain beside one of two marks.

    Two marks need no adjustment: they are two questions to one interval, of the gain as a share of the gap.
    """
    return max(gap.p_value, min(gains.p_value, excess.p_value)) if gap.sign > 0 else 1.0


def explain(gap: Outcome, gains: Outcome, excess: Outcome, rate: float) -> str:
    """Which part of the gap the defect explains, each effect being shown if its p-value is below `rate`."""
    shown, direction, size = (outcome.sign * (outcome.p_value < rate) for outcome in (gap, gains, excess))
    if shown <= 0:
        return NO_GAP
    if direction < 0:
        return WORSE
    if size > 0:
        return MOST
    if direction > 0:
        return MINOR if size < 0 else PART
    return LITTLE if size < 0 else UNDECIDED
