"""Where an interval lies against the effects that a claim allows, and what Holm's rule leaves of the error rate."""

import math
from collections.abc import Sequence

import numpy as np

from tune_app.analysis.power import MOST_REPLICATES, Power, Region
from tune_app.analysis.t_tests import LEVEL, TTest
from tune_app.study import Claim


def build_region(claim: Claim, margin: float) -> Region:
    """The effects that the claim allows, from and to."""
    if claim.between:
        return claim.between
    return {"higher": (margin, math.inf), "lower": (-math.inf, -margin), "equal": (-margin, margin)}[claim.expect]


def find_decision_p_value(test: TTest, region: Region) -> float:
    """The least error rate at which the interval lies inside the region, or outside it."""
    edges = [edge for edge in region if math.isfinite(edge)]
    p_values = [test.find_p_value(edge) for edge in edges]
    if region[0] < test.effect < region[1]:
        return max(p_values)
    return p_values[int(np.argmin([abs(test.effect - edge) for edge in edges]))]


def find_error_rates(p_values: Sequence[float]) -> list[float]:
    """The error rate that Holm's step-down rule leaves to each member: for those not decided, that of the next step."""
    order, rates = np.argsort(p_values, kind="stable"), [0.0] * len(p_values)
    rate = (1 - LEVEL) / max(1, len(p_values))
    is_open = True
    for step, index in enumerate(order):
        if is_open:
            rate = (1 - LEVEL) / (len(p_values) - step)
            is_open = p_values[index] < rate
        rates[index] = rate
    return rates


def spell_level(level: float) -> str:
    """`99.2%`; `adjusted` where only later digits differ from 100%, as at the first of many looks."""
    if level > 1 - 1e-4:
        return "adjusted"
    return f"{100 * level:.4g}%"


def spell_ends(low: float, high: float) -> str:
    """`[−0.0018, 0.0028]`."""
    return f"[{low:.4g}, {high:.4g}]".replace("-", "−")


def spell_region(region: Region) -> str:
    """`above 0.001`, `from −0.001 to 0.001`."""
    low, high = (f"{end:g}".replace("-", "−") for end in region)
    if math.isinf(region[1]):
        return f"above {low}"
    return f"below {high}" if math.isinf(region[0]) else f"from {low} to {high}"


def spell_outlook(power: Power) -> str:
    """What would decide a claim, in a sentence."""
    eighty, ninety = power.replicates
    if eighty is None:
        return (
            f"Not even {MOST_REPLICATES} replicates would decide it four times in five, if the effect is as observed."
        )
    more = f", {ninety} nine times in ten" if ninety else ""
    return f"{eighty} replicates would decide it four times in five{more}, if the effect is as observed."
