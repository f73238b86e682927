"""Numbers for reading: as many decimals as their uncertainty leaves meaning to."""

import math

import pandas as pd

MISSING = "–"
_DIGITS = 2  # of the half-width
_PLAIN_DECIMALS = 4  # for a number without an interval that is below 1, and the digits of a greater one
_MORE_DECIMALS = 3  # so that the end of an interval that is near zero shows on which side it lies
_NO_SPREAD = 1e-9  # narrower intervals are rounding errors of equal scores


def choose_decimals(half_width: float | None) -> int:
    """The decimals that give the half-width of an interval two significant digits; 4 without a half-width."""
    if half_width is None or not _NO_SPREAD < half_width < math.inf:
        return _PLAIN_DECIMALS
    return max(0, _DIGITS - 1 - math.floor(math.log10(half_width)))


def format_number(value: float | None, decimals: int | None = None, sign: str = "") -> str:
    """The number with so many decimals, without a choice to four digits; what is rounded to zero has no sign."""
    if value is None or pd.isna(value):
        return MISSING
    if decimals is None:
        decimals = max(0, _PLAIN_DECIMALS - (len(str(int(abs(value)))) if 1 <= abs(value) < math.inf else 0))
    text = f"{value:{sign}.{decimals}f}"
    return text if text.strip("+-0.,") else text.lstrip("+-")


def format_estimate(value: float | None, low: float | None, high: float | None, sign: str = "") -> tuple[str, str]:
    """The number and its interval, rounded alike."""
    if low is None or high is None or pd.isna(low):
        return format_number(value, sign=sign), MISSING
    decimals = choose_decimals((high - low) / 2)
    return format_number(value, decimals, sign), format_interval(low, high, decimals, sign)


def format_interval(low: float, high: float, decimals: int, sign: str = "") -> str:
    """`[−0.0069, +0.00004]`: an end that would be rounded to zero has the decimals that show its sign."""
    return f"[{', '.join(_format_end(end, decimals, sign) for end in (low, high))}]"


def _format_end(end: float, decimals: int, sign: str) -> str:
    text = format_number(end, decimals, sign)
    if end and not text.strip("+-0.,"):
        more = -math.floor(math.log10(abs(end)))
        return format_number(end, more, sign) if more <= decimals + _MORE_DECIMALS else text
    return text


def format_p_value(p_value: float | None) -> str:
    if p_value is None or pd.isna(p_value):
        return MISSING
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def format_share(share: float | None) -> str:
    """In whole percent."""
    if share is None or pd.isna(share):
        return MISSING
    return f"{round(share * 100) + 0:d}%"
