"""Errors of whole families: the effects of balanced factorials, and the claims of a study."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.null_learners import SHIFT, World
from benchmarks.null_rows import ERROR, Run, infer_or_refuse, keep_replicates, subtract
from tune_app.analysis.designs import INTERACTION, MAIN, Measured, build_design_effects
from tune_app.analysis.estimands import NEW_IMAGES, Estimand, Sample, Source
from tune_app.analysis.power import Region
from tune_app.analysis.verdicts import find_decision_p_value, find_error_rates

COMPONENTS = ("a", "b")
CONDITIONS = tuple(frozenset(present) for present in ((), ("a",), ("b",), ("a", "b")))
WIDTH = 0.04  # of the effects that an `equal` claim allows
GAP = 0.08  # from the edge of a claim to a true effect that is to be found
KINDS = ("higher", "lower", "equal")


def build_factorial_world(gain: float, noise: float) -> World:
    """Two components, each of which swaps a block of features for another whose shift is greater by `gain`."""
    shifts = (SHIFT - 0.1, SHIFT - 0.1 + gain) * len(COMPONENTS)
    learners = tuple((int("a" in present), 2 + int("b" in present)) for present in CONDITIONS)
    return World(shifts, learners, noise)


class FamilyRate(NamedTuple):
    """Over the data sets: coverage of a single effect, its power, and the share with a wrong one after Holm."""

    coverage: float
    found: float
    wrong: float
    data_sets: int


def measure_factorials(
    runs: Iterable[list[Run]], scored_on: Source, asked: Estimand, replicates: int
) -> dict[str, FamilyRate]:
    """By family. Scores less their condition's true one have effects of 0: what is found in them is wrong."""
    parts = []
    for (run,) in runs:
        samples = dict(zip(CONDITIONS, (keep_replicates(each, replicates) for each in run.samples), strict=True))
        truths = dict(zip(CONDITIONS, run.truths[asked].tolist(), strict=True))
        centred = {present: _shift(sample, -truths[present]) for present, sample in samples.items()}
        wrong, found = (_build_effects(each, scored_on, asked) for each in (centred, samples))
        is_wrong = wrong["p_value"] < ERROR  # False of an effect that is refused, for want of a spread
        columns = {"family": wrong["family"], "covered": ~is_wrong, "found": found["p_value"] < ERROR}
        columns["wrong"] = wrong["p_holm"] < ERROR
        grouped = pd.DataFrame(columns).groupby("family", sort=False)
        parts.append(grouped.agg({"covered": "mean", "found": "mean", "wrong": "any"}))
    rates = pd.concat(parts).groupby(level="family", sort=False).mean()
    found_rates = {}
    for family in (MAIN, INTERACTION):
        coverage, power, mistaken = (float(rates[column][family]) for column in ("covered", "found", "wrong"))
        found_rates[family] = FamilyRate(coverage, power, mistaken, len(parts))
    return found_rates


def _shift(sample: Sample, by: float) -> Sample:
    return Sample(sample.scores + by, None if sample.cells is None else sample.cells + by)


def _build_effects(samples: dict[frozenset[str], Sample], scored_on: Source, asked: Estimand) -> pd.DataFrame:
    cells = {present: sample.cells for present, sample in samples.items() if sample.cells is not None}
    scores = {present: sample.scores for present, sample in samples.items()}
    measured = Measured(scored_on, asked == NEW_IMAGES, cells)
    return build_design_effects(scores, COMPONENTS, "factorial", measured=measured)


class ClaimRate(NamedTuple):
    """Shares of the data sets with one wrong verdict or more, with Holm and without; of the true claims, supported."""

    wrong: float
    wrong_unadjusted: float
    supported: float
    data_sets: int


def measure_claims(
    runs: Iterable[list[Run]], scored_on: Source, asked: Estimand, replicates: int, n_true: int
) -> ClaimRate:
    """Each learner but the first against the first. The first `n_true` claims are true by a gap.

    The true effect of each other claim lies on an edge of the effects that it allows, so that any verdict is wrong.
    """
    outcomes = []
    for (run,) in runs:
        baseline, *others = [keep_replicates(each, replicates) for each in run.samples]
        p_values, effects = [], []
        regions = [
            build_region(run.truths[asked][i] - run.truths[asked][0], i <= n_true, KINDS[i % len(KINDS)])
            for i in range(1, len(run.samples))
        ]
        for other, region in zip(others, regions, strict=True):
            test = infer_or_refuse([subtract(other, baseline)], scored_on, asked).test
            p_values.append(find_decision_p_value(test, region) if test else 1.0)
            effects.append(test.effect if test else 0.0)
        inside = np.array([low < e < high for e, (low, high) in zip(effects, regions, strict=True)])
        is_true = np.arange(len(others)) < n_true
        decided, unadjusted = np.array(p_values) < find_error_rates(p_values), np.array(p_values) < ERROR
        bad, good = ~is_true | ~inside, is_true & inside
        supported = float((decided & good).sum() / n_true) if n_true else np.nan
        outcomes.append(((decided & bad).any(), (unadjusted & bad).any(), supported))
    wrong, wrong_unadjusted, supported = map(float, np.mean(outcomes, axis=0))
    return ClaimRate(wrong, wrong_unadjusted, supported, len(outcomes))


def build_region(effect: float, is_true: bool, kind: str) -> Region:
    """The effects that a claim allows, for an effect that is on their edge, or within by a gap."""
    if is_true:
        return effect - GAP, np.inf
    return {"higher": (effect, np.inf), "lower": (-np.inf, effect), "equal": (effect - WIDTH, effect)}[kind]
