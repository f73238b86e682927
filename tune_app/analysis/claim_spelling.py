"""What claims are about, in a few words."""

from tune_app.analysis.power import Region
from tune_app.analysis.verdicts import spell_ends, spell_level, spell_region
from tune_app.study import Claim, Window
from tune_app.study.metrics import is_epoch_metric


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
    bounds = f"{spell_level(1 - rate)} interval {spell_ends(*interval)}"
    asked = spell_region(region)
    if verdict == "supported":
        return f"the {bounds} lies within the effects claimed, {asked}."
    if verdict == "negligible":
        return f"the {bounds} lies within ±{margin:g}: whatever the direction, the effect is smaller than that."
    return f"the {bounds} lies outside the effects claimed, {asked}."
