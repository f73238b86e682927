"""The sections of a study: what each key means and which values it takes."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, create_model, field_validator, model_validator

from tune_app.errors import StudyError, choices
from tune_app.study.claims import ACCURACIES, Claim
from tune_app.study.define import Definition, check_names
from tune_app.study.designs import Component, build_conditions, read_components
from tune_app.study.factors import (
    FACTORS,
    MAX_TRIALS,
    TABLE,
    Count,
    Fraction,
    Frozen,
    Level,
    Levels,
    ProtocolText,
    Recipe,
    Replicates,
    Seed,
    Share,
    refuse_empty_or_repeated,
)
from tune_app.study.signatures import ENTRY_KEYS, SHIPPED, Signature

LONGEST_LABEL = 60  # characters


@dataclass(frozen=True)
class Catalog:
    """What this installation can run: names and sizes to check a study with.

    Without one (an analysis on a machine without the networks) a study is read for its structure only.
    """

    models: tuple[str, ...]
    datasets: Mapping[str, tuple[int, int] | None]  # name → (training images, test images), None until it is loaded
    signatures: Mapping[str, Signature] = field(default_factory=dict)  # of the models and parts that a study defines
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # kind of part → the names that ship
    problems: tuple[str, ...] = ()  # with what the study defines


class DataChoice(Frozen):
    """Which samples: the limits take a stratified part of the data set, None takes all.

    `normalise` is from each fold's training part, from all training images, or none; None is the data set's own way.
    """

    name: str = "mnist"
    train_images: Count | None = None
    test_images: Count | None = None
    normalise: Literal["fold", "all-training", "none"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_name(cls, content: Any) -> Any:
        return {"name": content} if isinstance(content, str) else content

    @field_validator("name")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        catalog: Catalog | None = info.context
        if catalog and name not in catalog.datasets:
            raise ValueError(f"unknown data set {name!r}{choices(name, catalog.datasets)}")
        return name


def _entry_field(kind: Any, default: tuple[Any, ...] | None, required: bool) -> tuple[Any, Any]:
    return (Levels[kind], ...) if required else (Levels[kind] | None, default)


class _Labelled(Frozen):
    label: str


if TYPE_CHECKING:  # type checkers cannot see keys that come from the table of factors: they take any

    class _Levels(Frozen):
        def __init__(self, **levels: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    class _LabelLevels(_Levels, _Labelled): ...

    _EntryLevels = _Levels
    _BaselineLevels = _Levels
else:
    # Other keys are arguments of networks: whether there are such is known where the networks are.
    class _Open(Frozen):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, Level]

    class _OpenLevels(Frozen):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, Levels[Level]]

    class _OpenLabelled(_Labelled):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, Level]

    _OPTIONAL = {factor.name: (factor.kind | None, None) for factor in TABLE}
    _ENTRY = {factor.name: _entry_field(factor.kind, factor.default, factor.required) for factor in TABLE}
    _EntryLevels = create_model("_EntryLevels", __base__=_OpenLevels, **_ENTRY)
    _BaselineLevels = create_model("_BaselineLevels", __base__=_Open, **_OPTIONAL)
    _LabelLevels = create_model("_LabelLevels", __base__=_OpenLabelled, **_OPTIONAL)


class GridEntry(_EntryLevels):
    """A block of the grid: the product of its levels. Factors left out keep the study's value.

    With `components` each condition of the product is run by a `design`: with all components, without each, and so on.
    `resolution` is the least that a fractional design must have.
    """

    design: Levels[str] = ("factorial",)
    components: dict[str, Any] = Field(default_factory=dict)
    resolution: Literal[3, 4, 5] = 4
    replicates: Replicates | None = None
    cpus_per_trial: Share | None = None
    gpus_per_trial: Share | None = None

    def named(self, factor: str) -> tuple[Any, ...]:
        """The levels that the entry itself names for a factor, none for one that it leaves out."""
        return getattr(self, factor, None) or ()

    @cached_property
    def parts(self) -> dict[str, Component]:
        """The components by name; none in a plain entry."""
        return read_components(self.components) if self.components else {}

    @cached_property
    def designed(self) -> list[frozenset[str]]:
        """The components present in each condition of the design."""
        return build_conditions(self.design, self.parts, self.resolution) if self.parts else []

    @property
    def arguments(self) -> dict[str, tuple[Any, ...]]:
        """The levels of factors that are arguments of the entry's networks."""
        return dict(self.model_extra or {})

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
        return levels if levels is None else refuse_empty_or_repeated(levels)

    @model_validator(mode="after")
    def _known_arguments(self, info: ValidationInfo) -> "GridEntry":
        catalog: Catalog | None = info.context
        problems = [f"{name}: {text}" for name, levels in self.arguments.items() for text in _find_repeated(levels)]
        try:
            told = [*_find_component_problems(self)]
        except StudyError as error:
            told = list(error.problems)
        if problems or told:
            raise ValueError("\n".join([*problems, *told]))
        if catalog:
            arguments = {name: list(levels) for name, levels in self.arguments.items()}
            for component in self.parts.values():
                for side in (component.with_, component.without):
                    for name, level in side.items():
                        if name not in FACTORS:
                            arguments.setdefault(name, []).append(level)
            problems += find_argument_problems(self.model, arguments, catalog.signatures)
        if problems:
            raise ValueError("\n".join(problems))
        return self


