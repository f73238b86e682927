"""A function's keyword arguments as a signature that a study can be checked with."""

import enum
import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
from pydantic.fields import FieldInfo

from tune_app.errors import StudyError
from tune_app.study.signatures import Argument, Signature

# What the tool passes by itself, by the kind of part, if the function's signature names it.
FILLED: dict[str, tuple[str, ...]] = {
    "model": ("inputs", "outputs", "image_shape", "classes", "task"),
    "data": ("root", "cache"),
    "augment": (),
    "optimizer": ("parameters", "learning_rate", "weight_decay", "momentum"),
    "schedule": ("step", "steps", "epochs", "losses"),
    "loss": ("class_weights", "outputs", "task"),
    "metric": ("classes", "task"),  # after targets and labels or outputs, whatever a user calls these
    "splitter": ("data", "folds", "seed", "replicate", "groups"),
}
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "text"}


def read_signature(function: Callable[..., Any], kind: str) -> Signature:
    """The function's arguments that a study may set; StudyError for a signature that cannot be read.

    `*args` are left alone. `**kwargs` make no factors: what a study may set is named.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise StudyError(f"the arguments of {function!r} cannot be read ({error}); wrap it in a function") from None
    if kind == "metric":
        parameters = _drop_given(function, parameters)
    hints = _read_hints(function)
    arguments, filled = [], []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    for parameter in parameters:
        if parameter.name in FILLED[kind]:
            filled.append(parameter.name)
        elif parameter.kind in named:
            arguments.append(_read_argument(parameter, hints.get(parameter.name, Any)))
    return Signature(arguments=tuple(arguments), filled=tuple(filled))


def _drop_given(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """The parameters of a metric but for the first two, which are given by position."""
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters[:2]):
        return parameters
    if len(parameters) < 2 or any(parameter.kind not in by_position for parameter in parameters[:2]):
        name = getattr(function, "__name__", repr(function))
        raise StudyError(f"metric {name} does not take two arrays; write {name}(targets, outputs, …)")
    return parameters[2:]


def _read_hints(function: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(function, functools.partial):  # its own hints are those of what it calls
        function = function.func
    target = function.__init__ if inspect.isclass(function) else function
    try:
        return get_type_hints(target, include_extras=True)
    except Exception:  # a name that only type checkers import, say: the argument takes any level
        return {}


def _read_argument(parameter: inspect.Parameter, hint: Any) -> Argument:
    bounds: dict[str, float] = {}
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        bounds = _read_bounds(extras)
    if get_origin(hint) in (Union, types.UnionType):
        (hint, *others) = [part for part in get_args(hint) if part is not type(None)]
        hint = Any if others else hint
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    if isinstance(default, enum.Enum):
        default = default.value
    chosen: tuple[Any, ...] = get_args(hint) if get_origin(hint) is Literal else ()
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        chosen = tuple(member.value for member in hint)
    return Argument(
        name=parameter.name,
        kind=_KINDS.get(hint, "any"),
        choices=chosen,
        default=default if isinstance(default, str | bool | int | float) else None,
        required=parameter.default is inspect.Parameter.empty,
        **bounds,
    )


def _read_bounds(extras: list[Any]) -> dict[str, float]:
    flat = [item for extra in extras for item in (extra.metadata if isinstance(extra, FieldInfo) else [extra])]
    names = {annotated_types.Gt: ("above", "gt"), annotated_types.Ge: ("least", "ge")}
    names |= {annotated_types.Lt: ("below", "lt"), annotated_types.Le: ("most", "le")}
    return {
        bound: float(getattr(item, attribute))
        for item in flat
        for kind, (bound, attribute) in names.items()
        if isinstance(item, kind)
    }


def call_part(
    function: Callable[..., Any], kind: str, arguments: Mapping[str, Any], filled: Mapping[str, Any] | None = None
) -> Any:
    """Call a part with the study's arguments, and with what the tool fills in where the signature names it."""
    return function(**bind_part(function, kind, arguments, filled))


def bind_part(
    function: Callable[..., Any], kind: str, arguments: Mapping[str, Any], filled: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The keywords of such a call; a level that stands for a member of an Enum becomes that member."""
    hints = _read_hints(function)
    bound = {}
    for name, value in arguments.items():
        hint = hints.get(name)
        is_enum = inspect.isclass(hint) and issubclass(hint, enum.Enum)
        bound[name] = hint(value) if is_enum else value  # type: ignore[misc]
    names = inspect.signature(function).parameters
    return bound | {name: value for name, value in (filled or {}).items() if name in names and name in FILLED[kind]}


def takes_any(function: Callable[..., Any]) -> bool:
    """Whether the function has `**arguments`, so that its signature does not name all that it takes."""
    return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
