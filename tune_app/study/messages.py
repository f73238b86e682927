"""Pydantic's errors as the sentences of a StudyError: place, rule, value, what is allowed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tune_app.errors import StudyError, choices, find_near

LISTS = ("grid", "claims", "labels", "tables")


@dataclass(frozen=True)
class Problem:
    """A sentence on what is wrong, and the place of it in a study's content.

    `near` is the key that was probably meant; `follows` says that the problem may come from another one there.
    """

    text: str
    place: tuple[str | int, ...] = ()
    near: str = ""
    follows: bool = False


class PlacedError(ValueError):
    """What is wrong below the place that is validated."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.text for problem in self.problems))


def explain(error: ValidationError, root: type[BaseModel]) -> StudyError:
    """The error with a sentence for each problem; `root` is the model that was validated, a study or a part of one."""
    return StudyError(line for detail in error.errors() for line in _explain_detail(detail, root))


def find_problems_of(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """The sentences of `explain`, each with its place."""
    found = []
    for detail in error.errors():
        place = tuple(part for part in detail["loc"] if not (isinstance(part, str) and "[" in part))
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, PlacedError):
            at = _spell(list(place))
            found += [Problem(f"{at}{p.text}", (*place, *p.place), p.near, p.follows) for p in cause.problems]
            continue
        is_unknown = detail["type"] == "extra_forbidden"
        near = find_near(str(place[-1]), _fields_at(list(place[:-1]), root)) if is_unknown else ""
        found += [Problem(line, place, near) for line in _explain_detail(detail, root)]
    return found


def _explain_detail(detail: Any, root: type[BaseModel]) -> list[str]:
    """Lines `place: rule, value, what is allowed` for one of pydantic's error details."""
    place = [part for part in detail["loc"] if not (isinstance(part, str) and "[" in part)]
    kind = detail["type"]
    if kind == "extra_forbidden":
        allowed = _fields_at(place[:-1], root)
        return [f"{_spell(place[:-1])}unknown key {str(place[-1])!r}{choices(str(place[-1]), allowed)}"]
    if kind == "invalid_key":
        allowed = _fields_at(place[:-1], root)
        return [f"{_spell(place[:-1])}the key {place[-1]!r} is no name; keys are {', '.join(allowed)}"]
    if kind == "missing":
        return [f"{_spell(place[:-1])}the key {str(place[-1])!r} is missing; add it"]
    if kind == "literal_error":
        allowed = _literals_at(place, root)
        section = place[:2] if place[0] in LISTS else place[: place.index(_last_name(place))]
        what = f"unknown {_last_name(place)} {detail['input']!r}"
        return [f"{_spell(section)}{what}{choices(str(detail['input']), allowed)}"]
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
        return [f"{_spell(place)}{line}" for line in message.splitlines()] if place else message.splitlines()
    if kind == "string_pattern_mismatch":
        rule = "must be 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
        return [f"{_spell(place)}{detail['input']!r} {rule}"]
    message = detail["msg"].replace("Input should be", "must be").replace("a valid tuple", "a list of entries")
    message = re.sub(r"a valid dictionary or instance of \w+", "a mapping of keys to values", message)
    return [f"{_spell(place)}{message[0].lower() + message[1:]}, got {detail['input']!r}"]


def _spell(place: list[Any]) -> str:
    if not place:
        return ""
    if place[0] in LISTS and len(place) > 1 and isinstance(place[1], int):
        rest = [str(part) for part in place[2:] if not isinstance(part, int)]
        return ": ".join([f"{place[0]}, entry {place[1] + 1}", *rest]) + ": "
    return ".".join(str(part) for part in place if not isinstance(part, int)) + ": "


def _last_name(place: list[Any]) -> str:
    return str([part for part in place if isinstance(part, str)][-1])


def _model_at(place: list[Any], root: type[BaseModel]) -> type[BaseModel]:
    """The model that a place below `root` lies in: one of the sections, or `root` itself."""
    section = _find_section(root.model_fields[place[0]].annotation) if place and place[0] in root.model_fields else None
    return section or root


def _find_section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _find_section(part))), None)


def _fields_at(place: list[Any], root: type[BaseModel]) -> list[str]:
    return list(_model_at(place, root).model_fields)


def _literals_at(place: list[Any], root: type[BaseModel]) -> list[str]:
    owner = _model_at(place, root) if len(place) > 1 else root
    return _literals_in(owner.model_fields[_last_name(place)].annotation)


def _literals_in(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(level) for level in get_args(annotation)]
    return [level for part in get_args(annotation) for level in _literals_in(part)]
