"""Axes on which what matters can be told apart: linear, or logarithmic where scores or effects lie decades apart."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import altair as alt

APART = 5.0  # times the least mean distance from the ideal score; beyond it an axis is logarithmic
DECADES = 30.0  # times the median effect
STEPS = ((1, 2, 5), (1, 3), (1,))
REACH = 0.1  # of the width, as far as intervals may reach beyond the scores
MOST_TICKS = 12


@dataclass(frozen=True)
class Distance:
    """An axis of distances from the ideal score, logarithmic: position `ideal` − score, or score − `ideal`."""

    ideal: float
    constant: float  # below it the axis is about linear, so that the ideal itself has a place
    is_higher_better: bool

    def place(self, score: float | None) -> float | None:
        """Where the score lies on the axis; None for none."""
        if score is None or math.isnan(score):
            return None
        return max(0.0, self.ideal - score if self.is_higher_better else score - self.ideal)

    def choose_ends(self, scores: Iterable[float], intervals: Iterable[float]) -> tuple[float, float]:
        """The ends of the axis, for places on it: all scores, and of the intervals what is not far from them."""
        scores, intervals = list(scores), list(intervals)
        least, most = _widen(min(scores), max(scores), self.constant, REACH)
        low = max(least, min([*scores, *intervals]))
        return low, min(most, max([*scores, *intervals]))

    def build(self, low: float, high: float) -> tuple[alt.Scale, alt.Axis]:
        """Scale and axis between two places, with a margin."""
        ends = _widen(low, high, self.constant)
        scale = alt.Scale(type="symlog", constant=self.constant, domain=ends, nice=False, reverse=self.is_higher_better)
        ticks = list_ticks(max(ends[0], self.constant), ends[1])
        ticks = [0.0, *ticks] if ends[0] <= 0 else ticks
        value = f"{self.ideal:g} - datum.value" if self.is_higher_better else f"datum.value + {self.ideal:g}"
        return scale, alt.Axis(values=ticks, labelExpr=f"format({value}, '.6~f')")

    def note(self) -> str:
        return f"logarithmic towards {self.ideal:g}"


def choose_distance(means: Iterable[float], bounds: tuple[float, float] | None, better: str) -> Distance | None:
    """The logarithmic axis, where the metric has an ideal score and the means lie far apart seen from it; else None."""
    ideal = None if bounds is None else bounds[better == "higher"]
    if ideal is None or not math.isfinite(ideal):
        return None
    distances = [abs(ideal - mean) for mean in means if mean != ideal]
    if len(distances) < 2 or max(distances) < APART * min(distances):
        return None
    return Distance(float(ideal), float(f"{min(distances) / 2:.1g}"), better == "higher")


def build_effect_scale(effects: Iterable[float], ends: Iterable[float], rope: float) -> tuple[alt.Scale, alt.Axis, str]:
    """Scale and axis of effects with zero, and a note on what is logarithmic; empty where the axis is linear."""
    ends = [0.0, *ends]
    sizes = sorted(abs(effect) for effect in effects if effect)
    reach = max(map(abs, ends))
    if not sizes or reach < DECADES * sizes[len(sizes) // 2]:
        return alt.Scale(padding=10), alt.Axis(tickCount=8), ""
    constant = rope or float(f"{sizes[len(sizes) // 4]:.1g}")
    low, high = min(ends), max(ends)
    domain = [-_widen(0, -low, constant)[1] if low < 0 else -constant, _widen(0, high, constant)[1] or constant]
    ticks = list_ticks(constant, reach, MOST_TICKS // 2)
    values = [-tick for tick in reversed(ticks) if -tick >= domain[0]] + [0.0]
    values += [tick for tick in ticks if tick <= domain[1]]
    scale = alt.Scale(type="symlog", constant=constant, domain=domain, nice=False)
    return scale, alt.Axis(values=values, format=".3~r"), f"logarithmic beyond ±{constant:g}"


def list_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Round numbers from `low` to `high`, both positive: 1, 2 and 5 of each decade, or fewer where these are many."""
    found: list[float] = []
    for steps in STEPS:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [tick for d in decades for s in steps if low <= (tick := float(f"{s}e{d}")) <= high]
        if len(found) <= most:
            break
    return found


def _widen(low: float, high: float, constant: float, share: float = 0.03) -> list[float]:
    """Both ends with a margin, a share of the width, on the symmetric logarithmic scale."""
    first, last = (math.log1p(end / constant) for end in (low, high))
    margin = share * (last - first) or 0.1
    return [max(0.0, constant * math.expm1(first - margin)), constant * math.expm1(last + margin)]