_UNTOUCHED = ("model", "folds", "train_images", "protocol", "batch_slices")  # factors that a component cannot set


def _find_component_problems(entry: GridEntry) -> Iterator[str]:
    """What is wrong with an entry's design and components; StudyError where they cannot be read at all."""
    if not entry.components:
        if entry.design != ("factorial",):
            yield f"design {', '.join(entry.design)} needs components: NAME: {{with: LEVEL, without: LEVEL}}"
        return
    _ = entry.designed
    for component in entry.parts.values():
        for factor in component.factors:
            if factor in _UNTOUCHED:
                yield f"component {component.name}: {factor} is no part of a system; name it beside the components"
            if len(entry.named(factor)) > 1:
                yield f"component {component.name}: {factor} has several levels in the entry; name one there"
        for side in (component.with_, component.without):
            told = {name: level for name, level in side.items() if name in Recipe.model_fields}
            try:
                Recipe(**told)
            except StudyError as error:
                yield from (f"component {component.name}: {problem}" for problem in error.problems)


def _find_repeated(levels: tuple[Any, ...]) -> list[str]:
    try:
        refuse_empty_or_repeated(levels)
    except ValueError as error:
        return [str(error)]
    return []


def find_argument_problems(
    models: Iterable[str], arguments: Mapping[str, Sequence[Any]], signatures: Mapping[str, Signature]
) -> list[str]:
    """A sentence for each argument that no model takes, each level that none can have, each one missing."""
    known = {model: signatures.get(model, SHIPPED) for model in models}
    taken = list(dict.fromkeys(factor for signature in known.values() for factor in signature.factors))
    keys = (*FACTORS, *taken, *ENTRY_KEYS)
    problems = [f"unknown key {name!r}{choices(name, keys)}" for name in arguments if name not in taken]
    for model, signature in known.items():
        for argument in signature.arguments:
            levels = arguments.get(argument.factor, ())
            problems += [problem for level in levels if (problem := argument.find_problem(level))]
            if argument.required and not levels:
                problems.append(f"{model} needs a level of {argument.factor}; add {argument.factor}: … to the entry")
    return list(dict.fromkeys(problems))


class Baseline(_BaselineLevels):
    """The reference levels. A condition is compared with the one that has them and otherwise most of its own levels.

    Without any, the levels of the study's first condition are the reference, except for `folds`.
    """


class Label(_LabelLevels):
    """A display name and the levels that it stands for; it replaces them wherever a condition is named.

    The levels are keys beside the label: `{label: CNN+DP, model: cnn, regularizer: dropout}`.
    """

    @model_validator(mode="after")
    def _consistent(self) -> "Label":
        problems = []
        if not self.label or self.label != " ".join(self.label.split()) or len(self.label) > LONGEST_LABEL:
            problems.append(
                f"the label {self.label!r} must be one line of 1 to {LONGEST_LABEL} characters, with single spaces "
                "between its words"
            )
        if not self.levels:
            problems.append("it names no level; add one or more, such as model: cnn, regularizer: dropout")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @cached_property
    def levels(self) -> dict[str, Any]:
        """The levels that the label stands for, by factor."""
        return self.model_dump(exclude={"label"}, exclude_none=True)

    @property
    def meaning(self) -> str:
        """The levels as readers find them explained: `model cnn, regularizer dropout`."""
        return ", ".join(f"{factor.replace('_', ' ')} {level}" for factor, level in self.levels.items())


