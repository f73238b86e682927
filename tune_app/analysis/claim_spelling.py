"""What claims are about, in a few words."""

import math

from tune_app.analysis.power import Region
from tune_app.study import Claim, Window
from tune_app.study.metrics import is_epoch_metric


def spell_level(level: float) -> str:
    """`99.2%`."""
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
