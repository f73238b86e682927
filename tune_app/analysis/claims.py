"""The study's claims, judged by their contrasts."""

import math
from typing import Any

import pandas as pd

from tune_app.analysis.contrasts import (
    MIN_REPLICATES,
    Contrast,
    Side,
    build_contrast,
    find_fewest_replicates,
    share_splits,
)
from tune_app.analysis.metrics import choose_rope
from tune_app.analysis.t_tests import MAX_REPLICATES, TTest, find_replicates
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import Claim, Study, Window
from tune_app.study.metrics import is_epoch_metric

COLUMNS = (
    "sentence",
    "verdict",
    "metric",
    "unit",
    "epochs",
    "contrast",
    "expect",
    "by",
    "mean",
    "mean_against",
    "effect",
    "ci95_low",
    "ci95_high",
    "method",
    "n_pairs",
    "n_replicates",
    "n_replicates_against",
    "n_conditions",
    "needed_replicates",
    "reason",
)
Region = tuple[float, float]  # the effects that a claim allows, from and to


def build_verdicts(results: Results) -> pd.DataFrame:
    """One row per claim of the study; the columns are in docs/results.md.

    A claim allows a region of effects: above `by` (higher), below −`by` (lower), within ±`by` (equal). It is supported
    if the 95% interval lies inside, refuted if it lies outside, and undecided if it reaches across the edge.
    """
    rows = [_judge(results, claim) for claim in results.study.claims]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n_pairs": "Int64", "needed_replicates": "Int64"})


def find_undecidable(study: Study) -> list[str]:
    """A line for each claim that no scores can decide, because it has too few replicates."""
    lines = []
    for claim in study.claims:
        first, second = study.claim_pairs(claim)[0]
        paired = share_splits(first[0], second[0])
        folds = first[0].folds if paired and not first[0].has_dependent_folds else None
        fewest = find_fewest_replicates(folds)
        if min(len(first), len(second)) < fewest:
            have = f"{len(first)} and {len(second)}" if len(first) != len(second) else f"{len(first)}"
            lines.append(f"{claim.sentence} It needs {fewest} replicates on either side and has {have}.")
    return lines


def _judge(results: Results, claim: Claim) -> dict[str, Any]:
    pairs = [
        (Side(results, first, claim.epochs), Side(results, second, claim.against_epochs or claim.epochs))
        for first, second in results.study.claim_pairs(claim)
    ]
    margin = choose_rope(results.study, claim.metric) if claim.by is None else claim.by
    row: dict[str, Any] = {
        "sentence": claim.sentence,
        "verdict": "undecided",
        "metric": claim.metric,
        "unit": results.study.describe_metric(claim.metric).unit,
        "epochs": _spell_epochs(claim, pairs[0][0].specs[0].recipe.epochs),
        "contrast": _spell_contrast(claim),
        "expect": claim.expect,
        "by": margin,
        "n_replicates": len(pairs[0][0].specs),
        "n_replicates_against": len(pairs[0][1].specs),
        "n_conditions": len(pairs),
    }
    try:
        contrast = build_contrast(pairs, claim.metric)
    except RefusedError as refusal:
        return row | {"method": "", "reason": str(refusal)}
    row |= {"method": contrast.method, "n_pairs": contrast.n_pairs, "effect": contrast.effect}
    row["mean"], row["mean_against"] = contrast.means
    if contrast.test is None:
        needed = None if contrast.n_pairs else MIN_REPLICATES
        return row | {"needed_replicates": needed, "reason": contrast.reason}
    row["ci95_low"], row["ci95_high"] = contrast.test.interval
    region = {"higher": (margin, float("inf")), "lower": (float("-inf"), -margin), "equal": (-margin, margin)}
    return row | _decide(contrast, contrast.test, region[claim.expect], len(pairs[0][0].specs))


def _decide(contrast: Contrast, test: TTest, region: Region, replicates: int) -> dict[str, Any]:
    low, high = test.interval
    bounds = f"the 95% interval [{low:.4g}, {high:.4g}]"
    asked = _spell_region(region)
    if contrast.status == "tested" and region[0] < low and high < region[1]:
        return {"verdict": "supported", "reason": f"{bounds} lies within the effects claimed, {asked}."}
    if contrast.status == "tested" and (high < region[0] or low > region[1]):
        return {"verdict": "refuted", "reason": f"{bounds} lies outside the effects claimed, {asked}."}
    folds = contrast.n_pairs // replicates if contrast.n_pairs else None
    fewest = max(replicates, find_fewest_replicates(folds))
    distance = min(abs(contrast.effect - edge) for edge in region)
    needed = find_replicates(test, distance, fewest)
    outlook = (
        f"{needed} replicates would decide it if effect and spread stay as they are."
        if needed
        else f"not even {MAX_REPLICATES} replicates would decide it with this effect and spread."
    )
    why = contrast.reason or f"{bounds} reaches across the edge of the effects claimed, {asked}."
    return {"needed_replicates": needed, "reason": f"{why} {outlook[0].upper()}{outlook[1:]}"}


def _spell_region(region: Region) -> str:
    if math.isinf(region[1]):
        return f"above {region[0]:g}"
    return f"below {region[1]:g}" if math.isinf(region[0]) else f"from {region[0]:g} to {region[1]:g}"


def _spell_epochs(claim: Claim, last: int) -> str:
    if not is_epoch_metric(claim.metric):
        return ""
    window = _spell_window(claim.epochs or (last, last))
    return f"{window} against {_spell_window(claim.against_epochs)}" if claim.against_epochs else window


def _spell_window(window: Window) -> str:
    return f"{window[0]}-{window[1]}" if window[0] < window[1] else str(window[0])


def _spell_contrast(claim: Claim) -> str:
    sides = [", ".join(f"{name}={level}" for name, level in side.items()) for side in (claim.levels, claim.against)]
    return f"{sides[0]} against {sides[1]}" if sides[1] else sides[0]
