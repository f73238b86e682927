"""The verdicts of the first screen: a row for each claim, and what opens below it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.headline import VerdictRow, build_verdict_rows
from tune_app.analysis.verdicts import spell_level
from tune_app.export.headline import spell_needs, spell_remark
from tune_app.export.page.intervals import Axis, Drawing, draw_verdicts
from tune_app.export.rounding import format_estimate, format_p_value, format_share
from tune_app.export.tables.claims import build_claim_reasons
from tune_app.export.tables.model import list_records
from tune_app.export.tables.scope import spell_estimand, spell_method
from tune_app.study import Study
from tune_app.study.metrics import SHARE

_COUNTS = (
    ("pairs", "n_pairs"),
    ("replicates", "n_replicates"),
    ("against", "n_replicates_against"),
    ("conditions", "n_conditions"),
)


@dataclass(frozen=True)
class Verdict:
    """A claim with what became of it.

    `metric` is what it is about, `effect` and `interval` are numbers, the latter empty without one. `needs` and
    `remark` are a few words each, or empty. Of the lines that
    open `numbers` has p and what they speak of, `source` method and n, `others` what else there is to say, in
    sentences, and `reason` why the verdict is what it is.
    """

    row: VerdictRow
    metric: str
    effect: str
    interval: str
    drawing: Drawing | None
    needs: str
    remark: str
    numbers: str
    source: str
    others: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Verdicts:
    """All of them, the axis that their drawings share, and in sentences what holds for every one."""

    rows: tuple[Verdict, ...]
    axis: Axis | None
    notes: tuple[str, ...]


def build_verdicts(study: Study, claims: pd.DataFrame) -> Verdicts:
    """The rows of claims.csv for reading."""
    rows = build_verdict_rows(study, claims)
    drawings, axis = draw_verdicts(rows)
    shared = [reason for reason in build_claim_reasons(claims) if len(reason.rows) == len(rows) > 1]
    reasons = [reason for reason in build_claim_reasons(claims) if reason not in shared]
    verdicts = [
        Verdict(
            row,
            row.metric.replace("_", " ") + (f", epoch {row.epochs}" if row.epochs else ""),
            *_spell_effect(row),
            drawing,
            spell_needs(row),
            spell_remark(row),
            _spell_numbers(study, row, record),
            _spell_source(study, record),
            tuple(_list_others(record)),
            " ".join(_begin(reason.text) for reason in reasons if str(row.number) in reason.rows),
        )
        for row, drawing, record in zip(rows, drawings, list_records(claims), strict=True)
    ]
    return Verdicts(tuple(verdicts), axis, tuple(f"Every claim: {reason.text}" for reason in shared))


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]


def _spell_effect(row: VerdictRow) -> tuple[str, str]:
    """The effect with its unit, and its interval."""
    if row.effect != row.effect:  # NaN: there is none
        return "", ""
    effect, interval = format_estimate(row.effect, row.low, row.high, sign="+")
    unit = f" {row.unit}" if row.unit not in ("", SHARE) else ""
    return f"{effect}{unit}".replace("-", "−"), interval.replace("-", "−") if row.low == row.low else ""


def _spell_numbers(study: Study, row: VerdictRow, record: Mapping[str, Any]) -> str:
    if row.effect != row.effect:
        return ""
    parts = []
    if row.is_adjusted:
        level = spell_level(row.level)
        parts = ["adjusted interval" if level == "adjusted" else f"adjusted interval at {level}"]
        if pd.isna(record["look"]):
            parts.append(f"p (Holm) {format_p_value(record['p_holm'])}")
        else:
            parts.append(f"look {record['look']:.0f}, by which an error rate of {record['p_spent']:.2g} is spent")
    elif row.low == row.low:
        parts = ["95% interval, not adjusted: there is no p-value"]
    if estimand := spell_estimand(record["estimand"], study):
        parts.append(f"speaks of {estimand}")
    return "; ".join(parts)


def _spell_source(study: Study, record: Mapping[str, Any]) -> str:
    parts = [spell_method(record["method"], study)] if record["method"] else []
    parts += [f"{name} {record[key]:.0f}" for name, key in _COUNTS if not pd.isna(record[key])]
    return "; ".join(parts)


def _list_others(record: Mapping[str, Any]) -> Iterator[str]:
    if record["verdict_unadjusted"] != record["verdict"]:
        yield f"By itself, without the adjustment, it would be {record['verdict_unadjusted']}."
    if not pd.isna(record["power"]) and pd.isna(record["look"]):
        yield f"The chance that this design decides it, if the effect is as observed: {format_share(record['power'])}."
