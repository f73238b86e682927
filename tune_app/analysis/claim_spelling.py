"""What claims are about, in a few words."""

import math

from tune_app.analysis.power import MOST_REPLICATES, Power, Region
from tune_app.study import Claim, Window
from tune_app.study.metrics import is_epoch_metric


def spell_level(level: float) -> str:
    """`99.2%`; `adjusted` where nothing but the last digits differ from 100%, as at the first of many looks."""
    if level > 1 - 1e-4:
        return "adjusted"
    return f"{100 * level:.4g}%"


def spell_region(region: Region) -> str:
    """`above 0.001`, `from -0.001 to 0.001`."""
    if math.isinf(region[1]):
        return f"above {region[0]:g}"
    return f"below {region[1]:g}" if math.isinf(region[0]) else f"from {region[0]:g} to {region[1]:g}"


def spell_epochs(claim: Claim, last: int) -> str:
    """The windows of an epoch metric, such as `1-2 against 3`; empty for another."""
    if not is_epoch_metric(claim.metric):
        return ""
    window = _spell_window(claim.epochs or (last, last))
    return f"{window} against {_spell_window(claim.against_epochs)}" if claim.against_epochs else window


def _spell_window(window: Window) -> str:
    return f"{window[0]}-{window[1]}" if window[0] < window[1] else str(window[0])


def spell_contrast(claim: Claim) -> str:
    """`model=cnn against model=vgg`."""
    sides = [", ".join(f"{name}={level}" for name, level in side.items()) for side in (claim.levels, claim.against)]
    return f"{sides[0]} against {sides[1]}" if sides[1] else sides[0]


def explain_verdict(verdict: str, interval: Region, rate: float, region: Region, margin: float) -> str:
    """Where the interval at an error rate lies, of a claim that is decided."""
    bounds = f"{spell_level(1 - rate)} interval [{interval[0]:.4g}, {interval[1]:.4g}]"
    asked = spell_region(region)
    if verdict == "supported":
        return f"the {bounds} lies within the effects claimed, {asked}."
    if verdict == "negligible":
        return f"the {bounds} lies within ±{margin:g}: whatever the direction, the effect is smaller than that."
    return f"the {bounds} lies outside the effects claimed, {asked}."


def spell_outlook(power: Power) -> str:
    """What would decide a claim, in a sentence."""
    eighty, ninety = power.replicates
    if eighty is None:
        return (
            f"Not even {MOST_REPLICATES} replicates would decide it four times in five, if the effect is as observed."
        )
    more = f", {ninety} nine times in ten" if ninety else ""
    return f"{eighty} replicates would decide it four times in five{more}, if the effect is as observed."
