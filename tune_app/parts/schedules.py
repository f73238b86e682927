"""Schedules: functions from an optimizer step to a factor on the learning rate, as a user's own can be.

`step` counts from 0 to `steps` - 1 over the whole fit. `epochs`, of equally many steps each, and `losses` are filled
in where a function names them.
"""

import math
from collections.abc import Callable, Sequence

from tune_app.errors import StudyError

Schedule = Callable[..., float]


def constant(step: int, steps: int) -> float:
    """The learning rate as it stands."""
    return 1.0


def step_decay(step: int, steps: int, *, epochs: int, every: int, factor: float = 0.1) -> float:
    """`factor` once more after each `every` epochs."""
    _require("step_decay", "every", every, every >= 1, "1 epoch or more")
    _require_share("step_decay", "factor", factor)
    return float(factor ** (step * epochs // steps // every))


def cosine(step: int, steps: int, *, epochs: int, warmup_epochs: float = 0, floor: float = 0.0) -> float:
    """Half a cosine from 1 towards `floor`, which the step after the last would reach.

    Over `warmup_epochs` the factor first rises in equal steps, from the first above 0 to the last below 1.
    Source: Loshchilov and Hutter, SGDR, ICLR 2017, without restarts.
    """
    _require("cosine", "warmup_epochs", warmup_epochs, 0 <= warmup_epochs < epochs, f"0 to less than {epochs} epochs")
    _require_share("cosine", "floor", floor)
    rising = round(steps * warmup_epochs / epochs)
    if step < rising:
        return (step + 1) / (rising + 1)
    return _ease(1.0, floor, (step - rising) / (steps - rising))


def one_cycle(step: int, steps: int, *, warmup: float = 0.3, start: float = 0.04, end: float = 1e-4) -> float:
    """Half a cosine from `start` to 1 over the share `warmup` of the steps, then one to `end` at the last step.

    The momentum is left alone. Source: Smith and Topin, Super-convergence, 2018.
    """
    for argument, value in (("warmup", warmup), ("start", start), ("end", end)):
        _require_share("one_cycle", argument, value)
    top = max(warmup * steps - 1, 0.0)
    if step < top:
        return _ease(start, 1.0, step / top)
    return _ease(1.0, end, (step - top) / ((steps - 1 - top) or 1.0))


def linear(step: int, steps: int, *, end: float = 0.0) -> float:
    """A line from 1 towards `end`, which the step after the last would reach."""
    _require_share("linear", "end", end)
    return 1 - (1 - end) * step / steps


def plateau(
    step: int,
    steps: int,
    *,
    losses: Sequence[float],
    patience: int = 3,
    factor: float = 0.1,
    threshold: float = 1e-4,
) -> float:
    """`factor` once more whenever more than `patience` epochs in a row brought no lower training loss.

    `losses` are the training losses of the epochs so far; a lower one is lower by the share `threshold` at least.
    """
    _require("plateau", "patience", patience, patience >= 0, "0 epochs or more")
    _require_share("plateau", "factor", factor)
    _require_share("plateau", "threshold", threshold)
    lowest, idle, reductions = math.inf, 0, 0
    for loss in losses:
        if loss < lowest * (1 - threshold):
            lowest, idle = loss, 0
        else:
            idle += 1
        if idle > patience:
            reductions, idle = reductions + 1, 0
    return float(factor**reductions)


def _ease(start: float, end: float, share: float) -> float:
    """Half a cosine from `start` to `end`, `share` of the way along."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _require(schedule: str, argument: str, value: float, holds: bool, allowed: str) -> None:
    if not holds:
        raise StudyError(f"schedule {schedule}: {argument} is {value}; choose {allowed}")


def _require_share(schedule: str, argument: str, value: float) -> None:
    _require(schedule, argument, value, 0 <= value <= 1, "a share from 0 to 1")