class MetricChoice(Frozen):
    """What is scored: the primary metric by which conditions are compared first, and others beside it."""

    primary: str | None = None  # None: accuracy, or for numbers rmse
    also: tuple[str, ...] = ()
    keep_scores: bool = False  # the outputs of every fit, so that any metric can be computed afterwards

    @property
    def named(self) -> tuple[str, ...]:
        """Every metric that the study names, the primary one first."""
        return tuple(dict.fromkeys((*([self.primary] if self.primary else []), *self.also)))


class StudySchema(Frozen):
    """The keys of a study, each valid by itself."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    title: str = ""
    seed: Seed = 0
    data: DataChoice = DataChoice()
    recipe: Recipe = Recipe()
    splitter: str = "kfold"
    groups: str | None = None  # the column of the data that keeps samples together in every split
    test: Literal["auto", "none"] = "auto"  # none: scores come from the held-out folds
    metrics: MetricChoice = MetricChoice()
    protocol: ProtocolText = "sound"
    batch_slices: Count = 4  # of a batch, where a defect normalises each by itself; 1 is what SyncBN gives
    replicates: Replicates = 1
    baseline: Baseline = Baseline()
    reference: str | None = None
    # Region of practical equivalence: accuracies this close are taken as equal; or one for each metric by name.
    rope: Share | dict[str, Share] = 0.001
    target_accuracy: Fraction = 0.95  # the validation accuracy that the metric epochs_to_target waits for
    grid: tuple[GridEntry, ...]
    claims: tuple[Claim, ...] = ()
    labels: tuple[Label, ...] = ()  # display names; without any, the levels that vary
    define: dict[str, Definition] = Field(default_factory=dict)
    signatures: dict[str, Signature] = Field(default_factory=dict)  # of what is defined, as read when the study was run

    @field_validator("define")
    @classmethod
    def _named(cls, define: dict[str, Definition]) -> dict[str, Definition]:
        if problems := check_names(define):
            raise ValueError("\n".join(problems))
        return define

    @model_validator(mode="before")
    @classmethod
    def _read_splitter(cls, content: Any) -> Any:
        """`splitter: {kind: group, groups: patient}` as its two keys."""
        if not isinstance(content, Mapping) or not isinstance(content.get("splitter"), Mapping):
            return content
        splitter = dict(content["splitter"])
        if not set(splitter) <= {"kind", "groups"} or "kind" not in splitter or "groups" in content:
            raise ValueError(f"splitter {splitter!r}; write splitter: {{kind: stratified-group, groups: patient}}")
        named = {"splitter": splitter["kind"]} | ({"groups": splitter["groups"]} if "groups" in splitter else {})
        return {**content, **named}

    @property
    def primary(self) -> str:
        """The metric by which conditions are compared first, as records name it."""
        return f"test_{self.metrics.primary or 'accuracy'}"

    def find_rope(self, metric: str) -> float:
        """The half-width of the region of practical equivalence; 0 for a metric that has none."""
        if isinstance(self.rope, dict):
            return self.rope.get(metric.partition("_")[2], 0.0)
        return self.rope if metric in ACCURACIES else 0.0

    @field_validator("grid")
    @classmethod
    def _not_empty(cls, grid: tuple[GridEntry, ...]) -> tuple[GridEntry, ...]:
        if not grid:
            raise ValueError("it has no entry; add one, such as - {model: cnn, folds: 4}")
        trials = sum(
            math.prod(len(entry.named(factor) or ((),)) for factor in (*FACTORS, *entry.arguments))
            * (entry.replicates or 1)
            * max(1, len(entry.designed))
            for entry in grid
        )
        if trials > MAX_TRIALS:
            raise ValueError(f"it asks for {trials:,} trials, at most {MAX_TRIALS:,} are planned; leave levels out")
        return grid
