"""The sections of a study: what each key means and which values it takes."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from tune_app.errors import choices
from tune_app.study.claims import ACCURACIES, Claim
from tune_app.study.define import Definition, check_names
from tune_app.study.entries import Baseline, Catalog, GridEntry, LabelLevels
from tune_app.study.factors import (
    FACTORS,
    MAX_TRIALS,
    Count,
    Fraction,
    Frozen,
    ProtocolText,
    Recipe,
    Replicates,
    Seed,
    Share,
    refuse_empty_or_repeated,
)
from tune_app.study.messages import PlacedError, Problem
from tune_app.study.more import MoreReplicates
from tune_app.study.signatures import Signature

LONGEST_LABEL = 60  # characters
DATA = "data"  # the factor of a study over several data sets


class DataChoice(Frozen):
    """Which samples: the limits take a stratified part of the data set, None takes all.

    `normalise` is from each fold's training part, from all training images, or none; None is the data set's own way.
    """

    name: str = "mnist"
    others: tuple[str, ...] = ()  # further data sets: then the data set is a factor
    train_images: Count | None = None
    test_images: Count | None = None
    normalise: Literal["fold", "all-training", "none"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_name(cls, content: Any) -> Any:
        """`data: digits`, or `data: [mnist, digits]`, as a mapping."""
        if isinstance(content, list | tuple) and content and all(isinstance(name, str) for name in content):
            refuse_empty_or_repeated(tuple(content))
            return {"name": content[0], "others": tuple(content[1:])}
        return {"name": content} if isinstance(content, str) else content

    @property
    def names(self) -> tuple[str, ...]:
        """Every data set, the first one first."""
        return (self.name, *self.others)

    @field_validator("name", "others")
    @classmethod
    def _known(cls, given: str | tuple[str, ...], info: ValidationInfo) -> str | tuple[str, ...]:
        catalog: Catalog | None = info.context
        names = (given,) if isinstance(given, str) else given
        unknown = [name for name in names if catalog and name not in (*catalog.datasets, *catalog.unusable)]
        if catalog and unknown:
            raise ValueError(
                "; ".join(f"unknown data set {name!r}{choices(name, catalog.datasets)}" for name in unknown)
            )
        return given


class Label(LabelLevels):
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


class TableChoice(Frozen):
    """A two-way table of a metric, the primary one if none is named: a row and a column for each level of two factors.

    Of a study over several data sets each is a column; where `columns` is left out, these alone are.
    """

    rows: str
    columns: str | None = None
    metric: str | None = None


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
    # What the numbers are to speak of: other test images like these, or these images with other seeds and splits.
    inference: Literal["new-images", "these-images"] = "new-images"
    grid: tuple[GridEntry, ...]
    claims: tuple[Claim, ...] = ()
    # Holm's families of claims, by name: how the sentences of each begin. What is in none is in the family `claims`.
    families: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    more: tuple[MoreReplicates, ...] = ()  # replicates that a run until its claims were decided has added
    tables: tuple[TableChoice, ...] = ()  # two-way tables beside those of every study
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
            text = f"splitter {splitter!r}; write splitter: {{kind: stratified-group, groups: patient}}"
            raise PlacedError([Problem(text, ("splitter",))])
        named = {"splitter": splitter["kind"]} | ({"groups": splitter["groups"]} if "groups" in splitter else {})
        return {**content, **named}

    @property
    def primary(self) -> str:
        """The metric by which conditions are compared first, as records name it."""
        return f"test_{self.metrics.primary or 'accuracy'}"

    def find_family(self, claim: Claim) -> str:
        """The family within which the claim's p-value is adjusted."""
        return next((name for name, begins in self.families.items() if claim.sentence.startswith(begins)), "claims")

    @model_validator(mode="after")
    def _families(self) -> "StudySchema":
        problems = []
        for name, beginnings in self.families.items():
            found = [each for each in beginnings if any(claim.sentence.startswith(each) for claim in self.claims)]
            problems += [
                f"families: {name}: no claim begins with {each!r}; write how its sentence begins"
                for each in beginnings
                if each not in found
            ]
        for claim in self.claims:
            names = [name for name, beginnings in self.families.items() if claim.sentence.startswith(beginnings)]
            if len(names) > 1:
                problems.append(f"families: {claim.sentence!r} is in {' and '.join(names)}; leave it in one")
        if problems:
            raise PlacedError([Problem(problem, ("families",)) for problem in problems])
        return self

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
