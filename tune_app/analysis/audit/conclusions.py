"""The audit in sentences, made from its numbers alone."""

from typing import Any

import pandas as pd

from tune_app.analysis.audit.costs import ADDED, LITTLE, NO_GAP, REMOVED, SIGN_TEST_FROM, UNDECIDED, WHOLE, WORSE

HYPOTHESES = {
    "replica-statistics": "The original report's hypothesis, that each replica's batch is too small,",
    "test-skips-layers": "The alternative, that the test runs the network without its batch-norm layer,",
}
Rows = dict[tuple[str, str], dict[Any, Any]]  # (defect, way) → the audit's row


def build_conclusions(audit: pd.DataFrame) -> list[str]:
    """A sentence or two for each setting on the original report's hypothesis and on the alternative."""
    settings: dict[str, Rows] = {}
    for row in audit.to_dict("records"):
        settings.setdefault(row["setting"], {})[row["defect"], row["way"]] = row
    return [sentence for setting, rows in settings.items() if (sentence := _conclude(setting, rows))]


def _conclude(setting: str, rows: Rows) -> str:
    if WHOLE not in rows or ("replica-statistics", REMOVED) not in rows:
        return ""
    whole = rows[WHOLE]
    if pd.isna(whole["cost"]):
        return f"{setting}: undecided, {whole['reason']}"
    gap = f"{_spell_cost(whole)}{_spell_signs(whole, ', positive')}"
    verdicts = [_judge(rows, defect, name) for defect, name in HYPOTHESES.items() if (defect, REMOVED) in rows]
    return (
        f"{setting}: run as reported, the test accuracy is {whole['accuracy_with']:.4f}, by sound protocol "
        f"{whole['accuracy_without']:.4f}, a gap of {gap}. "
        f"{' '.join(verdicts)}"
    )


def _judge(rows: Rows, defect: str, hypothesis: str) -> str:
    removed = rows[defect, REMOVED]
    if pd.isna(removed["cost"]):
        return f"{hypothesis} is undecided: {removed['reason']}"
    verdict = {
        WORSE: "is refuted: without the defect the score gets worse",
        LITTLE: f"is refuted: it explains {LITTLE}",
        UNDECIDED: "is undecided",
        NO_GAP: f"is {NO_GAP}",
    }.get(removed["explains"], f"explains {removed['explains']}")
    numbers = f"taking it away gains {_spell_cost(removed)}{_spell_signs(removed, ' and makes the score better')}"
    if _has_signs(removed, "p_half"):
        above, below = removed["replicates_above_half"], removed["replicates_below_half"]
        numbers += f", by more than half of the gap in {above} of {above + below} (p = {removed['p_half']:.2g})"
    added = rows.get((defect, ADDED))
    if added and not pd.isna(added["cost"]):
        numbers += f"; putting it into the sound protocol costs {_spell_cost(added)}"
    return f"{hypothesis} {verdict}: {numbers}."


def _spell_cost(row: dict[Any, Any]) -> str:
    median = "" if pd.isna(row["cost_median"]) else f", median {row['cost_median'] * 100:z.2f}"
    if pd.isna(row["ci95_low"]):
        return f"{row['cost'] * 100:z.2f} points (no interval{median})"
    interval = f"[{row['ci95_low'] * 100:z.2f}, {row['ci95_high'] * 100:z.2f}]"
    return f"{row['cost'] * 100:z.2f} points {interval}" + (f" ({median[2:]})" if median else "")


def _spell_signs(row: dict[Any, Any], what: str) -> str:
    if not _has_signs(row, "p_sign"):
        return ""
    lower, higher, equal = (row[f"replicates_{name}"] for name in ("lower_with", "higher_with", "equal"))
    ties = f", {equal} equal" if equal else ""
    return f"{what} in {lower} of {lower + higher + equal} replicates (sign test, p = {row['p_sign']:.2g}{ties})"


def _has_signs(row: dict[Any, Any], p_value: str) -> bool:
    """Whether the signs are what the verdict goes by."""
    return not pd.isna(row[p_value]) and row["replicates_with"] >= SIGN_TEST_FROM
