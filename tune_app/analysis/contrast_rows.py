"""Conditions compared with their baseline, in a table: every metric, one family of p-values each."""

from typing import Any

import pandas as pd

from tune_app.analysis.comparable import find_version_note
from tune_app.analysis.contrasts import Contrast, build_contrast
from tune_app.analysis.crossed import CrossedTTest
from tune_app.analysis.metrics import choose_rope
from tune_app.analysis.robust import (
    Estimate,
    estimate_hodges_lehmann,
    estimate_shift,
    estimate_superiority,
    run_sign_flip_test,
)
from tune_app.analysis.sides import Side, find_contrasts
from tune_app.analysis.t_tests import TTest, fill_in_holm
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import Metric
from tune_app.study.metrics import list_summarised

ROBUST_FROM = 3  # replicates on either side
ROBUST = (
    "p_sign_flip",
    "median_effect",
    "median_low",
    "median_high",
    "p_superior",
    "p_superior_low",
    "p_superior_high",
)
FAMILIES = ("one factor", "several factors")  # that a contrast changes: Holm's families within a metric
SHARES = ("share_seeds", "share_images", "share_interaction")
NUMBERS = (
    "method",
    "estimand",
    "n_pairs",
    "n_replicates",
    "n_replicates_baseline",
    "mean",
    "baseline_mean",
    "effect",
    "ci95_low",
    "ci95_high",
    "t",
    "df",
    "p_value",
    "p_holm",
    "p_worse",
    "p_equivalent",
    "p_better",
    "rope",
    "smallest_detectable",
    *SHARES,
    *ROBUST,
    "status",
    "reason",
    "note",
)


def build_contrasts(results: Results) -> pd.DataFrame:
    """One row per (metric, condition against its baseline); the columns are in docs/results.md.

    Of a metric, contrasts that change one factor come first and are a family of Holm's, those that change more another.
    """
    rows = []
    for metric in list_summarised(results.study.metrics.named):
        found = [_build_row(Side(results, a), Side(results, b), metric) for a, b in find_contrasts(results.study)]
        for family in FAMILIES:
            members = [row for row in found if row["family"] == family]
            fill_in_holm(members)
            rows += members
    columns = [
        *("metric", "unit", "better", "row", "baseline_row", "differs", "n_factors", "family"),
        *results.study.factors,
        *NUMBERS,
    ]
    return pd.DataFrame(rows, columns=columns).astype({"n_pairs": "Int64"})


def _build_row(first: Side, second: Side, metric: Metric) -> dict[str, Any]:
    levels, others = first.specs[0].condition, second.specs[0].condition
    own = first.results.study.find_bundled(first.specs[0], second.specs[0])
    differing = [
        f"{name}: {others[name]} → {level}"
        for name, level in levels.items()
        if level != others[name] and name not in own
    ]
    facts = first.results.study.describe_metric(metric)
    return {
        "metric": metric,
        "unit": facts.unit,
        "better": facts.better,
        "row": first.label,
        "baseline_row": second.label,
        "differs": ", ".join(differing),
        "n_factors": len(differing),
        "family": FAMILIES[len(differing) > 1],
        **levels,
        **build_contrast_numbers(first, second, metric),
    }


def build_contrast_numbers(first: Side, second: Side, metric: Metric) -> dict[str, Any]:
    """The columns of contrasts.csv from `method` on; what does not exist is None."""
    numbers: dict[str, Any] = dict.fromkeys(NUMBERS) | {"method": "", "estimand": "", "note": ""}
    numbers |= {"n_replicates": len(first.specs), "n_replicates_baseline": len(second.specs)}
    rope = choose_rope(first.results.study, metric)
    try:
        contrast = build_contrast([(first, second)], metric)
    except RefusedError as refusal:
        return numbers | {"rope": rope, "status": "refused", "reason": str(refusal)}
    numbers |= {"method": contrast.method, "estimand": contrast.estimand or "", "n_pairs": contrast.n_pairs}
    numbers |= {"effect": contrast.effect, "rope": rope}
    numbers["mean"], numbers["baseline_mean"] = contrast.means
    better = first.results.study.describe_metric(metric).better
    if contrast.test:
        numbers |= _describe_test(contrast.test, rope, better, is_tested=contrast.status == "tested")
    if contrast.sides and min(map(len, contrast.sides)) >= ROBUST_FROM:
        numbers |= build_robust(contrast, better)
    note = find_version_note([(first, second)])
    return numbers | {"status": contrast.status, "reason": contrast.reason, "note": note}


def _describe_test(test: TTest, rope: float, better: str, *, is_tested: bool) -> dict[str, Any]:
    numbers: dict[str, Any] = {"smallest_detectable": test.smallest_detectable, "df": test.df}
    numbers["ci95_low"], numbers["ci95_high"] = test.interval
    if isinstance(test, CrossedTTest):
        numbers |= dict(zip(SHARES, test.shares, strict=True))
    if is_tested:
        numbers |= {"t": test.t, "p_value": test.p_value}
        below, equivalent, above = test.build_posterior(rope)
        worse, best = (below, above) if better == "higher" else (above, below)
        numbers |= {"p_worse": worse, "p_equivalent": equivalent, "p_better": best}
    return numbers


def build_robust(contrast: Contrast, better: str) -> dict[str, Any]:
    """Companions that assume less: a randomisation test, a median, the probability that the condition is the better.

    They count fits on one test set, or replicates of held-out folds, and speak of these images.
    """
    first, second = (sample.ravel() if contrast.counts_fits else sample.mean(axis=1) for sample in contrast.sides)
    if min(len(first), len(second)) < ROBUST_FROM:
        return {}
    if contrast.n_pairs:
        p_value: float | None = run_sign_flip_test(first - second)
        median = estimate_hodges_lehmann(first - second)
    else:
        p_value, median = None, estimate_shift(first, second)
    superior = estimate_superiority(first, second)
    if better == "lower":
        superior = Estimate(1 - superior.value, 1 - superior.high, 1 - superior.low)
    return dict(zip(ROBUST, (p_value, *median, *superior), strict=True))
