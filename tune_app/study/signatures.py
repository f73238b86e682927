"""What a function that builds a part takes: every keyword argument of a network's factory is a factor."""

import operator
from collections.abc import Callable
from typing import Any, Literal

from tune_app.errors import choices
from tune_app.study.factors import FACTORS, Frozen, Level

# Keys of a grid entry besides factors. An argument of one of these names, or of a factor's, is written `model.<name>`.
ENTRY_KEYS = ("replicates", "cpus_per_trial", "gpus_per_trial", "design", "components", "resolution")
QUALIFIER = "model."
Kind = Literal["any", "boolean", "integer", "number", "text"]
_WORDS = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "text": "a text"}
_TYPES: dict[str, tuple[type, ...]] = {"boolean": (bool,), "integer": (int,), "number": (int, float), "text": (str,)}
LARGEST = 1e300  # beyond it a whole number is no float


class Argument(Frozen):
    """A keyword argument: the type of its levels, what they are chosen from, the level that it has by itself."""

    name: str
    kind: Kind = "any"
    choices: tuple[Level, ...] = ()
    default: Level | None = None
    required: bool = False
    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None

    @property
    def factor(self) -> str:
        """What the argument is called in a study."""
        return f"{QUALIFIER}{self.name}" if self.name in (*FACTORS, *ENTRY_KEYS) else self.name

    def find_problem(self, level: Any) -> str:
        """Why the argument cannot have the level, empty if it can."""
        if self.choices and level not in self.choices:
            return f"unknown {self.factor} {level!r}{choices(str(level), map(str, self.choices))}"
        types = _TYPES.get(self.kind, (object,))
        if not isinstance(level, types) or (isinstance(level, bool) and self.kind not in ("boolean", "any")):
            return f"{self.factor}: must be {_WORDS[self.kind]}, got {level!r}"
        if self.kind == "number" and isinstance(level, int | float) and abs(level) > LARGEST:
            return f"{self.factor}: must lie between -{LARGEST:g} and {LARGEST:g}"
        bounds: tuple[tuple[str, float | None, Callable[[Any, Any], bool]], ...] = (
            ("greater than", self.above, operator.gt),
            ("greater than or equal to", self.least, operator.ge),
            ("less than", self.below, operator.lt),
            ("less than or equal to", self.most, operator.le),
        )
        for words, bound, is_within in bounds:
            if bound is not None and not is_within(level, bound):
                return f"{self.factor}: must be {words} {bound:g}, got {level!r}"
        return ""

    def read(self, level: Any) -> Any:
        """The level in the argument's own type: 1 is 1.0 where a number is meant."""
        is_number = isinstance(level, int | float) and not isinstance(level, bool)  # another of a model that is unknown
        return float(level) if self.kind == "number" and is_number and abs(level) <= LARGEST else level


class Signature(Frozen):
    """The arguments of a factory that a study may set, in their order, and the names that the tool fills in."""

    arguments: tuple[Argument, ...] = ()
    filled: tuple[str, ...] = ()

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(argument.factor for argument in self.arguments)

    def find(self, factor: str) -> Argument:
        """The argument behind a factor; KeyError if there is none."""
        return next(argument for argument in self.arguments if argument.factor == factor)


# That of all networks that ship, and of a model of which nothing is known: an analysis has the networks nowhere.
SHIPPED = Signature(
    arguments=(
        Argument(name="width", kind="number", default=1.0, above=0, most=64),
        Argument(
            name="regularizer",
            kind="text",
            choices=("none", "dropout", "batchnorm", "dropout+batchnorm"),
            default="none",
        ),
    ),
    filled=("image_shape", "classes"),
)
