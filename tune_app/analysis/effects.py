"""Main effects and two-way interactions of a balanced grid's own factors, each a weighted sum of conditions' scores."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tune_app.analysis.cells import find_cells
from tune_app.analysis.comparable import check_comparable, share_splits
from tune_app.analysis.contrasts import contrast_samples, describe_estimate
from tune_app.analysis.crossed import Cells
from tune_app.analysis.designs import INTERACTION, MAIN
from tune_app.analysis.estimands import Sample, find_source
from tune_app.analysis.metrics import build_scores, find_overlap
from tune_app.analysis.sides import Condition, Side
from tune_app.analysis.t_tests import fill_in_holm
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import Study, TrialSpec

NUMBERS = ("estimate", "ci95_low", "ci95_high", "t", "df", "p_value", "p_holm")
COLUMNS = (
    *("design", "setting", "metric", "unit", "family", "factors", "change", "n_conditions", "n_pairs"),
    *(*NUMBERS, "method", "estimand", "reason"),
)
Levels = tuple[Any, ...]  # of the varying factors, in the order of `GridDesign.factors`


@dataclass(frozen=True, eq=False)
class GridDesign:
    """Conditions that are every combination of the levels of some factors, and are pairs on (replicate, fold).

    The first level of each factor is the baseline's. `setting` is what all have in common, in words.
    """

    factors: Mapping[str, tuple[Any, ...]]
    conditions: Mapping[Levels, Condition]
    setting: str


@dataclass(frozen=True)
class GridEffect:
    """A sum of scores, weighted by condition; the weights sum to 0. `change` is such as `width: 0.5 → 1`."""

    family: str
    factors: str
    change: str
    weights: Mapping[Levels, float]


def build_effects(results: Results) -> pd.DataFrame:
    """One row per design and effect, by the primary metric; the columns are in docs/results.md. Empty without designs.

    Holm's families are the main effects of a design and its interactions.
    """
    rows: list[dict[str, Any]] = []
    for number, design in enumerate(find_grid_designs(results.study), start=1):
        for _, effects in itertools.groupby(find_grid_effects(design.factors), lambda effect: effect.family):
            family = [_build_row(results, design, effect) | {"design": number} for effect in effects]
            fill_in_holm(family)
            rows += family
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(NUMBERS, float) | {"n_pairs": "Int64"})


def find_grid_designs(study: Study) -> list[GridDesign]:
    """The balanced designs of the grid's entries, two factors varying or more.

    Conditions of an entry with other splits (data sets, images, numbers of folds) are designs of their own. Left out
    are entries with components, whose effects `build_designs` has, and those that vary the protocol, an audit's.
    """
    designs = []
    for entry, trials in zip(study.grid, study.entries(), strict=True):
        if entry.parts:
            continue
        groups = _group_by_splits([trial.spec for trial in trials])
        designs += [design for group in groups if (design := _build_design(study, group))]
    return designs


def _group_by_splits(specs: Sequence[TrialSpec]) -> list[list[Condition]]:
    conditions: dict[Levels, list[TrialSpec]] = {}
    for spec in specs:
        conditions.setdefault(tuple(spec.condition.values()), []).append(spec)
    groups: list[list[Condition]] = []
    for replicates in conditions.values():
        group = next((each for each in groups if share_splits(each[0][0], replicates[0])), None)
        if group is None:
            groups.append(group := [])
        group.append(tuple(replicates))
    return groups


def _build_design(study: Study, conditions: Sequence[Condition]) -> GridDesign | None:
    """The design of these conditions; None unless they are every combination of two factors or more."""
    factors = {name: _order_levels(study, name, conditions) for name in _find_varying(conditions)}
    placed = {tuple(specs[0].condition[name] for name in factors): specs for specs in conditions}
    replicates = {tuple(spec.replicate for spec in specs) for specs in conditions}
    if len(factors) < 2 or "protocol" in factors or len(replicates) > 1:
        return None
    is_whole = len(placed) == len(conditions) == math.prod(map(len, factors.values()))
    setting = study.labelling.within([specs[0].condition for specs in conditions]).build_caption()
    return GridDesign(factors, placed, setting) if is_whole else None


def _find_varying(conditions: Sequence[Condition]) -> list[str]:
    """The factors with two levels or more, without those that the network decides: an argument that only some take."""
    levels = [specs[0].condition for specs in conditions]

    def varies(name: str) -> bool:
        by_network: dict[Any, set[Any]] = {}
        for each in levels:
            by_network.setdefault(None if name == "model" else each["model"], set()).add(each[name])
        return any(len(found) > 1 for found in by_network.values())

    return [name for name in levels[0] if varies(name)]


def _order_levels(study: Study, name: str, conditions: Sequence[Condition]) -> tuple[Any, ...]:
    """The factor's levels, the baseline's first; where it names none, the first of the grid."""
    levels = list(dict.fromkeys(specs[0].condition[name] for specs in conditions))
    wanted = study.baseline.model_dump(exclude_none=True).get(name)
    first = wanted if wanted in levels else levels[0]
    return (first, *(level for level in levels if level != first))


def find_grid_effects(factors: Mapping[str, tuple[Any, ...]]) -> Iterator[GridEffect]:
    """Of each level of a factor against its first, averaged over the others' levels; then of each pair of factors.

    An interaction is how much larger the one's effect is at the other's level than at the other's first one.
    """
    for name, (first, *others) in factors.items():
        for level in others:
            yield GridEffect(MAIN, name, f"{name}: {first} → {level}", _weigh(factors, {name: (first, level)}))
    for one, other in itertools.combinations(factors, 2):
        for levels in itertools.product(factors[one][1:], factors[other][1:]):
            changes = {name: (factors[name][0], level) for name, level in zip((one, other), levels, strict=True)}
            change = " × ".join(f"{name}: {first} → {level}" for name, (first, level) in changes.items())
            yield GridEffect(INTERACTION, f"{one}:{other}", change, _weigh(factors, changes))


def _weigh(factors: Mapping[str, tuple[Any, ...]], changes: Mapping[str, tuple[Any, Any]]) -> dict[Levels, float]:
    """Each changed factor counts from −1 to +1 level, the others with the mean over theirs."""
    shares = [
        dict(zip(changes[name], (-1.0, 1.0), strict=True))
        if name in changes
        else dict.fromkeys(levels, 1 / len(levels))
        for name, levels in factors.items()
    ]
    return {
        levels: math.prod(share[level] for share, level in zip(shares, levels, strict=True))
        for levels in itertools.product(*shares)
    }


def _build_row(results: Results, design: GridDesign, effect: GridEffect) -> dict[str, Any]:
    study, spec = results.study, next(iter(design.conditions.values()))[0]
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"setting": design.setting, "metric": study.primary}
    row |= {"unit": study.describe_metric(study.primary).unit, "family": effect.family, "factors": effect.factors}
    row |= {"change": effect.change, "n_conditions": len(effect.weights), "method": "", "estimand": "", "reason": ""}
    source = find_source(spec, study.primary)
    try:
        sample = _build_sample(results, design, effect, with_cells=source == "test")
        contrast = contrast_samples([sample], (math.nan, math.nan), source, study.inference == "new-images")
    except RefusedError as refusal:
        return row | {"reason": str(refusal)}
    return row | describe_estimate(contrast)


def _build_sample(results: Results, design: GridDesign, effect: GridEffect, *, with_cells: bool) -> Sample:
    """The weighted sum of the conditions' scores, fit by fit, and image by image where all predictions are there.

    Raises RefusedError where scores are refused, or where those of two conditions may not be compared.
    """
    metric = results.study.primary
    used = [(design.conditions[levels], weight) for levels, weight in effect.weights.items()]
    sides = [Side(results, specs) for specs, _ in used]
    check_comparable([(sides[0], side) for side in sides[1:]], metric)
    scores = np.sum([weight * build_scores(results, specs, metric) for specs, weight in used], axis=0)
    total: Cells | None = None
    for specs, weight in used if with_cells else ():
        cells = find_cells(results, specs, metric)
        if cells is None or (total is not None and cells.shape != total.shape):
            return Sample(scores, None, find_overlap(results, sides[0].specs))
        total = weight * cells if total is None else total + weight * cells
    return Sample(scores, total, find_overlap(results, sides[0].specs))
