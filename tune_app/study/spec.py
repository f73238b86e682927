"""A trial's content, and the id that comes from it alone."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from pydantic import Field

from tune_app.study.define import Definition
from tune_app.study.factors import OWN_FACTORS, Frozen, Level, Recipe, order_factors
from tune_app.study.protocol import Protocol, joins_folds, keep_training, slices_batches, spell_protocol

# Fields that earlier versions had not: their defaults are no part of an id.
_LATER: dict[str, Any] = {"groups": None, "test": "auto", "normalise": None}


class TrialSpec(Frozen):
    """One condition × one replicate, with all its folds: everything that its scores depend on.

    `arguments` are the levels of factors that are arguments of networks, None of one that this network does not take.
    `implied` are those of them that the network has by itself: they are no part of the id. `definitions` are the parts
    that the study defines and the trial uses. `groups` is the column that keeps samples together in a split; `test` is
    `auto` for the data set's own test part, `none` for the held-out folds alone; `normalise` is None for the data set's
    own way.
    """

    dataset: str
    train_images: int | None
    test_images: int | None
    splitter: str
    seed: int
    replicate: int
    model: str
    arguments: dict[str, Level | None]
    implied: tuple[str, ...] = ()
    folds: int
    protocol: Protocol = ()
    batch_slices: int = 4
    recipe: Recipe
    groups: str | None = None
    test: str = "auto"
    normalise: str | None = None
    definitions: dict[str, Definition] = Field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """A readable name with a hash of the content, such as `cnn-dropout-k4-r0-1f0c5a7e`."""
        return _build_id(self)

    @property
    def data(self) -> str:
        """The data set, as the factor is called."""
        return self.dataset

    @property
    def is_shipped(self) -> bool:
        """Whether the network is one that ships, and none that the study defines."""
        return self.model not in self.definitions

    @property
    def regularizer(self) -> str:
        """The level of that argument of networks that ship, which says which defects apply; empty for another."""
        return str(self.arguments["regularizer"]) if self.is_shipped else ""

    @property
    def width(self) -> float:
        """The multiplier of channels that networks that ship have, 1 for another."""
        return float(self.arguments["width"]) if self.is_shipped else 1.0  # type: ignore[arg-type]

    @property
    def condition(self) -> dict[str, Any]:
        """The level of every factor, by the factor's name."""
        return dict(self._condition)

    @cached_property
    def _condition(self) -> dict[str, Any]:
        flat = self.arguments | self.recipe.model_dump() | {name: getattr(self, name) for name in OWN_FACTORS}
        flat["protocol"] = spell_protocol(self.protocol, self.regularizer)
        return {name: flat[name] for name in order_factors(self.arguments)}

    @property
    def training(self) -> "TrialSpec":
        """The trial whose fits this one shares: the same but for defects that leave the training as it is."""
        protocol = keep_training(self.protocol)
        return self if protocol == self.protocol else self.model_copy(update={"protocol": protocol})

    @property
    def has_dependent_folds(self) -> bool:
        """Whether one network goes through all folds, so that they are one observation."""
        return joins_folds(self.protocol)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with other values for the fields in `update`: what follows from them is found anew."""
        copied = super().model_copy(update=update, deep=deep)
        for name in _FOLLOWING:
            copied.__dict__.pop(name, None)
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        """The fields alone: where a spec arrives, what follows from them is found anew."""
        state = super().__getstate__()
        fields = {name: value for name, value in state["__dict__"].items() if name not in _FOLLOWING}
        return {**state, "__dict__": fields}


_FOLLOWING = ("id", "_condition")  # what a spec keeps beside its fields once it was asked for


def _build_id(spec: TrialSpec) -> str:
    # Defaults are left out of the hash: a field added to Recipe later must not change the ids of old records.
    content = spec.model_dump(mode="json") | {"recipe": spec.recipe.model_dump(mode="json", exclude_defaults=True)}
    if not spec.protocol:
        del content["protocol"]
    slices = content.pop("batch_slices")
    if slices_batches(spec.protocol):
        content["replicas"] = slices  # the factor's name when the first ids were made
    for name, default in _LATER.items():
        if content[name] == default:
            del content[name]
    if content.get("normalise") == "all-training" and spec.dataset not in spec.definitions:
        del content["normalise"]  # what data sets that ship have by themselves
    _hash_arguments(spec, content)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    return f"{_build_name(spec)}-{digest}"


def _hash_arguments(spec: TrialSpec, content: dict[str, Any]) -> None:
    """Put the arguments into the content, and the definitions that there are."""
    content.pop("implied")
    definitions = content.pop("definitions")
    levels = {
        name: level
        for name, level in content.pop("arguments").items()
        if level is not None and name not in spec.implied
    }
    if spec.is_shipped:
        content |= levels  # where they stood when the first ids were made
    elif levels:
        content["arguments"] = levels
    if definitions:
        # A file's name says nothing of what is in it, and a unit changes no training: both are left out. The only
        # metric here is the one that early stopping watches: which way is better changes where a fit stops.
        keys = ("files", "unit")
        content["definitions"] = {
            name: {key: value for key, value in part.items() if key not in keys} for name, part in definitions.items()
        }


def _build_name(spec: TrialSpec) -> str:
    spelled = spec.condition["protocol"].replace(" ", "-")
    protocol = f"-{spelled}" if spec.protocol else ""
    if not spec.is_shipped:
        return f"{spec.model}-k{spec.folds}-r{spec.replicate}{protocol}"
    model = spec.model if spec.width == 1 else f"{spec.model}x{spec.width:g}"
    return f"{model}-{spec.regularizer}-k{spec.folds}-r{spec.replicate}{protocol}"
