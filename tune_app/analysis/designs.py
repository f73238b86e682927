"""What the components of an ablation design do: each effect a weighted sum of scores within a (replicate, fold)."""

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tune_app.analysis.contrasts import contrast_samples, describe_estimate
from tune_app.analysis.crossed import Cells
from tune_app.analysis.estimands import Sample, Source
from tune_app.analysis.metrics import Scores
from tune_app.analysis.t_tests import fill_in_holm
from tune_app.errors import RefusedError
from tune_app.study.designs import build_conditions, spell_present
from tune_app.study.fractions import build_column, group_aliases, spell_effect

LEAVE_OUT = "leave out"  # full − (full without the component)
ADD_IN = "add in"  # (base with the component) − base
OWED = "owed to the others"  # leave out − add in
MEAN_OF_BOTH = "mean of both"  # of leave out and add in
REMAINDER = "remainder"  # sum of the means of both − (full − base)
MAIN = "main effect"  # with − without, averaged over the conditions of the design
INTERACTION = "interaction"  # effect of the one with the other − its effect without the other
SHAPLEY = "shapley"  # with − without, averaged over the orders in which components can be added
TOTAL = "total"  # full − base
FAMILIES = (TOTAL, SHAPLEY, MAIN, INTERACTION, LEAVE_OUT, ADD_IN, OWED, MEAN_OF_BOTH, REMAINDER)
NUMBERS = ("estimate", "ci95_low", "ci95_high", "t", "p_value", "p_holm")
CELL_NUMBERS = ("component", "estimate", "ci95_low", "ci95_high", "p_holm", "aliased_with")
COLUMNS = ("family", "component", *NUMBERS, "n_pairs", "method", "estimand", "aliased_with", "reason")
Present = frozenset[str]
Weights = Mapping[Present, float]


@dataclass(frozen=True)
class Effect:
    """A sum of scores, weighted by condition; the weights sum to 0. `aliased_with` cannot be told apart from it."""

    family: str
    component: str
    weights: Weights
    aliased_with: str = ""


@dataclass(frozen=True)
class Measured:
    """Where scores were taken, and on one test set what each fit scores on each image, by the components present."""

    source: Source = "held-out"
    wants_new_images: bool = True
    cells: Mapping[Present, Cells] = field(default_factory=dict)


HELD_OUT = Measured()


def build_design_effects(
    scores: Mapping[Present, Scores],
    components: Collection[str],
    design: str | Sequence[str],
    resolution: int = 4,
    measured: Measured = HELD_OUT,
) -> pd.DataFrame:
    """One row per effect that the design can estimate, with its 95% interval, in the order of FAMILIES.

    `scores` (replicate, fold) by the components present, paired between conditions. Holm's family is a `family`. An
    effect without a number or without a p-value has a `reason`. StudyError as `build_conditions`.
    """
    rows = []
    for _, effects in itertools.groupby(find_effects(components, design, resolution), lambda effect: effect.family):
        family = [_build_row(effect, scores, components, measured) for effect in effects]
        fill_in_holm(family)
        rows += family
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(NUMBERS, float) | {"n_pairs": "Int64"})


def _build_row(
    effect: Effect, scores: Mapping[Present, Scores], components: Collection[str], measured: Measured
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"family": effect.family, "component": effect.component, "aliased_with": effect.aliased_with, "reason": ""}
    row |= {"method": "", "estimand": ""}
    try:
        sample = Sample(weigh_scores(effect.weights, scores, components), _weigh_cells(effect.weights, measured.cells))
        means = math.nan, math.nan
        contrast = contrast_samples([sample], means, measured.source, measured.wants_new_images)
    except RefusedError as refusal:
        return row | {"reason": str(refusal)}
    return row | describe_estimate(contrast)


def weigh_scores(weights: Weights, scores: Mapping[Present, Scores], components: Collection[str]) -> Scores:
    """The weighted sum (replicate, fold) of the conditions' scores.

    Raises RefusedError for a condition without scores, with one that is not finite, or with other replicates or folds.
    """
    used = {present: weight for present, weight in weights.items() if weight}
    for present in used:
        label = spell_present(present, components)
        if present not in scores:
            raise RefusedError(f"the condition {label} has no scores; run the study again to complete it.")
        if not np.isfinite(scores[present]).all():
            raise RefusedError(f"the condition {label} has scores that are undefined or not finite.")
    shapes = sorted({scores[present].shape for present in used})
    if len(shapes) > 1:
        spelt = " and ".join(f"{shape[0]} replicates of {shape[1]} folds" for shape in shapes)
        raise RefusedError(f"its conditions have {spelt}, so not every fold has its counterpart; give all the same.")
    total: Scores = np.sum([weight * scores[present] for present, weight in used.items()], axis=0)
    return total


def _weigh_cells(weights: Weights, cells: Mapping[Present, Cells]) -> Cells | None:
    used = {present: weight for present, weight in weights.items() if weight}
    if not used.keys() <= cells.keys():
        return None
    total: Cells = np.sum([weight * cells[present] for present, weight in used.items()], axis=0)
    return total


