"""Values → the text of their cells and what they sort by; every rendering takes these."""

from typing import Any

from tune_app.export.rounding import (
    MISSING,
    choose_decimals,
    format_interval,
    format_number,
    format_p_value,
    format_share,
)
from tune_app.export.tables.model import Column, Estimate, Kind, Over, Part, Range, Row, Shares, is_missing


def spell(row: Row, column: Column) -> str:
    """The text of the row's cell in the column: numbers rounded by their uncertainty, a dash for what is missing."""
    value: Any = row.values.get(column.name)
    if is_missing(value, column.kind):
        return "" if value == "" else MISSING
    if isinstance(value, Estimate):
        return _spell_estimate(value, column)
    if isinstance(value, Range):
        mean, least, greatest = (format_number(number) for number in (value.mean, value.least, value.greatest))
        return f"{mean} ({least} to {greatest})"
    if isinstance(value, Part):
        return f"{value.done}/{value.planned}"
    if isinstance(value, Over):
        return f"over {value.limit:,}"
    if isinstance(value, Shares):
        return " / ".join(format_share(share) for share in (value.seeds, value.images, value.interaction))
    if column.kind is Kind.TEXT:
        return str(value)
    return _spell_number(float(value), column)


def _spell_estimate(value: Estimate, column: Column) -> str:
    sign = "+" if column.signed else ""
    low, high = value.low, value.high
    has_interval = low is not None and high is not None and not is_missing(low, Kind.NUMBER)
    decimals = choose_decimals((high - low) / 2) if has_interval else None  # type: ignore[operator]
    number = format_number(value.value, decimals, sign)
    if column.kind is Kind.ESTIMATE or not has_interval:
        return number
    least, greatest = column.bounds or (float("-inf"), float("inf"))
    ends = (max(low, least), min(high, greatest))  # type: ignore[type-var]
    interval = format_interval(*ends, decimals, sign)  # type: ignore[arg-type]
    return f"{number} {interval}" if column.kind is Kind.BOTH else interval


def _spell_number(value: float, column: Column) -> str:
    sign = "+" if column.signed else ""
    match column.kind:
        case Kind.COUNT:
            return f"{value:,.0f}"
        case Kind.SHARE:
            return format_share(value)
        case Kind.PROBABILITY:
            return format_number(value, 2)
        case Kind.P_VALUE:
            return format_p_value(value)
        case Kind.SPREAD:
            return format_number(value, choose_decimals(value))
        case _:
            return format_number(value, column.decimals, f"{sign},")


def find_sort_key(row: Row, column: Column) -> str | float | None:
    """What the cell sorts by: the text of words, the number of everything else; None where it is missing."""
    value: Any = row.values.get(column.name)
    if is_missing(value, column.kind):
        return None
    if isinstance(value, Estimate):
        return value.low if column.kind is Kind.INTERVAL else value.value
    if isinstance(value, Range):
        return value.mean
    if isinstance(value, Part):
        return value.done
    if isinstance(value, Over):
        return value.limit + 1
    if isinstance(value, Shares):
        return value.seeds
    return str(value) if column.kind is Kind.TEXT else float(value)
