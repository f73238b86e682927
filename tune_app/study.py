"""What a study is: frozen objects, valid from birth, with no torch and no Ray behind them.

A study multiplies out into `TrialSpec`s. A trial's id comes from its content alone, so reordering or extending a
study leaves the ids, and with them the records, of what stays.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tune_app.protocol import (
    OUTSIDE_TRAINING,
    Protocol,
    build_protocol,
    find_idle_defects,
    parse_protocol,
    spell_protocol,
)

Regularizer = Literal["none", "dropout", "batchnorm", "dropout+batchnorm"]
Optimizer = Literal["adam", "adamw", "sgd"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Splitter = Literal["kfold", "stratified"]
Engine = Literal["auto", "eager", "stacked"]
Metric = Literal[
    "test_accuracy",
    "test_loss",
    "train_accuracy",
    "train_loss",
    "validation_accuracy",
    "validation_loss",
    "validation_accuracy_auc",
    "epochs_to_target",
    "fit_seconds",
]
EPOCH_METRICS = ("train_accuracy", "train_loss", "validation_accuracy", "validation_loss")
ACCURACIES = ("test_accuracy", "train_accuracy", "validation_accuracy", "validation_accuracy_auc")


@dataclass(frozen=True)
class Catalog:
    """What this installation can run: names and sizes to hold a study against.

    Without one (an analysis on a machine without the networks) a study is read for its structure only.
    """

    models: tuple[str, ...]
    datasets: Mapping[str, tuple[int, int]]  # name → (training images, test images)


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number is needed, not {str(value).lower()}")
    return value


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _refuse_empty_or_repeated(levels: tuple[Any, ...]) -> tuple[Any, ...]:
    if not levels:
        raise ValueError("an empty list of levels; give one level or more")
    repeated = sorted({str(level) for level in levels if levels.count(level) > 1})
    if repeated:
        raise ValueError(f"level {', '.join(repeated)} is listed twice; list each level once")
    return levels


def _check_protocol(text: str) -> str:
    parse_protocol(text)
    return text


T = TypeVar("T")
Levels = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]
Count = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=1)]
# Limits that no study comes near, so that a slip of the finger is an error and not a machine that stands still.
Epochs = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=1, le=100_000)]
Replicates = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=1, le=1000)]
Width = Annotated[float, BeforeValidator(_refuse_bool), Field(gt=0, le=64, allow_inf_nan=False)]
MAX_TRIALS = 100_000
Folds = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=2)]
Rate = Annotated[float, BeforeValidator(_refuse_bool), Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(_refuse_bool), Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, BeforeValidator(_refuse_bool), Field(ge=0, lt=1)]
ProtocolText = Annotated[str, AfterValidator(_check_protocol)]
Seed = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=0)]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Recipe(Frozen):
    """How one network is trained. `learning_rate` is constant; `momentum` is sgd's alone.

    `engine` trains the folds of a trial one by one (eager) or at once (stacked): the same scores but for rounding.
    """

    epochs: Epochs = 5
    batch_size: Count = 100
    optimizer: Optimizer = "adam"
    learning_rate: Rate = 0.001
    momentum: Fraction = 0.9
    weight_decay: Share = 0.0
    precision: Precision = "fp32"
    engine: Engine = "auto"


class DataChoice(Frozen):
    """Which images: the limits take a stratified part of the data set; None takes all."""

    name: str = "mnist"
    train_images: Count | None = None
    test_images: Count | None = None

    @field_validator("name")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        catalog: Catalog | None = info.context
        if catalog and name not in catalog.datasets:
            raise ValueError(f"unknown data set {name!r}{choices(name, catalog.datasets)}")
        return name


class TrialSpec(Frozen):
    """One condition × one replicate, with all its folds: everything that its scores depend on."""

    dataset: str
    train_images: int | None
    test_images: int | None
    splitter: Splitter
    seed: int
    replicate: int
    model: str
    width: float
    regularizer: Regularizer
    folds: int
    protocol: Protocol = ()
    replicas: int = 4
    recipe: Recipe

    @property
    def id(self) -> str:
        """A readable name with a hash of the content, such as `cnn-dropout-k4-r0-1f0c5a7e`."""
        return _build_id(self)

    @property
    def condition(self) -> dict[str, Any]:
        """The level of every factor, by the factor's name."""
        flat = self.recipe.model_dump() | {name: getattr(self, name) for name in OWN_FACTORS}
        flat["protocol"] = spell_protocol(self.protocol, self.regularizer)
        return {name: flat[name] for name in FACTORS}

    @property
    def training(self) -> "TrialSpec":
        """The trial whose fits this one shares: the same but for defects that leave the training as it is."""
        return self.model_copy(update={"protocol": tuple(d for d in self.protocol if d not in OUTSIDE_TRAINING)})

    @property
    def has_dependent_folds(self) -> bool:
        """Whether one network goes through all folds, so that they are one observation."""
        return "carry-over" in self.protocol


