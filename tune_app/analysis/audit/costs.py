"""What each defect of a protocol costs: taken away from the protocol as reported, put into the sound one, and
shared out.

Every number is of test accuracy, between conditions of the study that differ in their protocol alone.
"""

from typing import Any

import numpy as np
import pandas as pd

from tune_app.analysis.audit.evidence import EQUAL, Effect, Values, count_collapsed, count_signs
from tune_app.analysis.audit.settings import (
    REMOVED,
    SHARED,
    WHOLE,
    Setting,
    describe_setting,
    find_pairs,
    find_settings,
)
from tune_app.analysis.audit.shares import REST, Share, build_shares
from tune_app.analysis.audit.verdicts import (
    FAMILY,
    HYPOTHESES,
    NO_GAP,
    OTHERS,
    Evidence,
    are_paired_replicates,
    build_gap,
    judge,
    weigh,
)
from tune_app.analysis.contrasts import Contrast, build_contrast
from tune_app.analysis.estimands import THESE_IMAGES
from tune_app.analysis.frames import find_reported
from tune_app.analysis.sides import Condition, Side
from tune_app.analysis.t_tests import LEVEL
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study.protocol import AS_REPORTED, DEFECTS, SOUND

NUMBERS = (
    "accuracy_without",
    "accuracy_with",
    "cost",
    "ci95_low",
    "ci95_high",
    "cost_median",
    "share_of_gap",
    "share_low",
    "share_high",
    "share_of_reported_gap",
    "replicates_lower_with",
    "replicates_higher_with",
    "replicates_equal",
    "collapsed_without",
    "collapsed_with",
    "p_cost",
    "replicates_above_half",
    "replicates_below_half",
    "p_half",
    "p_value",
    "p_holm",
)
WORDS = ("share_interval", "test", "family", "explains", "explains_unadjusted", "method", "estimand", "reason")
COUNTS = [name for name in NUMBERS if name.startswith(("replicates_", "collapsed_"))]


def build_audit(results: Results) -> pd.DataFrame:
    """One row per setting and defect, each way of isolating it, and each share; the columns are in docs/results.md.

    `cost` is how much test accuracy the defect takes (positive: it makes the score worse).
    """
    rows: list[dict[str, Any]] = []
    evidence: list[Evidence] = []
    for setting in find_settings(results):
        found, weighed = _build_setting(results, setting)
        rows += found
        evidence += weighed
    judge(evidence)
    kinds = dict.fromkeys(NUMBERS, "float64") | dict.fromkeys(COUNTS, "Int64")
    return pd.DataFrame(rows).astype(kinds) if rows else pd.DataFrame()


def _build_setting(results: Results, setting: Setting) -> tuple[list[dict[str, Any]], list[Evidence]]:
    """The rows of a setting, and what its verdicts go by."""
    pairs = list(find_pairs(setting))
    rows, evidence = [], []
    gap: Effect | None = None
    sound: tuple[Any, Condition] = (None, ())
    for defect, way, pair in pairs:
        contrast = _contrast(results, pair)
        row = _build_row(results, setting, defect, way, pair)
        rows.append(row)
        if isinstance(contrast, str):
            row["reason"] = contrast
        else:
            _fill_in(row, contrast)
            if (defect, way) == WHOLE:
                gap, values = build_gap(contrast, pair)
                sound = contrast.sides[0], pair[0]
                _fill_in_gap(row, gap, values)
            elif are_paired_replicates(contrast):
                _fill_in_signs(row, (contrast.sides[0] - contrast.sides[1]).mean(axis=1))
        if way == REMOVED and DEFECTS[defect].phase != "report":  # that changes what is said of the training alone
            row |= dict.fromkeys(("explains", "explains_unadjusted"), NO_GAP)
            row["family"] = FAMILY if defect in HYPOTHESES else OTHERS
            if gap is not None and not isinstance(contrast, str):
                evidence.append(weigh(row, gap, contrast, sound, pair))
    return rows + _build_share_rows(results, setting, rows), evidence


def _build_row(
    results: Results, setting: Setting, defect: str, way: str, pair: tuple[Condition, Condition]
) -> dict[str, Any]:
    """A row without its numbers."""
    return {
        **describe_setting(results, setting),
        "replicates_without": len(pair[0]),
        "replicates_with": len(pair[1]),
        "defect": defect,
        "way": way,
        **dict.fromkeys(NUMBERS),
        **dict.fromkeys(WORDS, ""),
    }


