"""The two sides of a contrast, and which conditions are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tune_app.analysis.labels import build_row_label
from tune_app.records.results import Results
from tune_app.study import Study, TrialSpec, Window, has_levels
from tune_app.study.once import once

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


@once
def find_contrasts(study: Study) -> Sequence[tuple[Condition, Condition]]:
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
    references = _References(study, [specs for specs in conditions if has_levels(specs[0].condition, named)])
    folds = folds or references.conditions[0][0].folds
    found = []
    for specs in conditions:
        nearest = references.find_nearest(specs, folds)
        if nearest != specs:
            found.append((specs, nearest))
    return tuple(found)


class _References:
    """The conditions with the baseline's levels, which may be many: each other one is compared with one of them."""

    def __init__(self, study: Study, conditions: Sequence[Condition]) -> None:
        self.conditions = conditions
        self._study = study
        self._ids = {specs[0].id for specs in conditions}
        firsts = [specs[0] for specs in conditions]
        self._places = {factor: place for place, factor in enumerate(firsts[0].condition)}
        self._codes: list[dict[Any, int]] = [{} for _ in self._places]
        self._levels = np.array([self._encode(spec) for spec in firsts])  # (reference, factor)
        self._images: dict[int | None, int] = {}
        self._trained = np.array([self._images.setdefault(spec.train_images, len(self._images)) for spec in firsts])
        self._folds = np.array([spec.folds for spec in firsts])
        self._datasets = np.array([spec.dataset for spec in firsts])
        self._bundles: dict[tuple[str, tuple[str, ...]], list[int]] = {}  # references by model and what it implies
        for place, spec in enumerate(firsts):
            self._bundles.setdefault((spec.model, spec.implied), []).append(place)

    def find_nearest(self, specs: Condition, folds: int) -> Condition:
        """The reference with most levels of the condition; `folds` are the baseline's, for what is one itself."""
        spec = specs[0]
        pool = np.ones(len(self.conditions), dtype=bool)
        if (alike := self._datasets == spec.dataset).any():  # a contrast is within a data set
            pool = alike
        if spec.id in self._ids and (same := pool & (self._folds == folds)).any():
            pool = same
        is_equal = self._levels == self._encode(spec)
        for places in self._bundles.values():
            bundled = self._study.find_bundled(spec, self.conditions[places[0]][0])
            is_equal[np.ix_(places, [self._places[factor] for factor in bundled])] = True
        # Most equal levels among those of as many folds and images; of several the first.
        weight = 1 + len(self._places)
        trained = self._trained == self._images.get(spec.train_images, -1)
        equal = 2 * weight * (self._folds == spec.folds) + weight * trained + is_equal.sum(axis=1)
        return self.conditions[int(np.argmax(np.where(pool, equal, -1)))]

    def _encode(self, spec: TrialSpec) -> list[int]:
        """A number for each level: equal numbers are equal levels of the factor."""
        levels = spec.condition.values()
        return [codes.setdefault(level, len(codes)) for codes, level in zip(self._codes, levels, strict=True)]
