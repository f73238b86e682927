"""How fast a network learns, from its validation accuracy after each epoch."""

from collections.abc import Sequence


def find_epochs_to_target(curve: Sequence[float], target: float) -> int | None:
    """The first epoch, counted from 1, whose accuracy reaches `target`; None if none does."""
    return next((epoch for epoch, accuracy in enumerate(curve, start=1) if accuracy >= target), None)


def build_area_under_curve(curve: Sequence[float]) -> float:
    """The area under the accuracies of epochs 1..E as a step curve, divided by E: a share in [0, 1]."""
    return sum(curve) / len(curve)
