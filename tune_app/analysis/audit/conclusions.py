"""The audit in sentences, made from its numbers alone."""

from typing import Any

import pandas as pd

from tune_app.analysis.audit.evidence import SIGN_FLIP
from tune_app.analysis.audit.settings import ADDED, REMOVED, SHARED, WHOLE
from tune_app.analysis.audit.shares import BOTH_WAYS
from tune_app.analysis.audit.verdicts import FAMILY, LITTLE, NO_GAP, UNDECIDED, WORSE

SUBJECTS = {
    "replica-statistics": "The original report's hypothesis, that each replica's batch is too small,",
    "test-skips-layers": "The alternative, that the test runs the network without its batch-norm layer,",
}
Row = dict[Any, Any]
Rows = dict[tuple[str, str], Row]  # (defect, way) → the audit's row


def build_conclusions(audit: pd.DataFrame) -> list[str]:
    """A sentence or two for each setting on the original report's hypothesis and on the alternative."""
    settings: dict[str, Rows] = {}
    for row in audit.to_dict("records"):
        settings.setdefault(row["setting"], {})[row["defect"], row["way"]] = row
    members = int(((audit["family"] == FAMILY) & audit["p_holm"].notna()).sum()) if len(audit) else 0
    return [sentence for setting, rows in settings.items() if (sentence := _conclude(setting, rows, members))]


def _conclude(setting: str, rows: Rows, members: int) -> str:
    """`members`: the verdicts that are adjusted as one family."""
    if WHOLE not in rows or ("replica-statistics", REMOVED) not in rows:
        return ""
    whole = rows[WHOLE]
    if pd.isna(whole["cost"]):
        return f"{setting}: undecided, {whole['reason']}"
    gap = f"{_spell_cost(whole)}{_spell_signs(whole, ', positive')}"
    verdicts = [_judge(rows, defect, name, members) for defect, name in SUBJECTS.items() if (defect, REMOVED) in rows]
    return (
        f"{setting}: run as reported, the test accuracy is {whole['accuracy_with']:.4f}, by sound protocol "
        f"{whole['accuracy_without']:.4f}, a gap of {gap}. {_spell_collapsed(whole)}"
        f"{' '.join(verdicts)}"
    )


def _judge(rows: Rows, defect: str, hypothesis: str, members: int) -> str:
    removed = rows[defect, REMOVED]
    if pd.isna(removed["cost"]):
        return f"{hypothesis} is undecided: {removed['reason']}"
    verdict = _spell_verdict(removed["explains"])
    if removed["explains_unadjusted"] != removed["explains"]:
        verdict += f" after adjustment (before, it {_spell_verdict(removed['explains_unadjusted'])})"
    numbers = f"taking it away gains {_spell_cost(removed)}{_spell_signs(removed, ' and makes the score better')}"
    if _counts(removed, "p_half"):
        above, below = removed["replicates_above_half"], removed["replicates_below_half"]
        numbers += f", by more than half of the gap in {above} of {above + below} (p = {removed['p_half']:.2g})"
    added, share = rows.get((defect, ADDED)), rows.get((defect, SHARED))
    if added and not pd.isna(added["cost"]):
        numbers += f"; putting it into the sound protocol costs {_spell_cost(added)}"
    if share and not pd.isna(share["cost"]):
        how = "share by the mean of both ways" if share["method"] == BOTH_WAYS else "Shapley share"
        numbers += f"; its {how} is {_spell_share(share)}"
    if not pd.isna(removed["p_holm"]) and removed["explains"] != NO_GAP:
        verdicts = f"the {members} verdicts on the two hypotheses" if members > 1 else "this verdict alone"
        numbers += f"; p = {removed['p_value']:.2g} for the verdict, {removed['p_holm']:.2g} by Holm over {verdicts}"
    return f"{hypothesis} {verdict}: {numbers}."


def _spell_verdict(explains: str) -> str:
    return {
        WORSE: "is refuted: without the defect the score gets worse",
        LITTLE: f"is refuted: it explains {LITTLE}",
        UNDECIDED: "is undecided",
        NO_GAP: f"is {NO_GAP}",
    }.get(explains, f"explains {explains}")


def _spell_cost(row: Row) -> str:
    median: str = "" if pd.isna(row["cost_median"]) else f", median {row['cost_median'] * 100:z.2f}"
    if pd.isna(row["ci95_low"]):
        return f"{row['cost'] * 100:z.2f} points (no interval{median})"
    interval = f"[{row['ci95_low'] * 100:z.2f}, {row['ci95_high'] * 100:z.2f}]"
    return f"{row['cost'] * 100:z.2f} points {interval}" + (f" ({median[2:]})" if median else "")


def _spell_share(row: Row) -> str:
    """In points, and as a part of the gap where that is shown."""
    points = _spell_cost(row)
    if pd.isna(row["share_of_gap"]):
        return points
    part = f"{row['share_of_gap'] * 100:z.0f}%"
    if pd.isna(row["share_low"]):
        return f"{points}, {part} of the gap (no interval)"
    return (
        f"{points}, {part} [{row['share_low'] * 100:z.0f}%, {row['share_high'] * 100:z.0f}%] of the gap "
        f"({row['share_interval']})"
    )


def _spell_signs(row: Row, what: str) -> str:
    if not _counts(row, "p_cost"):
        return ""
    lower, higher, equal = (row[f"replicates_{name}"] for name in ("lower_with", "higher_with", "equal"))
    ties = f", {equal} equal" if equal else ""
    return f"{what} in {lower} of {lower + higher + equal} replicates ({row['test']}, p = {row['p_cost']:.2g}{ties})"


def _spell_collapsed(row: Row) -> str:
    collapsed = row["collapsed_with"]
    if pd.isna(collapsed) or not collapsed:
        return ""
    number = row["replicates_with"]
    return f"{collapsed} of the {number} networks as reported collapsed, to less than half of their median. "


def _counts(row: Row, p_value: str) -> bool:
    """Whether replicates are what the verdict goes by."""
    return not pd.isna(row[p_value]) and row["test"] == SIGN_FLIP and not pd.isna(row["replicates_lower_with"])
