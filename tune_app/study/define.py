"""Named parts: what a study says once under `define:`, so that levels stay plain names and numbers."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from tune_app.study.factors import Count, Frozen, Level

PartKind = Literal["model", "data", "augment", "optimizer", "schedule", "loss", "metric", "splitter"]
KINDS: tuple[str, ...] = get_args(PartKind)
Value = Level | tuple[Level, ...]


def spell_kind(kind: str) -> str:
    """A kind of part with its article, as a sentence has it."""
    return {"data": "a data set", "augment": "an augmentation", "optimizer": "an optimizer"}.get(kind, f"a {kind}")


class Definition(Frozen):
    """What a name means: a function or class by reference (`nets:build_net`, or one that ships), and its arguments.

    A study writes it as `{model: my_package.nets:build_net, width: 64}`. Raising `version` makes new trials of all that
    use the part, and new scores by a metric. `files` are what the part reads: their content counts as its code.
    `weights` is a file that a network starts from. `better`, `unit` and `needs` are of metrics: which way is better,
    and if it takes labels or scores.
    """

    kind: PartKind
    reference: str = Field(min_length=1)
    arguments: dict[str, Value] = Field(default_factory=dict)
    version: Count = 1
    files: tuple[str, ...] = ()
    weights: str | None = None
    better: Literal["higher", "lower"] | None = None
    unit: str | None = None
    needs: Literal["labels", "scores"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_flat(cls, content: Any) -> Any:
        if not isinstance(content, Mapping) or ("kind" in content and "reference" in content):
            return content
        kinds = [key for key in content if key in KINDS]
        if len(kinds) != 1:
            named = f"names {' and '.join(kinds)}" if kinds else "names no kind of part"
            raise ValueError(
                f"it {named}; write one of {', '.join(KINDS)} with a reference, such as model: nets:build_net"
            )
        if not isinstance(content[kinds[0]], str):
            raise ValueError(
                f"{kinds[0]} {content[kinds[0]]!r} is no reference; write module:function, or a name that ships"
            )
        own = set(cls.model_fields) - {"kind", "reference", "arguments"}
        arguments = {key: value for key, value in content.items() if key not in own and key != kinds[0]}
        for key, value in arguments.items():
            if isinstance(value, Mapping) or (
                isinstance(value, list) and any(isinstance(v, list | Mapping) for v in value)
            ):
                raise ValueError(f"{key} is nested; an argument is a name, a number or a list of them")
        rest = {key: value for key, value in content.items() if key in own}
        return {"kind": kinds[0], "reference": content[kinds[0]], "arguments": arguments, **rest}

    @model_validator(mode="after")
    def _consistent(self) -> "Definition":
        metric_only = [name for name in ("better", "unit", "needs") if getattr(self, name) is not None]
        if metric_only and self.kind != "metric":
            names = ", ".join(metric_only)
            raise ValueError(f"{names} belongs to a metric, not to {spell_kind(self.kind)}; leave it out")
        if self.weights is not None and self.kind != "model":
            raise ValueError(f"weights belongs to a model, not to {spell_kind(self.kind)}; leave it out")
        return self

    @model_serializer(mode="wrap")
    def _write_flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As a study writes it: the kind with its reference, the arguments, then what is not its default."""
        names = ("version", "files", "weights", "better", "unit", "needs")
        rest = {
            name: getattr(self, name) for name in names if getattr(self, name) != type(self).model_fields[name].default
        }
        flat = {self.kind: self.reference, **self.arguments, **rest}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in flat.items()}


def check_names(definitions: Mapping[str, Any]) -> list[str]:
    """Sentences on names that cannot be used as levels."""
    return [
        f"define.{name}: a name is 1 to 40 letters, digits, '.', '_' or '-', and starts with a letter"
        for name in definitions
        if not (name[:1].isalpha() and len(name) <= 40 and all(c.isalnum() or c in "._-" for c in name))
    ]