@lru_cache(maxsize=65_536)  # asked for with every record
def _build_id(spec: TrialSpec) -> str:
    # Defaults are left out of the hash: a field added to Recipe later must not change the ids of old records.
    content = spec.model_dump(mode="json") | {"recipe": spec.recipe.model_dump(mode="json", exclude_defaults=True)}
    if not spec.protocol:
        del content["protocol"]
    if "replica-statistics" not in spec.protocol:
        del content["replicas"]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    model = spec.model if spec.width == 1 else f"{spec.model}x{spec.width:g}"
    spelled = spec.condition["protocol"].replace(" ", "-")
    protocol = f"-{spelled}" if spec.protocol else ""
    return f"{model}-{spec.regularizer}-k{spec.folds}-r{spec.replicate}{protocol}-{digest}"


OWN_FACTORS = ("model", "width", "regularizer", "folds", "train_images", "protocol", "replicas")
FACTORS = (*OWN_FACTORS, *Recipe.model_fields)


class GridEntry(Frozen):
    """A block of the grid: the product of its levels. Recipe keys left out keep the study's value."""

    model: Levels[str]
    width: Levels[Width] = (1.0,)
    regularizer: Levels[Regularizer] = ("none",)
    folds: Levels[Folds] = (4,)
    train_images: Levels[Count] | None = None
    protocol: Levels[ProtocolText] | None = None
    replicas: Levels[Count] | None = None
    epochs: Levels[Epochs] | None = None
    batch_size: Levels[Count] | None = None
    optimizer: Levels[Optimizer] | None = None
    learning_rate: Levels[Rate] | None = None
    momentum: Levels[Fraction] | None = None
    weight_decay: Levels[Share] | None = None
    precision: Levels[Precision] | None = None
    engine: Levels[Engine] | None = None
    replicates: Replicates | None = None
    cpus_per_trial: Share | None = None
    gpus_per_trial: Share | None = None

    @field_validator("model")
    @classmethod
    def _known(cls, models: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        catalog: Catalog | None = info.context
        unknown = [name for name in models if catalog and name not in catalog.models]
        if catalog and unknown:
            raise ValueError("; ".join(f"unknown model {name!r}{choices(name, catalog.models)}" for name in unknown))
        return models

    @field_validator(*FACTORS)
    @classmethod
    def _distinct(cls, levels: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return levels if levels is None else _refuse_empty_or_repeated(levels)


class Baseline(Frozen):
    """The reference levels. A condition is held against the one that has them and otherwise most of its own levels.

    Without any, the levels of the study's first condition are the reference, except for `folds`.
    """

    model: str | None = None
    width: Rate | None = None
    regularizer: Regularizer | None = None
    folds: Folds | None = None
    train_images: Count | None = None
    protocol: ProtocolText | None = None
    replicas: Count | None = None
    epochs: Count | None = None
    batch_size: Count | None = None
    optimizer: Optimizer | None = None
    learning_rate: Rate | None = None
    momentum: Fraction | None = None
    weight_decay: Share | None = None
    precision: Precision | None = None
    engine: Engine | None = None


def _check_level(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a level is a name or a number, not {value!r}")
    return value


Level = Annotated[Any, BeforeValidator(_check_level)]
Window = tuple[Count, Count]


class Claim(Frozen):
    """A sentence that a contrast can support or refute.

    The contrast is the mean over all pairs of conditions of which one has `levels` and the other, its other factors
    being equal, `against`. `epochs` is the window [first, last] that an epoch metric is averaged over, the last epoch
    if left out; `against_epochs` is the other side's window, the same if left out. `by` is the margin beyond which an
    effect counts as higher or lower, and within which it counts as equal: for accuracies the study's `rope` if left
    out, for other metrics 0.
    """

    sentence: Annotated[str, Field(min_length=1)]
    metric: Metric = "test_accuracy"
    levels: dict[str, Level]
    against: dict[str, Level] = {}
    epochs: Window | None = None
    against_epochs: Window | None = None
    expect: Literal["higher", "lower", "equal"]
    by: Share | None = None

    @field_validator("levels", "against")
    @classmethod
    def _known(cls, levels: dict[str, Level]) -> dict[str, Level]:
        unknown = [f"unknown factor {name!r}{choices(name, FACTORS)}" for name in levels if name not in FACTORS]
        if unknown:
            raise ValueError("; ".join(unknown))
        if "protocol" in levels:
            parse_protocol(str(levels["protocol"]))
        return levels

    @field_validator("epochs", "against_epochs")
    @classmethod
    def _in_order(cls, window: Window | None) -> Window | None:
        if window and window[0] > window[1]:
            raise ValueError(f"the window {list(window)} ends before it begins; write [first, last], such as [1, 2]")
        return window

    @model_validator(mode="after")
    def _consistent(self) -> "Claim":
        problems = []
        if not self.against and self.against_epochs is None:
            problems.append("it is held against nothing; add against, such as {regularizer: none}, or against_epochs")
        if self.metric not in EPOCH_METRICS and (self.epochs or self.against_epochs):
            problems.append(
                f"{self.metric} has no epochs; leave the window out, or choose from {', '.join(EPOCH_METRICS)}"
            )
        if self.expect == "equal" and self.by is None and self.metric not in ACCURACIES:
            problems.append(f"expect equal: {self.metric} needs a margin; add by, in the metric's unit")
        if problems:
            raise ValueError("\n".join(problems))
        return self


@dataclass(frozen=True)
class GridTrial:
    """A trial as the grid asks for it: its content, and the share that its entry fixes (None leaves it open)."""

    spec: TrialSpec
    cpus: float | None
    gpus: float | None


class Study(Frozen):
    """The question: a data set, a recipe, a splitter, and the grid of conditions to compare."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    title: str = ""
    seed: Seed = 0
    data: DataChoice = DataChoice()
    recipe: Recipe = Recipe()
    splitter: Splitter = "kfold"
    protocol: ProtocolText = "sound"
    replicas: Count = 4  # slices of a batch under the defect replica-statistics; 1 is what SyncBN gives
    replicates: Replicates = 1
    baseline: Baseline = Baseline()
    reference: str | None = None
    rope: Share = 0.001  # region of practical equivalence: accuracies this close are taken as equal
    target_accuracy: Fraction = 0.95  # the validation accuracy that the metric epochs_to_target waits for
    grid: tuple[GridEntry, ...]
    claims: tuple[Claim, ...] = ()

    @field_validator("grid")
    @classmethod
    def _not_empty(cls, grid: tuple[GridEntry, ...]) -> tuple[GridEntry, ...]:
        if not grid:
            raise ValueError("it has no entry; add one, such as - {model: cnn, folds: 4}")
        trials = sum(
            math.prod(len(getattr(entry, factor) or ((),)) for factor in FACTORS) * (entry.replicates or 1)
            for entry in grid
        )
        if trials > MAX_TRIALS:
            raise ValueError(f"it asks for {trials:,} trials, at most {MAX_TRIALS:,} are planned; leave levels out")
        return grid

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> "Study":
        catalog: Catalog | None = info.context
        problems = list(dict.fromkeys(self._protocol_problems()))
        problems += [*self._baseline_problems(), *self._repetitions(), *self._claim_problems()]
        if catalog and self.data.name in catalog.datasets:
            problems += self._size_problems(*catalog.datasets[self.data.name])
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _protocol_problems(self) -> Iterator[str]:
        for number, entry in enumerate(self.grid, start=1):
            levels = {factor: self._levels(entry, factor) for factor in ("protocol", "regularizer")}
            for text, regularizer in itertools.product(*levels.values()):
                for defect in find_idle_defects(text, regularizer):
                    yield (
                        f"grid, entry {number}: protocol {text!r} with regularizer {regularizer}: {defect} changes "
                        "nothing there; leave it out, or write as-reported, which means the defects that apply"
                    )
            trials = list(self._entry_trials(entry))
            for trial in trials:
                yield from (f"grid, entry {number}: {problem}" for problem in _spec_problems(trial.spec))
            if len(entry.replicas or ()) > 1 and not any("replica-statistics" in t.spec.protocol for t in trials):
                spelled = ", ".join(map(str, entry.replicas or ()))
                yield (
                    f"grid, entry {number}: replicas {spelled}: no condition there has the defect replica-"
                    "statistics, so their number changes nothing; leave replicas out"
                )

    def _baseline_problems(self) -> Iterator[str]:
        named = self.baseline.model_dump(exclude_none=True)
        conditions = [specs[0].condition for specs in self.conditions()]
        absent = [problem for factor, level in named.items() for problem in _find_absent(factor, level, conditions)]
        yield from (f"baseline: {problem}" for problem in absent)
        if not absent and not any(has_levels(condition, named) for condition in conditions):
            yield f"baseline: no condition of the grid has {_spell_levels(named)}; name levels that occur together"

    def _repetitions(self) -> Iterator[str]:
        seen: dict[str, int] = {}
        for number, entry in enumerate(self.grid, start=1):
            for trial in self._entry_trials(entry):
                earlier = seen.get(trial.spec.id)
                seen.setdefault(trial.spec.id, number)
                if earlier and trial.spec.replicate == 0:
                    both = (
                        f"entries {earlier} and {number} both ask"
                        if earlier != number
                        else f"entry {number} asks twice"
                    )
                    yield f"grid: {both} for {trial.spec.id}; keep one of them"

    def _claim_problems(self) -> Iterator[str]:
        conditions = [specs[0].condition for specs in self.conditions()]
        for number, claim in enumerate(self.claims, start=1):
            named = (*claim.levels.items(), *claim.against.items())
            problems = [problem for factor, level in named for problem in _find_absent(factor, level, conditions)]
            yield from (f"claims, entry {number}: {problem}" for problem in problems or self._pair_problems(claim))

    def _pair_problems(self, claim: Claim) -> Iterator[str]:
        pairs = self.claim_pairs(claim)
        if not pairs:
            sides = [_spell_levels(side) for side in (claim.levels, claim.against)]
            yield (
                f"no condition with {sides[0]} has a counterpart with {sides[1]} and otherwise the same levels; name "
                "more factors in against, or add the counterpart to the grid"
            )
        for side in (0, 1):
            folds = sorted({pair[side][0].folds for pair in pairs})
            if len(folds) > 1:
                spelled = " and ".join(map(str, folds))
                yield f"its conditions have {spelled} folds; name folds in levels, such as folds: {folds[-1]}"
        if pairs:
            epochs = min(spec.recipe.epochs for pair in pairs for side in pair for spec in side)
            for window in (claim.epochs, claim.against_epochs):
                if window and window[1] > epochs:
                    yield f"the window {list(window)} goes beyond the last epoch, {epochs}; end it there or before"

    def _size_problems(self, train_images: int, test_images: int) -> Iterator[str]:
        limits: dict[str, tuple[int | None, int]] = {
            "data.train_images": (self.data.train_images, train_images),
            "data.test_images": (self.data.test_images, test_images),
        }
        for number, entry in enumerate(self.grid, start=1):
            limits |= {
                f"grid, entry {number}: train_images {limit}": (limit, train_images)
                for limit in entry.train_images or ()
            }
        for place, (limit, available) in limits.items():
            if limit is not None and limit > available:
                yield f"{place}: {limit} images asked for, {self.data.name} has {available}; choose 1 to {available}"
        seen: set[tuple[int, int]] = set()
        for trial in self.grid_trials():
            pair = (trial.spec.folds, min(trial.spec.train_images or train_images, train_images))
            if pair[0] > pair[1] and pair not in seen:
                fewer = f"choose 2 to {pair[1]} folds, or more images" if pair[1] > 1 else "give it more images"
                yield f"grid: {pair[0]} folds of {pair[1]} training images; {fewer}"
            seen.add(pair)

    def _entry_trials(self, entry: GridEntry) -> Iterator[GridTrial]:
        levels = [self._levels(entry, factor) for factor in FACTORS]
        unsliced = set()
        for values in itertools.product(*levels):
            condition = dict(zip(FACTORS, values, strict=True))
            if "replica-statistics" not in build_protocol(condition["protocol"], condition["regularizer"]):
                # Without slices their number says nothing: a list of numbers gives one condition.
                condition["replicas"] = self._levels(entry, "replicas")[0]
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

    def _default(self, factor: str) -> Any:
        if factor == "train_images":
            return self.data.train_images
        return getattr(self if factor in ("protocol", "replicas") else self.recipe, factor)

    def grid_trials(self) -> tuple[GridTrial, ...]:
        """Every trial of the grid, in the order of the study file."""
        return tuple(trial for trials in self.entries() for trial in trials)

    def entries(self) -> tuple[tuple[GridTrial, ...], ...]:
        """The trials of each grid entry."""
        return tuple(tuple(self._entry_trials(entry)) for entry in self.grid)

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
            name for name in FACTORS if len({level for entry in self.grid for level in self._levels(entry, name)}) > 1
        )

    def _levels(self, entry: GridEntry, factor: str) -> tuple[Any, ...]:
        return getattr(entry, factor) or (self._default(factor),)


def _spec_problems(spec: TrialSpec) -> Iterator[str]:
    if "replica-statistics" in spec.protocol and spec.recipe.batch_size % spec.replicas:
        yield (
            f"{spec.replicas} replicas do not divide a batch of {spec.recipe.batch_size} images; choose replicas "
            "that do, or another batch_size"
        )
    if spec.recipe.engine == "stacked" and spec.training.protocol:
        yield (
            f"engine stacked trains by sound protocol only, not with {', '.join(spec.training.protocol)}; "
            "write engine: auto or eager"
        )


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


def _find_absent(factor: str, level: Any, conditions: list[dict[str, Any]]) -> Iterator[str]:
    if not any(has_levels(condition, {factor: level}) for condition in conditions):
        levels = dict.fromkeys(condition[factor] for condition in conditions)
        if isinstance(level, str) and level in map(str, levels):
            yield f"{factor} {level!r} is text where the grid has a number; write it without quotes"
            return
        yield f"{factor} {level} is not in the grid; choose from {', '.join(map(str, levels))}"


def _spell_levels(levels: Mapping[str, Any]) -> str:
    return ", ".join(f"{factor}={level}" for factor, level in levels.items())


def choices(value: str, allowed: Mapping[str, Any] | tuple[str, ...] | list[str]) -> str:
    """The tail of an error message: a near match if there is one, then everything allowed."""
    import difflib

    near = difflib.get_close_matches(value, list(allowed), n=1)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" choose from {', '.join(allowed)}"
