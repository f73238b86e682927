"""The effects of a design in plain English, from their numbers alone."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.designs import (
    ADD_IN,
    INTERACTION,
    LEAVE_OUT,
    MAIN,
    MEAN_OF_BOTH,
    OWED,
    REMAINDER,
    SHAPLEY,
    TOTAL,
)
from tune_app.analysis.estimands import DETECTABLE

ALPHA = 0.05
Row = dict[Hashable, Any]
Rows = list[Row]


@dataclass(frozen=True)
class Wording:
    """How a family reads: a `start`, an effect in full and shortly after one of its direction, and effects not shown.

    {size} is without a sign; {verb} and {comparison} say it.
    """

    start: str
    clause: str
    short: str
    none: str


WORDINGS = {
    SHAPLEY: Wording(
        "by Shapley values",
        "{name} {verb} {metric} by {size}",
        "{name} by {size}",
        "no share of the difference is shown for",
    ),
    MAIN: Wording(
        "on average over the other components",
        "{name} {verb} {metric} by {size}",
        "{name} by {size}",
        "no main effect is shown for",
    ),
    LEAVE_OUT: Wording(
        "in the full system",
        "leaving out {name} {opposite} {metric} by {size}",
        "{name} by {size}",
        "no effect of leaving out is shown for",
    ),
    ADD_IN: Wording(
        "on the base",
        "adding {name} {verb} {metric} by {size}",
        "{name} by {size}",
        "no effect of adding is shown for",
    ),
    OWED: Wording(
        "as to what is owed to the others",
        "the effect of {name} is {size} {comparison} in the full system than on the base",
        "that of {name} {size}",
        "between the full system and the base no difference is shown in the effect of",
    ),
    INTERACTION: Wording(
        "of the interactions",
        "the effect of {first} is {size} {comparison} with {second} than without it",
        "that of {first} {size} with {second}",
        "no interaction is shown for",
    ),
}
MAX_NAMES = 6  # in a list of effects that are not shown; of more, the number


def build_design_sentence(effects: pd.DataFrame, metric: str = "the score", scale: float = 1.0, unit: str = "") -> str:
    """What the effects of `build_design_effects` say: a sentence per family, in the frame's order.

    An effect is shown where its p-value after Holm is below 0.05; the others are named as not shown. `scale` turns the
    scores into `unit`: 100 and `points` for a share.
    """
    spell = _Spelling(metric, scale, unit, choose_decimals(effects, scale))
    sentences = []
    for family, rows in effects.groupby("family", sort=False):
        sentences += spell.describe_family(str(family), rows.to_dict("records"))
    if (effects["p_holm"] < ALPHA).any():
        sentences.append("In brackets are 95% intervals; p-values are adjusted by Holm within each kind of effect.")
    return " ".join(sentences)


def choose_decimals(effects: pd.DataFrame, scale: float) -> int:
    """So many that the narrowest interval's half-width has two significant digits."""
    widths = ((effects["ci95_high"] - effects["ci95_low"]) / 2 * scale).dropna()
    widths = widths[widths > 0]
    return max(0, 1 - math.floor(math.log10(widths.min()))) if len(widths) else 3