def find_effects(components: Collection[str], design: str | Sequence[str], resolution: int = 4) -> list[Effect]:
    """The effects that the design can estimate, in the order of FAMILIES; StudyError as `build_conditions`."""
    names, designs = tuple(components), (design,) if isinstance(design, str) else tuple(design)
    conditions = build_conditions(designs, names, resolution)
    full, base = frozenset(names), frozenset[str]()
    found: list[Effect] = []
    if full in conditions and base in conditions:
        found.append(Effect(TOTAL, "full − base", {full: 1.0, base: -1.0}))
    if "factorial" in designs:
        found += [Effect(SHAPLEY, name, build_shapley_weights(name, names)) for name in names]
    for whole in ("factorial", "fractional"):
        if whole in designs:
            found += _find_factorial(names, build_conditions(whole, names, resolution))
            break  # of a factorial and a fraction of it, the factorial alone
    found += _find_one_by_one(names, designs)
    return sorted(found, key=lambda effect: FAMILIES.index(effect.family))


def build_shapley_weights(name: str, components: Collection[str]) -> dict[Present, float]:
    """Weights of the exact Shapley value of a component over all 2^k conditions (Shapley 1953)."""
    others, weights = [other for other in components if other != name], {}
    for size in range(len(others) + 1):
        share = math.factorial(size) * math.factorial(len(others) - size) / math.factorial(len(others) + 1)
        for before in map(frozenset, itertools.combinations(others, size)):
            weights[before | {name}], weights[before] = share, -share
    return weights


def _find_factorial(names: Sequence[str], conditions: Sequence[Present]) -> Iterator[Effect]:
    """Main effects and interactions, of those that are aliased the first; the weights are those of least squares."""
    for effect, *aliases in group_aliases(names, conditions):
        scale = 2 ** len(effect) / len(conditions)
        weights = {
            present: scale * sign for present, sign in zip(conditions, build_column(effect, conditions), strict=True)
        }
        family = MAIN if len(effect) == 1 else INTERACTION
        yield Effect(family, spell_effect(effect), weights, ", ".join(map(spell_effect, aliases)))


def _find_one_by_one(names: Sequence[str], designs: Sequence[str]) -> Iterator[Effect]:
    full, base = frozenset(names), frozenset[str]()
    leave = {name: {full: 1.0, full - {name}: -1.0} for name in names} if "leave-one-out" in designs else {}
    starts = "add-one-in" in designs or "one-at-a-time" in designs
    add = {name: {frozenset({name}): 1.0, base: -1.0} for name in names} if starts else {}
    yield from (Effect(LEAVE_OUT, name, weights) for name, weights in leave.items())
    yield from (Effect(ADD_IN, name, weights) for name, weights in add.items())
    if not leave or not add or len(names) < 2:
        return
    for name in names:
        yield Effect(OWED, name, _combine([(1.0, leave[name]), (-1.0, add[name])]))
        yield Effect(MEAN_OF_BOTH, name, _combine([(0.5, leave[name]), (0.5, add[name])]))
    if len(names) > 2:  # of two components the means sum to the total whatever the scores
        halves = [(0.5, weights) for weights in (*leave.values(), *add.values())]
        yield Effect(REMAINDER, "sum − total", _combine([*halves, (-1.0, {full: 1.0, base: -1.0})]))


def _combine(parts: Sequence[tuple[float, Weights]]) -> dict[Present, float]:
    total: dict[Present, float] = {}
    for factor, weights in parts:
        for present, weight in weights.items():
            total[present] = total.get(present, 0.0) + factor * weight
    return total


def build_interaction_cells(
    scores: Mapping[Present, Scores],
    components: Collection[str],
    design: str | Sequence[str],
    resolution: int = 4,
    measured: Measured = HELD_OUT,
) -> pd.DataFrame:
    """Mean scores by the sides of two components: four rows per interaction that has a number.

    Arguments as `build_design_effects`. Columns: component (of the interaction), first, second, first_side, second_side
    (`with` or `without`), mean, and the interaction's own estimate, ci95_low, ci95_high, p_holm and aliased_with.
    """
    effects = build_design_effects(scores, components, design, resolution, measured)
    weights = {effect.component: effect.weights for effect in find_effects(components, design, resolution)}
    shown = effects[(effects["family"] == INTERACTION) & effects["estimate"].notna()]
    rows = []
    for row in shown[list(CELL_NUMBERS)].to_dict("records"):
        component = str(row["component"])
        first, second = component.split(":")
        for sides in itertools.product(("without", "with"), repeat=2):
            asked = [side == "with" for side in sides]
            cell = [scores[key].mean() for key in weights[component] if [first in key, second in key] == asked]
            named = {"first": first, "second": second, "first_side": sides[0], "second_side": sides[1]}
            rows.append(row | named | {"mean": float(np.mean(cell))})
    return pd.DataFrame(rows, columns=[*CELL_NUMBERS, "first", "second", "first_side", "second_side", "mean"])
