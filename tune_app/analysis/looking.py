"""Looks taken at a study's results: the claims that are still open, tested with what there is."""

import math
from collections import Counter
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd

from tune_app.analysis.claims import assess, find_fewest, find_verdict
from tune_app.analysis.looks import ClaimPath, Looks, Observed, choose_margin, find_looks, fingerprint_claims
from tune_app.analysis.verdicts import build_region
from tune_app.records.results import Results
from tune_app.study import Claim, Study

MOST = 30  # replicates of the last look, unless a user says otherwise


def begin_looks(study: Study, most: int = MOST) -> Looks:
    """No look yet, at the claims of the study."""
    seen: Counter[str] = Counter()
    paths = []
    for claim in study.claims:
        seen[claim.sentence] += 1
        number = f" ({seen[claim.sentence]})" if seen[claim.sentence] > 1 else ""
        paths.append(ClaimPath(claim.sentence + number, study.find_family(claim)))
    first = min((count_replicates(study, claim) for claim in study.claims), default=1)
    return Looks(fingerprint_claims(study), first, most, tuple(paths))


def count_replicates(study: Study, claim: Claim) -> int:
    """The replicates that every condition of the claim has in the study."""
    return min(len(side) for pair in study.claim_pairs(claim) for side in pair)


def take_looks(results: Results, looks: Looks) -> Looks:
    """The looks with one more at each open claim whose replicates have grown; every fit of the study is there.

    A claim that has its replicates and still no test is closed: more of them would not change what refuses it.
    """
    study, observed = results.study, {}
    for claim, path in zip(study.claims, looks.paths, strict=True):
        replicates = count_replicates(study, claim)
        if not path.is_open or replicates < find_fewest(study, claim):
            continue
        judged = assess(results, claim, replicates)
        if judged.test is None:
            looks = looks.refuse(path.sentence, judged.row["reason"])
        else:
            judge = partial(find_verdict, judged)
            observed[path.sentence] = Observed(judged.test, judged.region, replicates, judge)
    return looks.take(observed)


def build_looks(results: Results) -> pd.DataFrame:
    """One row per look at a claim; the columns are in docs/results.md. Empty for a study that was run as planned."""
    looks, _ = find_looks(results)
    rows: list[dict[str, Any]] = []
    if looks is None:
        return pd.DataFrame(rows)
    for claim, path in zip(results.study.claims, looks.paths, strict=True):
        region = build_region(claim, choose_margin(results.study, claim))
        ends = [end if math.isfinite(end) else None for end in region]
        about = {"sentence": claim.sentence, "family": path.family, "metric": claim.metric}
        about |= {"unit": results.study.describe_metric(claim.metric).unit}
        for look in path.looks:
            row = about | {"look": look.number} | {k: v for k, v in asdict(look).items() if k != "number"}
            row |= {"region_low": ends[0], "region_high": ends[1]}
            rows.append(row | {"state": path.state if look == path.looks[-1] else "open"})
    return pd.DataFrame(rows)
