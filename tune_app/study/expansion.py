"""A study multiplied out: its trials, its conditions, the pairs that its claims compare."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tune_app.study.claims import Claim
from tune_app.study.define import Definition
from tune_app.study.designs import build_levels
from tune_app.study.entries import GridEntry
from tune_app.study.factors import FACTORS, TABLE, Recipe, order_factors
from tune_app.study.metrics import MetricFacts, find_facts, find_loss_unit
from tune_app.study.protocol import build_protocol, slices_batches, spell_protocol
from tune_app.study.schema import StudySchema
from tune_app.study.signatures import SHIPPED, Argument, Signature
from tune_app.study.spec import TrialSpec

_SCOPES = {factor.name: factor.scope for factor in TABLE}


@dataclass(frozen=True)
class GridTrial:
    """A trial as the grid asks for it: its content, and the share that its entry fixes (None leaves it open)."""

    spec: TrialSpec
    cpus: float | None
    gpus: float | None


@dataclass(frozen=True, eq=False)
class DesignedEntry:
    """The conditions of one ablation design: by the components present, each with all its replicates."""

    entry: GridEntry
    conditions: Mapping[frozenset[str], tuple[TrialSpec, ...]]

    @property
    def components(self) -> tuple[str, ...]:
        return tuple(self.entry.parts)


class ExpandedStudy(StudySchema):
    """A study's keys with what follows from them."""

    def grid_trials(self) -> tuple[GridTrial, ...]:
        """Every trial of the grid, in the order of the study file."""
        return self._grid_trials

    @cached_property
    def _grid_trials(self) -> tuple[GridTrial, ...]:
        return tuple(trial for trials in self.entries() for trial in trials)

    @cached_property
    def factors(self) -> tuple[str, ...]:
        """Every factor, in the order of tables: those of all studies, and the arguments of this one's networks."""
        taken = [self.find_signature(model).factors for entry in self.grid for model in entry.model]
        return order_factors(dict.fromkeys(factor for factors in taken for factor in factors))

    def find_signature(self, part: str) -> Signature:
        """What the model, or another part that the study defines, takes."""
        return self.signatures.get(part, SHIPPED)

    def find_argument(self, factor: str) -> Argument:
        """The argument behind a factor, of the first network that takes it; KeyError if none does."""
        for entry in self.grid:
            for model in entry.model:
                if factor in self.find_signature(model).factors:
                    return self.find_signature(model).find(factor)
        raise KeyError(factor)

    def find_definition(self, part: str) -> Definition | None:
        """The part that the study defines, without arguments that it would have by itself; None for one that ships."""
        definition = self.define.get(part)
        if definition is None:
            return None
        defaults = {a.name: a.default for a in self.find_signature(part).arguments if not a.required}
        told = {k: v for k, v in definition.arguments.items() if k not in defaults or defaults[k] != v}
        return definition.model_copy(update={"arguments": told})

    @property
    def sample(self) -> str:
        """What a sample is called: an `image` of the data sets that ship, a `sample` of a user's own."""
        return "sample" if any(name in self.define for name in self.data.names) else "image"

    @cached_property
    def _loss_unit(self) -> str:
        losses = {trial.spec.recipe.loss for trial in self.grid_trials()}
        return find_loss_unit(self.metrics.named, losses, self.define, self.sample)

    def describe_metric(self, metric: str) -> MetricFacts:
        """Unit and direction of a metric named with its part, such as `test_macro_f1`; KeyError for an unknown one."""
        return find_facts(metric, self.define, self._loss_unit)

    def entries(self) -> tuple[tuple[GridTrial, ...], ...]:
        """The trials of each grid entry."""
        return self._entries

    @cached_property
    def _entries(self) -> tuple[tuple[GridTrial, ...], ...]:
        return tuple(tuple(self._expand(entry)) for entry in self.grid)

    def conditions(self) -> tuple[tuple[TrialSpec, ...], ...]:
        """The replicates of each condition, in the order of the study file."""
        return self._conditions

    @cached_property
    def _conditions(self) -> tuple[tuple[TrialSpec, ...], ...]:
        return group_conditions(self.grid_trials())

    def claim_pairs(self, claim: Claim) -> tuple[tuple[tuple[TrialSpec, ...], tuple[TrialSpec, ...]], ...]:
        """The pairs of conditions that a claim compares, each with all its replicates.

        The other factors are equal, but for those that come with one of two models.
        """
        conditions = self.conditions()
        pairs = []
        for specs in conditions:
            condition = specs[0].condition
            if not has_levels(condition, claim.levels):
                continue
            wanted = condition | resolve_levels(claim.against, condition)
            for other in conditions:
                free = self.find_bundled(specs[0], other[0]) - claim.against.keys()
                shared = {factor: level for factor, level in wanted.items() if factor not in free}
                if other[0].condition.items() >= shared.items() and (other != specs or claim.against_epochs):
                    pairs.append((specs, other))
        return tuple(pairs)

    def find_bundled(self, first: TrialSpec, second: TrialSpec) -> set[str]:
        """The arguments that come with one of two models: those that only one has, or both at a level of their own.

        To compare the models is to compare these with them: a network's width says nothing of a forest, and `small`
        and `large`, which the study defines by their widths, differ in nothing else.
        """
        if first.model == second.model:
            return set()
        unshared = set(self.find_signature(first.model).factors) ^ set(self.find_signature(second.model).factors)
        return unshared | (set(first.implied) & set(second.implied))

    def varying_factors(self) -> tuple[str, ...]:
        """The factors with more than one level in the grid."""
        return self._varying_factors

    @cached_property
    def _varying_factors(self) -> tuple[str, ...]:
        found: dict[str, set[Any]] = {name: set() for name in self.factors}
        for entry in self.grid:
            for model in entry.model:
                for name in self.factors:
                    found[name] |= set(self.levels(entry, name, model))
                for present in entry.designed:
                    for name, level in self._read_levels(model, build_levels(entry.parts, present)).items():
                        found[name].add(level)
        return tuple(name for name in self.factors if len(found[name]) > 1)

    def designs(self) -> tuple["DesignedEntry", ...]:
        """The entries that have components: for each model and other levels the conditions of its design."""
        found = []
        for entry, trials in zip(self.grid, self.entries(), strict=True):
            groups: dict[tuple[Any, ...], dict[frozenset[str], tuple[TrialSpec, ...]]] = {}
            own = {factor for component in entry.parts.values() for factor in component.factors}
            for specs in group_conditions(trials) if entry.parts else ():
                condition = specs[0].condition
                key = tuple((name, level) for name, level in condition.items() if name not in own)
                for present in entry.designed:
                    levels = self._read_levels(specs[0].model, build_levels(entry.parts, present))
                    if condition.items() >= levels.items():
                        groups.setdefault(key, {}).setdefault(present, specs)
            found += [DesignedEntry(entry, group) for group in groups.values()]
        return tuple(found)

    def _expand(self, entry: GridEntry) -> Iterator[GridTrial]:
        for model in entry.model:
            levels = [self.levels(entry, factor, model) for factor in self.factors]
            conditions = [dict(zip(self.factors, values, strict=True)) for values in itertools.product(*levels)]
            if entry.parts:
                conditions = [
                    condition | self._read_levels(model, build_levels(entry.parts, present))
                    for condition in conditions
                    for present in entry.designed
                ]
            yield from self._model_trials(entry, conditions)

    def _read_levels(self, model: str, levels: Mapping[str, Any]) -> dict[str, Any]:
        """The levels of components in their factors' own types; those that the model does not take are left out."""
        signature = self.find_signature(model)
        read = {name: level for name, level in levels.items() if name in FACTORS}
        return read | {
            name: signature.find(name).read(level) for name, level in levels.items() if name in signature.factors
        }

    def _model_trials(self, entry: GridEntry, conditions: Iterable[dict[str, Any]]) -> Iterator[GridTrial]:
        unsliced, unshared = set(), set()
        for condition in conditions:
            if not self._shares_statistics(condition):
                # There is nothing to synchronise: a list of both levels gives one condition.
                condition["batchnorm_sync"] = True
                if (others := tuple(condition.items())) in unshared:
                    continue
                unshared.add(others)
            if not slices_batches(build_protocol(condition["protocol"], self._find_regularizer(condition))):
                # Without slices their number says nothing: a list of numbers gives one condition.
                condition["batch_slices"] = self.levels(entry, "batch_slices", condition["model"])[0]
                if (others := tuple(condition.items())) in unsliced:
                    continue
                unsliced.add(others)
            recipe = Recipe(**{name: condition.pop(name) for name in Recipe.model_fields})
            condition["protocol"] = build_protocol(condition["protocol"], self._find_regularizer(condition))
            arguments = {name: condition.pop(name) for name in self.factors if name not in FACTORS}
            dataset = condition.pop("data")
            parts = [condition["model"], dataset, self.splitter, *recipe.parts]
            parts += [recipe.stop_metric] if recipe.patience else []
            definitions = {name: part for name in parts if (part := self.find_definition(name))}
            first = TrialSpec(
                dataset=dataset,
                test_images=self.data.test_images,
                splitter=self.splitter,
                seed=self.seed,
                replicate=0,
                recipe=recipe,
                arguments=arguments,
                implied=self._find_implied(condition["model"], arguments),
                groups=self.groups,
                test=self.test,
                normalise=self.data.normalise,
                definitions=definitions,
                **condition,
            )
            for replicate in range(self._count_replicates(entry, first)):
                spec = first.model_copy(update={"replicate": replicate}) if replicate else first
                yield GridTrial(spec, entry.cpus_per_trial, entry.gpus_per_trial)

    def _count_replicates(self, entry: GridEntry, spec: TrialSpec) -> int:
        more = (each.replicates for each in self.more if has_levels(spec.condition, each.levels))
        return max(entry.replicates or self.replicates, *more, 1)

    def _shares_statistics(self, condition: Mapping[str, Any]) -> bool:
        """Whether several devices train a network that may normalise by statistics of a batch."""
        regularizer = self._find_regularizer(condition)
        return condition["devices"] > 1 and (not regularizer or "batchnorm" in regularizer)

    def _find_regularizer(self, condition: Mapping[str, Any]) -> str:
        """The level that says which defects apply; empty for a network that the study defines."""
        return "" if condition["model"] in self.define else str(condition.get("regularizer") or "")

    def _find_implied(self, model: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """The arguments whose level a network of the study's own has by itself."""
        if model not in self.define:
            return ()
        own = self.find_signature(model).arguments
        return tuple(a.factor for a in own if arguments[a.factor] == self._find_default(model, a))

    def _find_default(self, model: str, argument: Argument) -> Any:
        definition = self.define.get(model)
        return definition.arguments.get(argument.name, argument.default) if definition else argument.default

    def levels(self, entry: GridEntry, factor: str, model: str) -> tuple[Any, ...]:
        """The levels of a factor for one model of a grid entry: the entry's own, or the one that all have."""
        if factor == "model":
            return (model,)
        if factor == "data":
            return entry.named("data") or self.data.names
        if factor not in FACTORS:
            signature = self.find_signature(model)
            if factor not in signature.factors:
                return (None,)
            argument = signature.find(factor)
            return tuple(map(argument.read, entry.named(factor))) or (self._find_default(model, argument),)
        if own := entry.named(factor):
            return own
        section = self if _SCOPES[factor] == "study" else getattr(self, _SCOPES[factor])
        return (getattr(section, factor),)


def group_conditions(trials: Iterable[GridTrial]) -> tuple[tuple[TrialSpec, ...], ...]:
    """The trials by their conditions, each with its replicates, in the order of the first of each."""
    groups: dict[tuple[Any, ...], list[TrialSpec]] = {}
    for trial in trials:
        groups.setdefault(tuple(trial.spec.condition.values()), []).append(trial.spec)
    return tuple(map(tuple, groups.values()))


def resolve_levels(levels: Mapping[str, Any], condition: Mapping[str, Any]) -> dict[str, Any]:
    """Levels as the conditions like `condition` spell them: a protocol by what it means for their regularizer."""
    if "protocol" not in levels:
        return dict(levels)
    regularizer = levels.get("regularizer", condition.get("regularizer")) or ""
    protocol = spell_protocol(build_protocol(str(levels["protocol"]), regularizer), regularizer)
    return {**levels, "protocol": protocol}


def has_levels(condition: Mapping[str, Any], levels: Mapping[str, Any]) -> bool:
    """Whether a condition has all of these levels."""
    return condition.items() >= resolve_levels(levels, condition).items()
