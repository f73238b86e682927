"""What holds levels: the entries of a grid, the baseline. Which keys they may have depends on the networks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, create_model, field_validator, model_validator

from tune_app.errors import StudyError, choices, find_near
from tune_app.study.designs import Component, build_conditions, read_components
from tune_app.study.factors import (
    FACTORS,
    TABLE,
    Frozen,
    Level,
    Levels,
    Recipe,
    Replicates,
    Share,
    refuse_empty_or_repeated,
)
from tune_app.study.messages import PlacedError, Problem
from tune_app.study.signatures import ENTRY_KEYS, SHIPPED, Signature


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
    unusable: frozenset[str] = frozenset()  # names with problems that are told elsewhere: no more is said about them
    # While all problems are looked for: whether a study is built though it has some, and if it lacks what had some.
    is_lenient: bool = False
    is_reduced: bool = False


def _entry_field(kind: Any, default: tuple[Any, ...] | None, required: bool) -> tuple[Any, Any]:
    if required:
        return Levels[kind], ...
    return Levels[kind] | None if default is None else Levels[kind], default


class _Labelled(Frozen):
    label: str


if TYPE_CHECKING:  # type checkers cannot see keys that come from the table of factors: they take any

    class _Levels(Frozen):
        def __init__(self, **levels: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    class LabelLevels(_Levels, _Labelled): ...

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
    LabelLevels = create_model("LabelLevels", __base__=_OpenLabelled, **_OPTIONAL)


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
        unknown = [name for name in models if catalog and name not in (*catalog.models, *catalog.unusable)]
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
        problems = [
            Problem(f"{name}: {text}", (name,))
            for name, levels in self.arguments.items()
            for text in _find_repeated(levels)
        ]
        try:
            told = [*_find_component_problems(self)]
        except StudyError as error:
            told = list(error.problems)
        if problems or told:
            raise PlacedError([*problems, *(Problem(text, ("components",)) for text in told)])
        if catalog:
            arguments = {name: list(levels) for name, levels in self.arguments.items()}
            for component in self.parts.values():
                for side in (component.with_, component.without):
                    for name, level in side.items():
                        if name not in FACTORS:
                            arguments.setdefault(name, []).append(level)
            problems += find_argument_problems(self.model, arguments, catalog.signatures, catalog.unusable)
        if problems:
            raise PlacedError(problems)
        return self


_UNTOUCHED = (
    "model",
    "data",
    "folds",
    "train_images",
    "protocol",
    "batch_slices",
)  # factors that a component cannot set


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
    models: Collection[str],
    arguments: Mapping[str, Sequence[Any]],
    signatures: Mapping[str, Signature],
    unusable: Collection[str] = (),
) -> list[Problem]:
    """A sentence for each argument that no model takes, each level that none can have, each one missing.

    What models that are `unusable` take is not known, so nothing is an unknown argument beside them.
    """
    known = {model: signatures.get(model, SHIPPED) for model in models if model not in unusable}
    taken = list(dict.fromkeys(factor for signature in known.values() for factor in signature.factors))
    keys = (*FACTORS, *taken, *ENTRY_KEYS)
    problems = [
        Problem(f"unknown key {name!r}{choices(name, keys)}", (name,), find_near(name, keys))
        for name in arguments
        if name not in taken and len(known) == len(set(models))
    ]
    meant = {problem.near for problem in problems}
    for model, signature in known.items():
        for argument in signature.arguments:
            levels = arguments.get(argument.factor, ())
            found = [problem for level in levels if (problem := argument.find_problem(level))]
            problems += [Problem(problem, (argument.factor,)) for problem in found]
            if argument.required and not levels and argument.factor not in meant:
                text = f"{model} needs a level of {argument.factor}; add {argument.factor}: … to the entry"
                problems.append(Problem(text, (argument.factor,), follows=True))
    return list(dict.fromkeys(problems))


class Baseline(_BaselineLevels):
    """The reference levels. A condition is compared with the one that has them and otherwise most of its own levels.

    Without any, the levels of the study's first condition are the reference, except for `folds`.
    """
