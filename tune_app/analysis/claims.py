"""The study's claims, judged by their contrasts, each family of them as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.chances import find_needed_looks
from tune_app.analysis.claim_spelling import explain_verdict, spell_contrast, spell_epochs
from tune_app.analysis.comparable import find_fewest_of, find_version_note
from tune_app.analysis.contrasts import Contrast, build_contrast
from tune_app.analysis.looks import UNDECIDED, ClaimPath, Looks, choose_margin, find_looks, spell_replicates
from tune_app.analysis.power import MOST_REPLICATES, Region, find_power
from tune_app.analysis.sides import Side
from tune_app.analysis.t_tests import LEVEL, TTest, adjust_by_holm
from tune_app.analysis.verdicts import (
    build_region,
    find_decision_p_value,
    find_error_rates,
    spell_ends,
    spell_level,
    spell_outlook,
    spell_region,
)
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import Claim, Study

COLUMNS = (
    "sentence",
    "verdict",
    "family",
    "metric",
    "unit",
    "epochs",
    "contrast",
    "expect",
    "by",
    "between_low",
    "between_high",
    "mean",
    "mean_against",
    "effect",
    "ci95_low",
    "ci95_high",
    "p_value",
    "p_holm",
    "verdict_unadjusted",
    "adjusted_low",
    "adjusted_high",
    "adjusted_level",
    "look",
    "p_spent",
    "method",
    "estimand",
    "n_pairs",
    "n_replicates",
    "n_replicates_against",
    "n_conditions",
    "power",
    "needed_replicates",
    "needed_replicates_90",
    "most_replicates",
    "reason",
    "note",
)
COUNTS = ("look", "n_pairs", "needed_replicates", "needed_replicates_90", "most_replicates")


@dataclass
class Judged:
    """A claim on its way to a verdict: its row, and if it has one its test with the effects that it allows."""

    claim: Claim
    row: dict[str, Any]
    region: Region
    margin: float
    contrast: Contrast | None = None
    fewest: int = 1

    @property
    def test(self) -> TTest | None:
        """The test of a contrast that may have a p-value."""
        return self.contrast.test if self.contrast and self.contrast.status == "tested" else None


def build_verdicts(results: Results) -> pd.DataFrame:
    """One row per claim of the study; the columns are in docs/results.md.

    A claim allows a region of effects: above `by` (higher), below −`by` (lower), within ±`by` (equal), or between two
    values. It is supported if the interval of its effect lies inside. If the interval lies outside, it is negligible
    where it is within ±`by` and an effect was claimed, else refuted. Across an edge it is undecided. The interval is
    widened by Holm's rule over the claims of a family, so that the chance of any wrong verdict in it stays below 5%.
    """
    rows = [each.row for each in judge(results)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COUNTS, "Int64"))


def judge(results: Results) -> list[Judged]:
    """The claims of the study with their verdicts, and what would decide those that are undecided."""
    looks, remark = find_looks(results)
    paths = looks.paths if looks else (None,) * len(results.study.claims)
    found = zip(results.study.claims, paths, strict=True)
    judged = [assess(results, claim, path.replicates if path else None) for claim, path in found]
    for family in dict.fromkeys(each.row["family"] for each in judged):
        _judge_family([each for each in judged if each.row["family"] == family and each.test])
    for each, path in zip(judged, paths, strict=True):
        if looks and path:
            _judge_by_looks(each, path)
            _look_ahead_by_looks(each, path, looks)
        else:
            _look_ahead(each)
        each.row["note"] = " ".join(filter(None, (each.row["note"], remark)))
        if path and path.reason:
            each.row["reason"] = f"{each.row['reason']} {path.reason[:1].upper()}{path.reason[1:]}".strip()
    return judged


def find_undecidable(study: Study) -> list[str]:
    """A line for each claim that no scores can decide, because it has too few replicates."""
    lines = []
    for claim in study.claims:
        first, second = study.claim_pairs(claim)[0]
        fewest = find_fewest(study, claim)
        if min(len(first), len(second)) < fewest:
            have = f"{len(first)} and {len(second)}" if len(first) != len(second) else f"{len(first)}"
            lines.append(
                f"{claim.sentence} For a verdict it needs at least {fewest} replicates on either side; it has {have}."
            )
    return lines


def find_fewest(study: Study, claim: Claim) -> int:
    """The replicates from which on the claim can have a verdict."""
    return find_fewest_of(study, study.claim_pairs(claim)[0], claim.metric)


def assess(results: Results, claim: Claim, most: int | None = None) -> Judged:
    """The claim with its contrast, of `most` replicates of each condition; its verdict depends on its family."""
    study = results.study
    pairs = [
        (Side(results, first[:most], claim.epochs), Side(results, second[:most], claim.against_epochs or claim.epochs))
        for first, second in study.claim_pairs(claim)
    ]
    margin = choose_margin(study, claim)
    region = build_region(claim, margin)
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {
        "sentence": claim.sentence,
        "verdict": UNDECIDED,
        "verdict_unadjusted": UNDECIDED,
        "family": study.find_family(claim),
        "metric": claim.metric,
        "unit": study.describe_metric(claim.metric).unit,
        "epochs": spell_epochs(claim, pairs[0][0].specs[0].recipe.epochs),
        "contrast": spell_contrast(claim),
        "expect": claim.expect,
        "by": None if claim.between else margin,
        "n_replicates": len(pairs[0][0].specs),
        "n_replicates_against": len(pairs[0][1].specs),
        "n_conditions": len(pairs),
        "method": "",
        "estimand": "",
        "reason": "",
        "note": " ".join(filter(None, (find_note(claim, pairs), find_version_note(pairs)))),
    }
    row["between_low"], row["between_high"] = claim.between or (None, None)
    judged = Judged(claim, row, region, margin, fewest=find_fewest(study, claim))
    try:
        contrast = build_contrast(pairs, claim.metric)
    except RefusedError as refusal:
        row["reason"] = str(refusal)
        return judged
    judged.contrast = contrast
    row |= {"method": contrast.method, "estimand": contrast.estimand or "", "n_pairs": contrast.n_pairs}
    row |= {"effect": contrast.effect, "reason": contrast.reason}
    row["mean"], row["mean_against"] = contrast.means
    if contrast.test:
        row["ci95_low"], row["ci95_high"] = contrast.test.interval
    return judged


def find_note(claim: Claim, pairs: Sequence[tuple[Side, Side]]) -> str:
    """What must be known to read the numbers: training scores are taken with dropout at work."""
    if not claim.metric.startswith("train_"):
        return ""
    drops = [{_drops_out(side.specs[0].condition) for side in sides} for sides in zip(*pairs, strict=True)]
    if drops[0] == drops[1]:
        return ""
    return "Training scores are taken with dropout at work, on one side alone: part of the effect is that."


def _drops_out(condition: dict[str, Any]) -> bool:
    level = condition.get("dropout")
    return "dropout" in str(condition.get("regularizer") or "") or (isinstance(level, int | float) and level > 0)


def _judge_family(family: list[Judged]) -> None:
    tests = [each.test for each in family if each.test]
    p_values = [find_decision_p_value(test, each.region) for test, each in zip(tests, family, strict=True)]
    rates = find_error_rates(p_values)
    for each, test, p, p_holm, rate in zip(family, tests, p_values, adjust_by_holm(p_values), rates, strict=True):
        low, high = test.build_interval(1 - rate)
        each.row |= {"p_value": p, "p_holm": float(p_holm), "adjusted_level": 1 - rate}
        each.row |= {"adjusted_low": low, "adjusted_high": high}
        each.row["verdict"] = find_verdict(each, (low, high))
        each.row["verdict_unadjusted"] = find_verdict(each, test.interval)
        if each.row["verdict"] != UNDECIDED:
            each.row["reason"] = explain_verdict(each.row["verdict"], (low, high), rate, each.region, each.margin)


def _judge_by_looks(judged: Judged, path: ClaimPath) -> None:
    """Replace the verdict by that of the looks; without a look there is none."""
    judged.row |= {"verdict": UNDECIDED, "p_holm": None}
    if not path.looks:
        judged.contrast = None
        judged.row |= dict.fromkeys(("adjusted_low", "adjusted_high", "adjusted_level"))
        judged.row["reason"] = judged.row["reason"] or "it has not been looked at yet."
        return
    look = path.looks[-1]
    judged.row |= {"verdict": path.verdict, "look": look.number, "p_spent": look.p_spent}
    judged.row |= {"adjusted_low": look.low, "adjusted_high": look.high, "adjusted_level": 1 - look.nominal_p}
    if path.verdict != UNDECIDED:
        interval = look.low, look.high
        words = explain_verdict(path.verdict, interval, look.nominal_p, judged.region, judged.margin)
        judged.row["reason"] = f"at look {look.number}, after {spell_replicates(look.replicates)}, {words}"


def find_verdict(judged: Judged, interval: Region) -> str:
    """Supported, refuted, negligible, or undecided."""
    low, high = interval
    if judged.region[0] < low and high < judged.region[1]:
        return "supported"
    if not (high < judged.region[0] or low > judged.region[1]):
        return UNDECIDED
    is_small = judged.claim.expect in ("higher", "lower") and -judged.margin < low and high < judged.margin
    return "negligible" if is_small else "refuted"


def _look_ahead(judged: Judged) -> None:
    """Of a claim that is undecided: the power to decide it, and the replicates that would."""
    if judged.row["verdict"] != UNDECIDED or judged.contrast is None:
        return
    if judged.contrast.test is None:
        judged.row["needed_replicates"] = judged.fewest if judged.row["n_replicates"] < judged.fewest else None
        return
    level = judged.row["adjusted_level"] or LEVEL
    is_enough = judged.contrast.status == "tested"
    power = find_power(
        judged.contrast.test, judged.contrast.effect, judged.region, judged.fewest, level, is_enough=is_enough
    )
    judged.row |= {"power": power.power, "most_replicates": MOST_REPLICATES}
    judged.row["needed_replicates"], judged.row["needed_replicates_90"] = power.replicates
    judged.row["reason"] = f"{judged.contrast.reason or _explain_undecided(judged)} {spell_outlook(power)}"


def _look_ahead_by_looks(judged: Judged, path: ClaimPath, looks: Looks) -> None:
    """The same by what decides it there: the chance that looks to come decide it, given what has been seen."""
    if judged.row["verdict"] != UNDECIDED or not path.looks or judged.test is None:
        return
    chance, needed = find_needed_looks(looks, path, judged.test, judged.region)
    judged.row["reason"] = _explain_undecided(judged)
    if chance is None:
        return
    judged.row |= {"power": chance, "most_replicates": looks.most}
    judged.row["needed_replicates"], judged.row["needed_replicates_90"] = needed
    if path.is_open:
        judged.row["reason"] += (
            f" By what has been seen, the chance that the last look, after {spell_replicates(looks.most)}, decides it "
            f"is {100 * chance:.2g}%."
        )


def _explain_undecided(judged: Judged) -> str:
    bounds = f"{spell_level(judged.row['adjusted_level'])} interval"
    ends = spell_ends(judged.row["adjusted_low"], judged.row["adjusted_high"])
    return f"the {bounds} {ends} reaches across the edge of the effects claimed, {spell_region(judged.region)}."
