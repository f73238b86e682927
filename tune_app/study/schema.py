"""The sections of a study: what each key means and which values it takes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationInfo, create_model, field_validator, model_validator

from tune_app.errors import choices
from tune_app.study.claims import Claim
from tune_app.study.factors import (
    FACTORS,
    MAX_TRIALS,
    TABLE,
    Count,
    Fraction,
    Frozen,
    Levels,
    ProtocolText,
    Recipe,
    Replicates,
    Seed,
    Share,
    Splitter,
    refuse_empty_or_repeated,
)

LONGEST_LABEL = 60  # characters


@dataclass(frozen=True)
class Catalog:
    """What this installation can run: names and sizes to check a study with.

    Without one (an analysis on a machine without the networks) a study is read for its structure only.
    """

    models: tuple[str, ...]
    datasets: Mapping[str, tuple[int, int]]  # name → (training images, test images)


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
    _OPTIONAL = {factor.name: (factor.kind | None, None) for factor in TABLE}
    _ENTRY = {factor.name: _entry_field(factor.kind, factor.default, factor.required) for factor in TABLE}
    _EntryLevels = create_model("_EntryLevels", __base__=Frozen, **_ENTRY)
    _BaselineLevels = create_model("_BaselineLevels", __base__=Frozen, **_OPTIONAL)
    _LabelLevels = create_model("_LabelLevels", __base__=_Labelled, **_OPTIONAL)


class GridEntry(_EntryLevels):
    """A block of the grid: the product of its levels. Factors left out keep the study's value."""

    replicates: Replicates | None = None
    cpus_per_trial: Share | None = None
    gpus_per_trial: Share | None = None

    def named(self, factor: str) -> tuple[Any, ...]:
        """The levels that the entry itself names for a factor, none for one that it leaves out."""
        return getattr(self, factor) or ()

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


class StudySchema(Frozen):
    """The keys of a study, each valid by itself."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    title: str = ""
    seed: Seed = 0
    data: DataChoice = DataChoice()
    recipe: Recipe = Recipe()
    splitter: Splitter = "kfold"
    protocol: ProtocolText = "sound"
    batch_slices: Count = 4  # of a batch, where a defect normalises each by itself; 1 is what SyncBN gives
    replicates: Replicates = 1
    baseline: Baseline = Baseline()
    reference: str | None = None
    rope: Share = 0.001  # region of practical equivalence: accuracies this close are taken as equal
    target_accuracy: Fraction = 0.95  # the validation accuracy that the metric epochs_to_target waits for
    grid: tuple[GridEntry, ...]
    claims: tuple[Claim, ...] = ()
    labels: tuple[Label, ...] = ()  # display names; without any, the levels that vary

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
