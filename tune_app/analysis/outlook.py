"""What each claim and each contrast needs to be decided: before a run, in the middle of it and after.

There is one source: `power.find_power`, by the test that the claim is judged by. The spread comes from this study's
records if there are enough, else from a pilot study's, else from what its user assumes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tune_app.analysis.claims import Judged, assess, judge
from tune_app.analysis.comparable import find_fewest_of, share_splits
from tune_app.analysis.contrasts import build_contrast
from tune_app.analysis.estimands import find_source
from tune_app.analysis.looks import UNDECIDED
from tune_app.analysis.power import MOST_REPLICATES, find_power
from tune_app.analysis.sides import Condition, Side, find_contrasts
from tune_app.analysis.t_tests import LEVEL, CorrectedTTest, TTest, WelchTTest
from tune_app.errors import RefusedError, StudyError
from tune_app.records.results import Results
from tune_app.study import Claim, Metric, Study

COLUMNS = (
    "kind",
    "name",
    "metric",
    "unit",
    "verdict",
    "effect",
    "effect_from",
    "spread",
    "spread_from",
    "replicates",
    "fewest",
    "power",
    "needed_80",
    "needed_90",
    "most_replicates",
    "hours_80",
    "reason",
)
COUNTS = ("replicates", "fewest", "needed_80", "needed_90", "most_replicates")
TWICE = 2.0  # margins: the effect that is asked for where none is known, so that it is one margin beyond the edge


@dataclass(frozen=True)
class Knowledge:
    """What is known beside the study's own records.

    `pilot`: results of another study, named `pilot_name`. `assumed_sd`: the standard deviation of a fit's score about
    its condition's mean, or of the difference of two paired fits. `seconds`: predicted core seconds by trial id.
    """

    pilot: Results | None = None
    pilot_name: str = ""
    assumed_sd: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


NOTHING = Knowledge()


def build_outlook(results: Results, knowledge: Knowledge = NOTHING) -> pd.DataFrame:
    """One row per claim, then one per contrast of the primary metric with the baseline; the columns are in results.md.

    `results` may lack records. `power` is the assurance of the study's replicates: the chance of a verdict, averaged
    over what the spread may be. `spread` is the standard error that the design gives. `needed_80` and `needed_90` are
    the replicates for an assurance of 80% and 90%, of at most `most_replicates`, and `hours_80` the core hours of those
    of `needed_80` that are missing. Of claims that were looked at they are the chance that the last look decides them,
    given what has been seen, and the looks with such a chance.
    """
    rows = [_look_at_claim(results, judged, knowledge) for judged in judge(results)]
    rows += [_look_at_contrast(results, pair, knowledge) for pair in find_contrasts(results.study)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COUNTS, "Int64"))


def build_final_outlook(results: Results) -> pd.DataFrame:
    """The outlook with what the results hold: their own records, and the plan's predictions."""
    return build_outlook(results, Knowledge(seconds=read_seconds(results.plan)))


def read_seconds(plan: pd.DataFrame | None) -> dict[str, float]:
    """Predicted core seconds by trial id, from a frame with a row per trial."""
    if plan is None:
        return {}
    seconds = plan["predicted_fit_seconds"] * plan["fits"]
    return dict(zip(plan["trial"], seconds.astype(float), strict=True))


def _look_at_claim(results: Results, judged: Judged, knowledge: Knowledge) -> dict[str, Any]:
    study, claim = results.study, judged.claim
    first, second = study.claim_pairs(claim)[0]
    row = _begin(study, "claim", claim.sentence, claim.metric, (first, second), judged.fewest)
    row["verdict"] = judged.row["verdict"]
    if judged.row["verdict"] != UNDECIDED:
        return row | {"effect": judged.row["effect"], "effect_from": "this study"}
    test = judged.contrast.test if judged.contrast else None
    if judged.contrast and test:
        known = {"power": judged.row["power"], "effect": judged.contrast.effect, "effect_from": "this study"}
        known["most_replicates"] = judged.row["most_replicates"]
        needed = judged.row["needed_replicates"], judged.row["needed_replicates_90"]
        return _finish(row | known | _describe_spread(test, "this study"), needed, (first, second), knowledge)
    members = [each for each in study.claims if study.find_family(each) == judged.row["family"]]
    level = 1 - (1 - LEVEL) / len(members)  # of Holm's first step
    found = _find_pilot_test(claim, knowledge)
    effect, source = (found.effect, knowledge.pilot_name) if found else _ask_effect(judged)
    test = found or _assume_test(study, (first, second), claim.metric, knowledge.assumed_sd)
    if test is None:
        return row | {"effect": effect, "effect_from": source, "reason": NO_SPREAD}
    if math.isnan(effect):
        return row | {"reason": "no effect is asked for; add by: …, the least effect that the words ask for."}
    spread_df, have = (None if found else math.inf), min(len(first), len(second))
    test, is_enough = test.with_replicates(max(have, judged.fewest)), have >= judged.fewest
    power = find_power(test, effect, judged.region, judged.fewest, level, spread_df, is_enough=is_enough)
    row |= {"effect": effect, "effect_from": source, "power": power.power, "most_replicates": MOST_REPLICATES}
    row |= _describe_spread(test, knowledge.pilot_name if found else "assumed")
    return _finish(row, power.replicates, (first, second), knowledge)


