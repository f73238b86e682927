"""The effects of a design in plain English, from their numbers alone."""

import math
from collections.abc import Iterable
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

ALPHA = 0.05
# How a sentence on the shown effects of a family starts, what it says of one, and of which effects none is shown.
# {size} is without a sign.
WORDS = {
    SHAPLEY: ("by Shapley values", "{name} {verb} {metric} by {size}", "no share is shown for"),
    MAIN: ("on average over the other components", "{name} {verb} {metric} by {size}", "no main effect is shown for"),
    LEAVE_OUT: (
        "in the full system",
        "leaving out {name} {opposite} {metric} by {size}",
        "leaving out changes nothing that is shown for",
    ),
    ADD_IN: ("on the base", "adding {name} {verb} {metric} by {size}", "adding changes nothing that is shown for"),
    OWED: (
        "of what is due to the others",
        "the effect of {name} is {size} {comparison} in the full system than on the base",
        "no such difference is shown for",
    ),
    INTERACTION: (
        "of the interactions",
        "the effect of {first} is {size} {comparison} with {second} than without it",
        "no interaction is shown for",
    ),
}
MAX_NAMES = 6  # in a list of effects that are not shown; of more, the number


def build_design_sentence(effects: pd.DataFrame, metric: str = "the score", scale: float = 1.0, unit: str = "") -> str:
    """What the effects of `build_design_effects` say: a sentence per family, in the frame's order.

    An effect is shown where its p-value after Holm is below 0.05; the others are named as not shown. `scale` turns the
    scores into `unit`: 100 and `points` for a share.
    """
    spell = _Spelling(metric, scale, unit, _choose_decimals(effects, scale))
    sentences = []
    for family, rows in effects.groupby("family", sort=False):
        sentences += spell.describe_family(str(family), rows.to_dict("records"))
    if (effects["p_holm"] < ALPHA).any():
        sentences.append("In brackets are 95% intervals; p-values are adjusted by Holm within each kind of effect.")
    return " ".join(sentences)


def _choose_decimals(effects: pd.DataFrame, scale: float) -> int:
    """So many that the narrowest interval's half-width has two significant digits."""
    widths = ((effects["ci95_high"] - effects["ci95_low"]) / 2 * scale).dropna()
    widths = widths[widths > 0]
    return max(0, 1 - math.floor(math.log10(widths.min()))) if len(widths) else 3


class _Spelling:
    """How the numbers of one frame read."""

    def __init__(self, metric: str, scale: float, unit: str, decimals: int) -> None:
        self.metric, self.scale, self.unit, self.decimals = metric, scale, unit, decimals

    def describe_family(self, family: str, rows: list[dict[str, Any]]) -> list[str]:
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
        start, clause, none = WORDS[family]
        clauses = [self._describe_effect(clause, row) for row in shown]
        if others:
            clauses.append(f"{none} {_list_names(_name(row) for row in others)}")
        written = [f"{start[0].upper()}{start[1:]}, {'; '.join(clauses)}."] if clauses else []
        return written + self._describe_untested(family, untested)

    def _describe_total(self, row: dict[str, Any]) -> str:
        if row["p_holm"] >= ALPHA:
            return f"No difference of the full system from the base is shown: {self._spell_signed(row)}."
        verb = "raises" if row["estimate"] > 0 else "lowers"
        size, (low, high) = self._spell_size(row["estimate"]), self._spell_bounds(row, row["estimate"])
        return f"The full system {verb} {self.metric} by {size} over the base ({low} to {high})."

    def _describe_remainder(self, row: dict[str, Any]) -> str:
        if row["p_holm"] >= ALPHA:
            return (
                f"The means of both sum to the whole difference within error (remainder {self._spell_signed(row)}), as "
                "they would without interactions of three or more components, which that does not prove."
            )
        return (
            "The means of both do not sum to the whole difference: the remainder is "
            f"{self._spell_signed(row)}, so there are interactions of three or more components."
        )

    def _describe_effect(self, clause: str, row: dict[str, Any]) -> str:
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
        aliases = f", or that of its aliases {row['aliased_with']}" if row["aliased_with"] else ""
        return f"{text} ({low} to {high}{aliases})"

    def _describe_untested(self, family: str, rows: list[dict[str, Any]]) -> list[str]:
        sentences = []
        for reason in dict.fromkeys(str(row["reason"]) for row in rows):
            named = [
                _name(row) + ("" if pd.isna(row["ci95_low"]) else f" {self._spell_signed(row)}")
                for row in rows
                if row["reason"] == reason
            ]
            what = {TOTAL: "the whole difference", REMAINDER: "the remainder"}.get(family, family)
            sentences.append(f"No p-value for {what} ({'; '.join(named)}): {reason.rstrip('.')}.")
        return sentences

    def _spell_size(self, value: float) -> str:
        return f"{abs(value) * self.scale:.{self.decimals}f}{self.unit and ' '}{self.unit}"

    def _spell_bounds(self, row: dict[str, Any], sign: float) -> tuple[str, str]:
        """The interval of the size of an effect, its lower bound first."""
        bounds = (row["ci95_low"], row["ci95_high"]) if sign > 0 else (-row["ci95_high"], -row["ci95_low"])
        low, high = (f"{bound * self.scale:.{self.decimals}f}".replace("-", "−") for bound in bounds)
        return low, high

    def _spell_signed(self, row: dict[str, Any]) -> str:
        low, high = self._spell_bounds(row, 1.0)
        value = f"{row['estimate'] * self.scale:+.{self.decimals}f}{self.unit and ' '}{self.unit}".replace("-", "−")
        return f"{value} ({low} to {high})"


def _name(row: dict[str, Any]) -> str:
    return str(row["component"]).replace(":", " with ")


def _list_names(names: Iterable[str]) -> str:
    listed = list(names)
    if len(listed) > MAX_NAMES:
        return f"{len(listed)} others"
    return " and ".join(filter(None, [", ".join(listed[:-1]), listed[-1]]))
