"""Conditions compared with their baseline: paired where the splits are the same, else over replicates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tune_app.analysis.labels import build_row_label
from tune_app.analysis.metrics import Scores, build_scores, choose_rope, find_mixed_code, find_overlap
from tune_app.analysis.t_tests import TTest, adjust_by_holm, build_corrected_t_test, build_welch_t_test
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import Metric, Study, TrialSpec, Window, has_levels
from tune_app.study.metrics import list_summarised
from tune_app.study.protocol import find_redefining

MIN_PAIRS = 8  # folds, whose scores are correlated
MIN_REPLICATES = 3  # independent observations on either side
PAIRED = "corrected resampled t-test, paired on (replicate, fold)"
PAIRED_REPLICATES = "paired t-test over replicates"
UNPAIRED = "Welch t-test over replicate means"
NUMBERS = (
    "method",
    "n_pairs",
    "n_replicates",
    "n_replicates_baseline",
    "mean",
    "baseline_mean",
    "effect",
    "ci95_low",
    "ci95_high",
    "t",
    "p_value",
    "p_holm",
    "p_worse",
    "p_equivalent",
    "p_better",
    "rope",
    "smallest_detectable",
    "status",
    "reason",
)
Condition = tuple[TrialSpec, ...]  # its replicates


@dataclass(frozen=True)
class Side:
    """What stands on one side of a contrast: a condition of a study, and the epochs looked at."""

    results: Results
    specs: Condition
    window: Window | None = None

    @property
    def label(self) -> str:
        return build_row_label(self.specs[0], self.results.study)


@dataclass(frozen=True)
class Contrast:
    """The difference between two sides. Without a `test`, or with one too small for a p-value, `reason` says why.

    `independent`: the pairs are whole replicates, as where a defect joins the folds on both sides, and not folds.
    """

    means: tuple[float, float]
    effect: float
    test: TTest | None = None
    method: str = ""
    n_pairs: int | None = None
    reason: str = ""
    independent: bool = False

    @property
    def status(self) -> str:
        if self.test is None:
            return "refused"
        return "interval only" if self.reason else "tested"


def find_contrasts(study: Study) -> list[tuple[Condition, Condition]]:
    """Every condition but the baseline, with the condition that it is compared with.

    That is the one with the baseline's levels and otherwise most of its own, `folds` and `train_images` before all:
    equal splits can be paired. The baseline with another K is compared with the baseline's own K.
    """
    conditions = study.conditions()
    named = study.baseline.model_dump(exclude_none=True)
    folds = named.pop("folds", None)
    if not named:
        varying = [factor for factor in study.varying_factors() if factor not in ("folds", "data")]
        named = {factor: conditions[0][0].condition[factor] for factor in varying}
    references = [specs for specs in conditions if has_levels(specs[0].condition, named)]
    folds = folds or references[0][0].folds
    found = []
    for specs in conditions:
        pool = references
        alike = [reference for reference in references if reference[0].dataset == specs[0].dataset]
        if alike:  # a contrast is within a data set
            pool = alike
        if specs in references:
            pool = [reference for reference in pool if reference[0].folds == folds] or pool
        nearest = max(pool, key=lambda reference: _nearness(specs[0], reference[0]))
        if nearest != specs:
            found.append((specs, nearest))
    return found


def _nearness(spec: TrialSpec, other: TrialSpec) -> tuple[bool, bool, int]:
    equal = sum(other.condition[factor] == level for factor, level in spec.condition.items())
    return spec.folds == other.folds, spec.train_images == other.train_images, equal


def build_contrast(pairs: Sequence[tuple[Side, Side]], metric: Metric) -> Contrast:
    """First minus second, averaged over pairs of conditions; the first sides have one K, and so have the second.

    Raises RefusedError where the scores themselves are refused, or where the two sides' numbers are not comparable.
    """
    _check_comparable(pairs, metric)
    first, second = (
        [build_scores(pair[side].results, pair[side].specs, metric, pair[side].window) for pair in pairs]
        for side in (0, 1)
    )
    means = float(np.mean([scores.mean() for scores in first])), float(np.mean([scores.mean() for scores in second]))
    if all(share_splits(a.specs[0], b.specs[0]) for a, b in pairs):
        overlap = find_overlap(pairs[0][0].results, pairs[0][0].specs)
        return _contrast_paired(first, second, means, overlap)
    return _contrast_unpaired(first, second, means)


def _check_comparable(pairs: Sequence[tuple[Side, Side]], metric: Metric) -> None:
    for pair in pairs:
        names = [side.specs[0].dataset for side in pair]
        if names[0] != names[1]:
            raise RefusedError(f"{names[0]} and {names[1]} are different data sets: their difference is no effect.")
        counts = sorted({len(side.specs) for side in pair})
        if len(counts) > 1 and share_splits(pair[0].specs[0], pair[1].specs[0]):
            raise RefusedError(
                f"{pair[0].label} has {len(pair[0].specs)} and {pair[1].label} {len(pair[1].specs)} replicates, so not "
                "every fold has its counterpart; give both the same number of replicates."
            )
        if metric.startswith("test_") and len({side.specs[0].test_images for side in pair}) > 1:
            raise RefusedError("the two sides are tested on different numbers of images; give both the same.")
        redefined = [find_redefining(side.specs[0].protocol, metric) for side in pair]
        if redefined[0] != redefined[1]:
            defects = ", ".join(sorted(redefined[0] ^ redefined[1]))
            raise RefusedError(f"{defects} makes {metric} another quantity on one side: their difference is no effect.")
    for results in {id(pair[0].results): pair[0].results for pair in pairs}.values():
        sides = [side for pair in pairs for side in pair if side.results is results]
        if changed := find_mixed_code(results, [spec for side in sides for spec in side.specs]):
            raise RefusedError(
                f"{changed} changed between the fits compared: their difference may be the change's; run them again "
                "with --rerun-changed, or state with --same-code that it makes no difference."
            )
    if metric == "fit_seconds":
        places = {
            f"{record.device} of {record.host} ({record.engine or 'eager'})"
            for pair in pairs
            for side in pair
            for spec in side.specs
            for fold in range(spec.folds)
            if (record := side.results.records.folds.get((spec.id, fold)))
        }
        if len(places) > 1:
            raise RefusedError(f"the times were taken on different devices or engines: {', '.join(sorted(places))}.")


def share_splits(first: TrialSpec, second: TrialSpec) -> bool:
    """Whether fold f of replicate r trains, validates and tests on the same images in both trials."""
    names = ("dataset", "train_images", "test_images", "splitter", "seed", "folds", "has_dependent_folds")
    return all(getattr(first, name) == getattr(second, name) for name in names)


def _contrast_paired(
    first: list[Scores], second: list[Scores], means: tuple[float, float], overlap: float | None
) -> Contrast:
    if len({scores.shape for scores in first}) > 1:
        raise RefusedError("its pairs of conditions have different numbers of replicates; give all the same number.")
    return contrast_differences(np.mean([a - b for a, b in zip(first, second, strict=True)], axis=0), means, overlap)


def contrast_differences(pairs: Scores, means: tuple[float, float], overlap: float | None = None) -> Contrast:
    """The paired contrast whose differences (replicate, fold) are given; `overlap` as in `CorrectedTTest`."""
    differences, folds = pairs.ravel(), pairs.shape[1]
    effect = float(differences.mean())
    independent = folds == 1
    if len(differences) == 1:
        reason = "a single pair has no spread to compare its difference with; run more replicates."
        return Contrast(means, effect, n_pairs=1, reason=reason)
    if np.ptp(differences) < 1e-12:
        return Contrast(
            means,
            effect,
            n_pairs=len(differences),
            independent=independent,
            reason=f"in all {len(differences)} pairs the difference is {effect:.6g}: without a spread there is no "
            "error to compare it with.",
        )
    test = build_corrected_t_test(differences, folds, overlap)
    least, asked = MIN_PAIRS, f"{MIN_PAIRS}: {find_fewest_replicates(folds)} replicates of {folds} folds"
    if independent:
        least, asked = MIN_REPLICATES, f"{MIN_REPLICATES} replicates"
    reason = _spell_too_few(f"{len(differences)} pairs", asked, test) if len(differences) < least else ""
    method = PAIRED_REPLICATES if independent else PAIRED
    return Contrast(means, effect, test, method, len(differences), reason, independent)


def find_fewest_replicates(folds: int | None) -> int:
    """The replicates from which on there is a p-value: of paired folds, or (None, or 1) of independent observations."""
    return -(-MIN_PAIRS // folds) if folds and folds > 1 else MIN_REPLICATES


# A clause of a reason; tables that have the number in a column leave it out.
DETECTABLE = "to be found four times in five, a true difference would have to be"


def _spell_too_few(count: str, asked: str, test: TTest) -> str:
    return f"{count} are too few for a p-value (at least {asked}); {DETECTABLE} {test.smallest_detectable:.2g}."


def _contrast_unpaired(first: list[Scores], second: list[Scores], means: tuple[float, float]) -> Contrast:
    effect = means[0] - means[1]
    counts = [len(scores) for scores in (*first, *second)]
    if min(counts) < 2:
        return Contrast(
            means,
            effect,
            reason="the splits of the two sides differ, so their folds cannot be paired; over replicates, unpaired, "
            f"each side needs {MIN_REPLICATES} or more, and one side has 1.",
        )
    if len(set(counts[: len(first)])) > 1 or len(set(counts[len(first) :])) > 1:
        raise RefusedError("its pairs of conditions have different numbers of replicates; give all the same number.")
    ours, theirs = (np.mean([scores.mean(axis=1) for scores in side], axis=0) for side in (first, second))
    if np.ptp(ours) < 1e-12 and np.ptp(theirs) < 1e-12:
        return Contrast(means, effect, reason="on each side the replicates are equal: there is no spread.")
    test = build_welch_t_test(ours, theirs)
    few = f"{min(counts)} replicates"
    reason = _spell_too_few(few, f"{MIN_REPLICATES} on each side", test) if min(counts) < MIN_REPLICATES else ""
    return Contrast(means, effect, test, UNPAIRED, reason=reason)


def build_contrasts(results: Results) -> pd.DataFrame:
    """One row per (metric, condition against its baseline); the columns are in docs/results.md.

    Holm's family is the contrasts of one metric.
    """
    rows = []
    for metric in list_summarised(results.study.metrics.named):
        family = [_contrast_row(Side(results, a), Side(results, b), metric) for a, b in find_contrasts(results.study)]
        tested = [row for row in family if row["p_value"] is not None]
        for row, p_holm in zip(tested, adjust_by_holm([row["p_value"] for row in tested]), strict=True):
            row["p_holm"] = float(p_holm)
        rows += family
    columns = ["metric", "unit", "better", "row", "baseline_row", "differs", *results.study.factors, *NUMBERS]
    return pd.DataFrame(rows, columns=columns).astype({"n_pairs": "Int64"})


def _contrast_row(first: Side, second: Side, metric: Metric) -> dict[str, Any]:
    levels, others = first.specs[0].condition, second.specs[0].condition
    differing = [f"{name}: {others[name]} → {level}" for name, level in levels.items() if level != others[name]]
    return {
        "metric": metric,
        "unit": first.results.study.describe_metric(metric).unit,
        "better": first.results.study.describe_metric(metric).better,
        "row": first.label,
        "baseline_row": second.label,
        "differs": ", ".join(differing),
        **levels,
        **build_contrast_numbers(first, second, metric),
    }


def build_contrast_numbers(first: Side, second: Side, metric: Metric) -> dict[str, Any]:
    """The columns of contrasts.csv from `method` on; what does not exist is None."""
    numbers: dict[str, Any] = dict.fromkeys(NUMBERS) | {"method": ""}
    numbers |= {"n_replicates": len(first.specs), "n_replicates_baseline": len(second.specs)}
    rope = choose_rope(first.results.study, metric)
    try:
        contrast = build_contrast([(first, second)], metric)
    except RefusedError as refusal:
        return numbers | {"rope": rope, "status": "refused", "reason": str(refusal)}
    numbers |= {"method": contrast.method, "n_pairs": contrast.n_pairs, "effect": contrast.effect, "rope": rope}
    numbers["mean"], numbers["baseline_mean"] = contrast.means
    if contrast.test:
        numbers["ci95_low"], numbers["ci95_high"] = contrast.test.interval
        numbers["smallest_detectable"] = contrast.test.smallest_detectable
    if contrast.test and contrast.status == "tested":
        numbers |= {"t": contrast.test.t, "p_value": contrast.test.p_value}
    if contrast.test and contrast.status == "tested" and contrast.n_pairs:
        below, equivalent, above = contrast.test.build_posterior(rope)
        worse, better = (
            (below, above) if first.results.study.describe_metric(metric).better == "higher" else (above, below)
        )
        numbers |= {"p_worse": worse, "p_equivalent": equivalent, "p_better": better}
    return numbers | {"status": contrast.status, "reason": contrast.reason}
