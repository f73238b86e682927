"""The two sides of a contrast, and which conditions are compared."""

from dataclasses import dataclass

from tune_app.analysis.labels import build_row_label
from tune_app.records.results import Results
from tune_app.study import Study, TrialSpec, Window, has_levels

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
        nearest = max(pool, key=lambda reference: _nearness(study, specs[0], reference[0]))
        if nearest != specs:
            found.append((specs, nearest))
    return found


def _nearness(study: Study, spec: TrialSpec, other: TrialSpec) -> tuple[bool, bool, int]:
    bundled = study.find_bundled(spec, other)
    equal = sum(other.condition[factor] == level or factor in bundled for factor, level in spec.condition.items())
    return spec.folds == other.folds, spec.train_images == other.train_images, equal