def _fill_in(row: dict[str, Any], contrast: Contrast) -> None:
    row |= {"accuracy_without": contrast.means[0], "accuracy_with": contrast.means[1], "cost": contrast.effect}
    row |= {"method": contrast.method, "estimand": contrast.estimand or "", "reason": contrast.reason}
    if contrast.test:
        row["ci95_low"], row["ci95_high"] = contrast.test.interval
    row["collapsed_without"], row["collapsed_with"] = map(count_collapsed, contrast.sides)


def _fill_in_gap(row: dict[str, Any], gap: Effect, values: Values) -> None:
    _fill_in_signs(row, values)
    if gap.is_testable:
        outcome = gap.decide(1 - LEVEL)
        row |= {"p_cost": outcome.p_value, "test": outcome.test}


def _fill_in_signs(row: dict[str, Any], values: Values) -> None:
    row["cost_median"] = float(np.median(values))
    row["replicates_lower_with"], row["replicates_higher_with"] = count_signs(values)
    row["replicates_equal"] = int(np.sum(np.abs(values) < EQUAL))


def _build_share_rows(results: Results, setting: Setting, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each share; as ratios of the gap where that is shown to be positive."""
    whole = next((row for row in rows if (row["defect"], row["way"]) == WHOLE), None)
    if whole is None or whole["cost"] is None:
        return []
    sound, having = (setting.conditions[name] for name in (SOUND, AS_REPORTED))
    is_shown = whole["cost"] > 0 and whole["p_cost"] is not None and whole["p_cost"] < 1 - LEVEL
    reported = find_reported(results, setting.spec)
    reported_gap = whole["accuracy_without"] - reported.test_accuracy if reported else 0.0
    if is_shown:
        whole["share_of_gap"] = 1.0
        whole["share_of_reported_gap"] = whole["cost"] / reported_gap if abs(reported_gap) > EQUAL else None
    try:
        shares = build_shares(results, setting)
    except RefusedError as refusal:
        return [_build_row(results, setting, REST, SHARED, (sound, having)) | {"reason": str(refusal)}]
    found = []
    for share in shares:
        row = _build_row(results, setting, share.defect, SHARED, (sound, having)) | _describe_share(share)
        if is_shown:
            row |= {"share_of_gap": share.ratio, "share_low": share.low, "share_high": share.high}
            row["share_interval"] = share.interval
            row["share_of_reported_gap"] = share.test.effect / reported_gap if abs(reported_gap) > EQUAL else None
        found.append(row)
    return found


def _describe_share(share: Share) -> dict[str, Any]:
    numbers: dict[str, Any] = {"cost": share.test.effect, "method": share.method, "estimand": THESE_IMAGES}
    if share.test.standard_error:
        numbers["ci95_low"], numbers["ci95_high"] = share.test.interval
    return numbers


def _contrast(results: Results, pair: tuple[Condition, Condition]) -> Contrast | str:
    try:
        return build_contrast([(Side(results, pair[0]), Side(results, pair[1]))], "test_accuracy")
    except RefusedError as refusal:
        return str(refusal)


def build_waterfall(audit: pd.DataFrame) -> pd.DataFrame:
    """Steps from the protocol as reported to the sound one, for the first setting with shares, in percentage points.

    Columns step, points, ci95_low, ci95_high, kind (`total` or `change`); `attrs` has the `setting` and the `method`.
    The least share comes first, so that no step leads above what an accuracy can be.
    """
    shared = audit[(audit["way"] == SHARED) & audit["cost"].notna()]
    if shared.empty:
        return pd.DataFrame()
    setting = shared["setting"].iloc[0]
    ((_, whole),) = audit[(audit["setting"] == setting) & (audit["way"] == WHOLE[1])].iterrows()
    changes = shared[shared["setting"] == setting].sort_values("cost", kind="stable").to_dict("records")
    steps = [
        ("as reported", whole["accuracy_with"], None, None, "total"),
        *((row["defect"], row["cost"], row["ci95_low"], row["ci95_high"], "change") for row in changes),
        ("sound", whole["accuracy_without"], None, None, "total"),
    ]
    frame = pd.DataFrame(steps, columns=["step", "points", "ci95_low", "ci95_high", "kind"])
    frame[["points", "ci95_low", "ci95_high"]] = frame[["points", "ci95_low", "ci95_high"]].astype(float) * 100
    frame.attrs |= {"setting": setting, "method": changes[0]["method"]}
    return frame
