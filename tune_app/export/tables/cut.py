"""Intervals that a table shows cut where their metric ends: it says so, and where they stand uncut."""

from collections.abc import Iterable

from tune_app.export.tables.model import Estimate, Reason, Value
from tune_app.export.tables.notes import share_reasons
from tune_app.study import Study
from tune_app.study.metrics import find_bounds


def find_cut_ends(low: float | None, high: float | None, bounds: tuple[float, float] | None) -> list[float]:
    """Those of the bounds that the interval reaches beyond."""
    if bounds is None or low is None or high is None:
        return []
    return [end for end, is_beyond in zip(bounds, (low < bounds[0], high > bounds[1]), strict=True) if is_beyond]


def find_cut(study: Study, metric: str, means: Iterable[tuple[str, Value]]) -> list[Reason]:
    """Which intervals of the means, each with its label, are shown cut where the metric ends."""
    bounds, name = find_bounds(metric, study.define), metric.removeprefix("test_").replace("_", " ")
    reasons = []
    for label, mean in means:
        if isinstance(mean, Estimate):
            reasons += [
                (label, f"the interval is cut at {end:g}, where {name} ends; conditions.csv has it uncut.")
                for end in find_cut_ends(mean.low, mean.high, bounds)
            ]
    return share_reasons(reasons)