NO_SPREAD = "its spread is not known: run a replicate, name a pilot study with --pilot, or assume one with --assume-sd."


def _look_at_contrast(results: Results, pair: tuple[Condition, Condition], knowledge: Knowledge) -> dict[str, Any]:
    """The effect asked for is the region of practical equivalence, the least difference that matters."""
    study, metric = results.study, results.study.primary
    sides = [Side(results, specs) for specs in pair]
    fewest = find_fewest_of(study, pair, metric)
    row = _begin(study, "contrast", f"{sides[0].label} − {sides[1].label}", metric, pair, fewest)
    rope = study.find_rope(metric)
    if not rope:
        return row | {"reason": f"no least effect is named; add rope: {{{metric.removeprefix('test_')}: …}}."}
    row |= {"effect": rope, "effect_from": "rope"}
    test: TTest | None = None
    try:
        test = build_contrast([(sides[0], sides[1])], metric).test
    except RefusedError as refusal:
        row["reason"] = str(refusal) if results.records.folds else ""
    known = test is not None
    test = test or _assume_test(study, pair, metric, knowledge.assumed_sd)
    if test is None:
        return row | {"reason": row["reason"] or NO_SPREAD}
    have = min(map(len, pair))
    test, spread_df = test.with_replicates(max(have, fewest)), None if known else math.inf
    power = find_power(test, rope, (0.0, math.inf), fewest, LEVEL, spread_df, is_enough=have >= fewest)
    row |= {"power": power.power, "most_replicates": MOST_REPLICATES, "reason": ""} | _describe_spread(
        test, "this study" if known else "assumed"
    )
    return _finish(row, power.replicates, pair, knowledge)


def _begin(
    study: Study, kind: str, name: str, metric: Metric, pair: tuple[Condition, Condition], fewest: int
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"kind": kind, "name": name, "metric": metric, "reason": ""}
    row |= {"unit": study.describe_metric(metric).unit, "verdict": "", "effect_from": "", "spread_from": ""}
    return row | {"replicates": min(map(len, pair)), "fewest": fewest}


def _finish(
    row: dict[str, Any], needed: tuple[int | None, ...], pair: tuple[Condition, Condition], knowledge: Knowledge
) -> dict[str, Any]:
    row["needed_80"], row["needed_90"] = needed
    seconds = [knowledge.seconds.get(specs[0].id) for specs in pair]
    if needed[0] is not None and None not in seconds:
        missing = [max(0, needed[0] - len(specs)) for specs in pair]
        row["hours_80"] = sum(n * (each or 0) for n, each in zip(missing, seconds, strict=True)) / 3600
    return row


def _describe_spread(test: TTest, source: str) -> dict[str, Any]:
    return {"spread": test.standard_error, "spread_from": source}


def _ask_effect(judged: Judged) -> tuple[float, str]:
    """The effect that is asked for where none has been seen: one margin beyond the edge, or in the middle."""
    low, high = judged.region
    if math.isinf(high):
        return (TWICE * low, "twice the margin") if low else (math.nan, "")
    if math.isinf(low):
        return (TWICE * high, "twice the margin") if high else (math.nan, "")
    return (low + high) / 2, "the middle"


def _find_pilot_test(claim: Claim, knowledge: Knowledge) -> TTest | None:
    """The claim's test on the pilot's records, if it has the conditions."""
    if knowledge.pilot is None:
        return None
    try:
        contrast = assess(knowledge.pilot, claim).contrast
    except (StudyError, LookupError):
        return None
    return contrast.test if contrast else None


def _assume_test(study: Study, pair: tuple[Condition, Condition], metric: Metric, spread: float | None) -> TTest | None:
    """A test of the study's design with an assumed spread; None without one."""
    if spread is None:
        return None
    first, second = pair
    replicates, source = min(map(len, pair)), find_source(first[0], metric)
    folds = [1 if specs[0].has_dependent_folds else specs[0].folds for specs in pair]
    if not share_splits(first[0], second[0]):
        counts = tuple(replicates * count if source == "test" else replicates for count in folds)
        per_replicate = tuple(folds) if source == "test" else (1, 1)
        return WelchTTest(0.0, (spread**2, spread**2), counts, per_replicate)
    overlap = None if source == "held-out" and study.inference == "new-images" else 0.0
    return CorrectedTTest(0.0, spread, replicates * folds[0], folds[0], overlap)
