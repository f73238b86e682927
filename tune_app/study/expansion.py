"""A study multiplied out: its trials, its conditions, the pairs that its claims compare."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tune_app.study.claims import Claim
from tune_app.study.factors import FACTORS, TABLE, Recipe
from tune_app.study.protocol import build_protocol, slices_batches, spell_protocol
from tune_app.study.schema import GridEntry, StudySchema
from tune_app.study.spec import TrialSpec

_SCOPES = {factor.name: factor.scope for factor in TABLE}


@dataclass(frozen=True)
class GridTrial:
    """A trial as the grid asks for it: its content, and the share that its entry fixes (None leaves it open)."""

    spec: TrialSpec
    cpus: float | None
    gpus: float | None


class ExpandedStudy(StudySchema):
    """A study's keys with what follows from them."""

    def grid_trials(self) -> tuple[GridTrial, ...]:
        """Every trial of the grid, in the order of the study file."""
        return tuple(trial for trials in self.entries() for trial in trials)

    def entries(self) -> tuple[tuple[GridTrial, ...], ...]:
        """The trials of each grid entry."""
        return self._entries

    @cached_property
    def _entries(self) -> tuple[tuple[GridTrial, ...], ...]:
        return tuple(tuple(self.entry_trials(entry)) for entry in self.grid)

    def conditions(self) -> tuple[tuple[TrialSpec, ...], ...]:
        """The replicates of each condition, in the order of the study file."""
        groups: dict[tuple[Any, ...], list[TrialSpec]] = {}
        for trial in self.grid_trials():
            groups.setdefault(tuple(trial.spec.condition.values()), []).append(trial.spec)
        return tuple(map(tuple, groups.values()))

    def claim_pairs(self, claim: Claim) -> tuple[tuple[tuple[TrialSpec, ...], tuple[TrialSpec, ...]], ...]:
        """The pairs of conditions that a claim compares, each with all its replicates."""
        conditions = self.conditions()
        by_levels = {tuple(specs[0].condition.values()): specs for specs in conditions}
        pairs = []
        for specs in conditions:
            condition = specs[0].condition
            other = by_levels.get(tuple((condition | resolve_levels(claim.against, condition)).values()))
            if has_levels(condition, claim.levels) and other and (other != specs or claim.against_epochs):
                pairs.append((specs, other))
        return tuple(pairs)

    def varying_factors(self) -> tuple[str, ...]:
        """The factors with more than one level in the grid."""
        return tuple(
            name for name in FACTORS if len({level for entry in self.grid for level in self.levels(entry, name)}) > 1
        )

    def entry_trials(self, entry: GridEntry) -> Iterator[GridTrial]:
        """The trials of one grid entry."""
        levels = [self.levels(entry, factor) for factor in FACTORS]
        unsliced = set()
        for values in itertools.product(*levels):
            condition = dict(zip(FACTORS, values, strict=True))
            if not slices_batches(build_protocol(condition["protocol"], condition["regularizer"])):
                # Without slices their number says nothing: a list of numbers gives one condition.
                condition["batch_slices"] = self.levels(entry, "batch_slices")[0]
                if (others := tuple(condition.items())) in unsliced:
                    continue
                unsliced.add(others)
            recipe = Recipe(**{name: condition.pop(name) for name in Recipe.model_fields})
            condition["protocol"] = build_protocol(condition["protocol"], condition["regularizer"])
            for replicate in range(entry.replicates or self.replicates):
                spec = TrialSpec(
                    dataset=self.data.name,
                    test_images=self.data.test_images,
                    splitter=self.splitter,
                    seed=self.seed,
                    replicate=replicate,
                    recipe=recipe,
                    **condition,
                )
                yield GridTrial(spec, entry.cpus_per_trial, entry.gpus_per_trial)

    def levels(self, entry: GridEntry, factor: str) -> tuple[Any, ...]:
        """The levels of a factor in one grid entry: its own, or the one that the study gives to all."""
        if own := entry.named(factor):
            return own
        section = self if _SCOPES[factor] == "study" else getattr(self, _SCOPES[factor])
        return (getattr(section, factor),)


def resolve_levels(levels: Mapping[str, Any], condition: Mapping[str, Any]) -> dict[str, Any]:
    """Levels as the conditions like `condition` spell them: a protocol by what it means for their regularizer."""
    if "protocol" not in levels:
        return dict(levels)
    regularizer = levels.get("regularizer", condition["regularizer"])
    protocol = spell_protocol(build_protocol(str(levels["protocol"]), regularizer), regularizer)
    return {**levels, "protocol": protocol}


def has_levels(condition: Mapping[str, Any], levels: Mapping[str, Any]) -> bool:
    """Whether a condition has all of these levels."""
    return condition.items() >= resolve_levels(levels, condition).items()
