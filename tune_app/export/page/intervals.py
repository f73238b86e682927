"""Effects with their intervals as small drawings in the cells of a table, all of one unit on one scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tune_app.analysis.headline import VerdictRow
from tune_app.analysis.verdicts import spell_region
from tune_app.export.rounding import format_number

WIDTH = 160.0  # of a drawing, in its own units; its height is 16
MARGIN = 8.0  # at both ends, so that marks at the ends are whole


@dataclass(frozen=True)
class Drawing:
    """Places from the left: zero, the effect, the ends of its interval, and the effects that the claim allows.

    `low` and `high` are None without an interval, `allowed` is empty where those effects lie beyond the scale, on the
    side of `beyond` (`left`, `right` or neither). `says` is all of it in words.
    """

    zero: str
    effect: str
    low: str | None
    high: str | None
    allowed: tuple[str, str] | None
    beyond: str
    says: str


@dataclass(frozen=True)
class Axis:
    """What the ends of the scale and zero mean; `least` or `greatest` is empty where zero is that end."""

    zero: str
    least: str
    greatest: str


@dataclass(frozen=True)
class _Scale:
    least: float
    greatest: float

    def place(self, value: float) -> float:
        share = (value - self.least) / (self.greatest - self.least)
        return MARGIN + (WIDTH - 2 * MARGIN) * min(1.0, max(0.0, share))


def draw_verdicts(rows: Sequence[VerdictRow]) -> tuple[list[Drawing | None], Axis | None]:
    """A drawing for each row, None for one without an effect; and the axis, if all are of one unit."""
    units = dict.fromkeys(row.unit for row in rows)
    scales = {unit: _find_scale([row for row in rows if row.unit == unit]) for unit in units}
    drawings = [_draw(row, scale) if (scale := scales[row.unit]) else None for row in rows]
    only = next(iter(scales.values())) if len(scales) == 1 else None
    return drawings, _build_axis(only) if only else None


def _find_scale(rows: Sequence[VerdictRow]) -> _Scale | None:
    """From the least to the greatest of all effects and ends of intervals, with zero; None without any."""
    values = [value for row in rows for value in (row.effect, row.low, row.high) if math.isfinite(value)]
    if not values or not any(values):
        return None
    return _Scale(min(0.0, *values), max(0.0, *values))


def _draw(row: VerdictRow, scale: _Scale) -> Drawing | None:
    if not math.isfinite(row.effect):
        return None
    first, last = row.region
    beyond = "left" if last < scale.least else "right" if first > scale.greatest else ""
    ends = (0.0 if math.isinf(first) else scale.place(first), WIDTH if math.isinf(last) else scale.place(last))
    has_interval = math.isfinite(row.low)
    return Drawing(
        _spell(scale.place(0.0)),
        _spell(scale.place(row.effect)),
        _spell(scale.place(row.low)) if has_interval else None,
        _spell(scale.place(row.high)) if has_interval else None,
        None if beyond else (_spell(ends[0]), _spell(ends[1] - ends[0])),
        beyond,
        f"claimed: {spell_region(row.region)}",
    )


def _build_axis(scale: _Scale) -> Axis:
    decimals = max(0, 1 - math.floor(math.log10(scale.greatest - scale.least)))
    least, greatest = (
        format_number(end, decimals, "+").replace("-", "−") if end else "" for end in (scale.least, scale.greatest)
    )
    return Axis(_spell(scale.place(0.0)), least, greatest)


def _spell(place: float) -> str:
    return f"{place:.1f}"