class _Spelling:
    """How the numbers of one frame read."""

    def __init__(self, metric: str, scale: float, unit: str, decimals: int) -> None:
        self.metric, self.scale, self.unit, self.decimals = metric, scale, unit, decimals

    def describe_family(self, family: str, rows: Rows) -> list[str]:
        """The sentences of one family; the means of both have none, as the families that they come from have theirs."""
        if family == MEAN_OF_BOTH:
            return []
        tested = [row for row in rows if not pd.isna(row["p_holm"])]
        shown = sorted((row for row in tested if row["p_holm"] < ALPHA), key=lambda row: -abs(row["estimate"]))
        others = [row for row in tested if row["p_holm"] >= ALPHA]
        untested = [row for row in rows if pd.isna(row["p_holm"])]
        if family in (TOTAL, REMAINDER):
            describe = self._describe_total if family == TOTAL else self._describe_remainder
            return [describe(row) for row in tested] + self._describe_untested(family, untested)
        return self._describe_tested(WORDINGS[family], shown, others) + self._describe_untested(family, untested)

    def _describe_tested(self, wording: Wording, shown: Rows, others: Rows) -> list[str]:
        clauses = []
        for rows in ([row for row in shown if row["estimate"] > 0], [row for row in shown if row["estimate"] <= 0]):
            texts = [wording.clause, *[wording.short] * len(rows)]
            said = [self._describe_effect(text, row) for text, row in zip(texts, rows, strict=False)]
            clauses += [_join(said)] if said else []
        none = [f"{wording.none} {_list_names(others)}"] if others else []
        if not clauses:
            return [_capitalise(f"{none[0]}.")] if none else []
        return [_capitalise(f"{wording.start}, {'; '.join(clauses + none)}.")]

    def _describe_total(self, row: Row) -> str:
        if row["p_holm"] >= ALPHA:
            return f"No difference between the full system and the base is shown: {self._spell_signed(row)}."
        verb = "raises" if row["estimate"] > 0 else "lowers"
        size, (low, high) = self._spell_size(row["estimate"]), self._spell_bounds(row, row["estimate"])
        return f"The full system {verb} {self.metric} by {size} over the base ({low} to {high})."

    def _describe_remainder(self, row: Row) -> str:
        if row["p_holm"] >= ALPHA:
            return (
                "The means of both sum to the whole difference within error, as "
                "they would without interactions of three or more components, which this does not prove: the "
                f"remainder is {self._spell_signed(row)}."
            )
        return (
            "The means of both do not sum to the whole difference: the remainder is "
            f"{self._spell_signed(row)}, so there are interactions of three or more components."
        )

    def _describe_effect(self, clause: str, row: Row) -> str:
        higher = row["estimate"] > 0
        first, _, second = str(row["component"]).partition(":")
        low, high = self._spell_bounds(row, row["estimate"])
        text = clause.format(
            name=_name(row),
            first=first,
            second=second,
            metric=self.metric,
            verb="raises" if higher else "lowers",
            opposite="lowers" if higher else "raises",
            comparison="higher" if higher else "lower",
            size=self._spell_size(row["estimate"]),
        )
        aliases = f"; aliased with {row['aliased_with']}" if row["aliased_with"] else ""
        return f"{text} ({low} to {high}{aliases})"

    def _describe_untested(self, family: str, rows: Rows) -> list[str]:
        what = {TOTAL: "the whole difference", REMAINDER: "the remainder"}.get(family, family)
        reasons: dict[str, list[str]] = {}
        for row in rows:
            # What could be found differs from row to row; the table has it.
            reason = str(row["reason"]).split(f"; {DETECTABLE}")[0].rstrip(".")
            number: str = "" if pd.isna(row["ci95_low"]) else f" {self._spell_signed(row)}"
            reasons.setdefault(reason, []).append(f"{_name(row)}{number}")
        return [f"No p-value for {what}, {_join(named)}: {reason}." for reason, named in reasons.items()]

    def _spell_size(self, value: float) -> str:
        return f"{abs(value) * self.scale:.{self.decimals}f}{self.unit and ' '}{self.unit}"

    def _spell_bounds(self, row: Row, sign: float) -> tuple[str, str]:
        """The interval of the size of an effect, its lower bound first."""
        bounds = (row["ci95_low"], row["ci95_high"]) if sign > 0 else (-row["ci95_high"], -row["ci95_low"])
        low, high = (f"{bound * self.scale:z.{self.decimals}f}".replace("-", "−") for bound in bounds)
        return low, high

    def _spell_signed(self, row: Row) -> str:
        low, high = self._spell_bounds(row, 1.0)
        value = f"{row['estimate'] * self.scale:+z.{self.decimals}f}{self.unit and ' '}{self.unit}".replace("-", "−")
        return f"{value} ({low} to {high})"


def _name(row: Row) -> str:
    return str(row["component"]).replace(":", " with ")


def _list_names(rows: Rows) -> str:
    return _join([_name(row) for row in rows]) if len(rows) <= MAX_NAMES else f"{len(rows)} others"


def _join(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _capitalise(text: str) -> str:
    return text[0].upper() + text[1:]
