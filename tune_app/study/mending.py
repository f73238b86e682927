"""A study with problems in it → all of its problems at once, and what is left of it without them.

What is wrong is told and taken out of a copy of the content, and the copy is looked at again: so no problem hides
another. A key that is probably misspelt gets the name that was probably meant, so that nothing seems to be missing.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from tune_app.errors import choices, find_near
from tune_app.study.checks import find_problems, find_unknown_parts
from tune_app.study.define import check_names
from tune_app.study.entries import Catalog
from tune_app.study.factors import FORMER_NAMES
from tune_app.study.messages import Problem, find_problems_of
from tune_app.study.study import Study

ROUNDS = 20  # of taking out: each takes out one thing or more in every place that has problems
UNKNOWN = "?"  # stands for a name that is not there, or is none; nothing can be called so
# What stands in for keys without which, or with whose default, the study would be another one.
_STAND_INS: Mapping[str, Any] = {
    "name": "unnamed",
    "data": UNKNOWN,
    "splitter": UNKNOWN,
    "test": "none",
    "grid": [{"model": UNKNOWN}],
}
_DESIGN = ("design", "components", "resolution")


@dataclass(frozen=True)
class MendedStudy:
    """What is wrong with a study, and what is left of it; None where nothing can be made of it.

    `unusable` are names in it that stand for no part that could be used: what is wrong with them is among the problems.
    """

    study: Study | None
    problems: tuple[str, ...] = ()
    unusable: frozenset[str] = frozenset()


def rename_unknown_keys(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The content of a study without keys that none has, or with the keys that were probably meant; what was wrong."""
    known = list(Study.model_fields)
    mended, problems = dict(content), []
    for key in content:
        if isinstance(key, str) and key not in known and key not in FORMER_NAMES:
            problems.append(f"unknown key {key!r}{choices(key, known)}")
            _rename(mended, key, find_near(key, known))
    return mended, problems


def mend(content: Mapping[str, Any], catalog: Catalog) -> MendedStudy:
    """The study with the given keys, with every problem that it has; the content stays as it is."""
    left = copy.deepcopy(dict(content))
    catalog = replace(catalog, unusable=catalog.unusable | {UNKNOWN}, is_lenient=True)
    told: dict[str, None] = {}
    touched: set[tuple[str | int, ...]] = set()
    for _ in range(ROUNDS):
        try:
            study = Study.model_validate(left, context=catalog)
        except ValidationError as error:
            problems = find_problems_of(error, Study)
            told |= {each.text: None for each in problems if not each.follows or each.place[:2] not in touched}
            touched |= {each.place[:2] for each in problems}
            catalog = _take_out(left, problems, replace(catalog, is_reduced=True))
            continue
        unknown = {name for _, _, name, _ in find_unknown_parts(study, catalog)}
        told |= dict.fromkeys(find_problems(study, catalog))
        return MendedStudy(study, tuple(told), catalog.unusable | unknown)
    told |= dict.fromkeys(catalog.problems)
    return MendedStudy(None, tuple(told), catalog.unusable)


def _take_out(content: dict[str, Any], problems: Iterable[Problem], catalog: Catalog) -> Catalog:
    """Take what has problems out of the content; the catalog knows the names in it that are not usable."""
    unusable: set[str] = set()
    for problem in problems:
        section, rest = str(problem.place[0]) if problem.place else "", list(problem.place[1:])
        if section == "grid" and rest and isinstance(content.get("grid"), list):
            unusable |= _mend_entry(content["grid"], int(rest[0]), rest[1:], problem, catalog)
        elif section == "define" and isinstance(content.get("define"), dict):
            parts = content["define"]
            bad = [_find_key(parts, rest[0])] if rest else [name for name in parts if check_names({name: None})]
            unusable |= {str(name) for name in bad}
            content["define"] = {name: part for name, part in parts.items() if name not in bad}
        elif section == "data" and (not rest or rest[0] in ("name", "others")):
            unusable |= _find_names(content, "data", (*catalog.datasets, *catalog.unusable))
        elif rest and isinstance(content.get(section), dict) and section in ("data", "metrics", "recipe", "baseline"):
            if _find_key(content[section], rest[0]) in content[section]:
                _rename(content[section], rest[0], problem.near)
            elif content[section].pop("stop", None) is None:  # whose parts are keys of the recipe
                content.pop(section)
        else:
            content.pop(_find_key(content, section), None)
            if section in _STAND_INS:
                content[section] = copy.deepcopy(_STAND_INS[section])
            if section in ("splitter", "groups"):
                content.pop("groups", None)
                content["splitter"] = UNKNOWN
    return replace(catalog, unusable=catalog.unusable | unusable)


def _mend_entry(grid: list[Any], index: int, place: list[Any], problem: Problem, catalog: Catalog) -> set[str]:
    """Take a problem out of an entry, which stays at its place in the list; the unusable names of models."""
    entry = grid[index]
    if not isinstance(entry, dict):
        grid[index] = {"model": UNKNOWN}
        return set()
    key = _find_key(entry, place[0]) if place else ""
    if key == "model":
        return _find_names(entry, "model", (*catalog.models, *catalog.unusable))
    if key in entry and key not in _DESIGN:
        if key == "folds":
            entry["folds"] = 2  # what any data can be split into
        else:
            _rename(entry, key, problem.near)
    elif set(_DESIGN) & set(entry):
        for name in _DESIGN:
            entry.pop(name, None)
    else:
        entry["model"] = UNKNOWN
    return set()


def _find_names(mapping: dict[str, Any], key: str, known: Iterable[str]) -> set[str]:
    """The names at a key that nothing known has; where there are no names, one stands in for them."""
    given = mapping.get(key)
    if isinstance(given, dict):  # of data
        given = [given.get("name"), *(others if isinstance(others := given.get("others"), list) else [])]
    names = given if isinstance(given, list) else [given]
    texts = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    unknown = {name for name in texts if name not in known}
    if not unknown:  # they are wrong in another way
        mapping[key] = texts if len(texts) < len(names) and texts else UNKNOWN
    return unknown


def _find_key(mapping: Mapping[Any, Any], place: Any) -> Any:
    """The key at a place, which spells as text what is none, such as 3, and true as 1."""
    spelled = {new: old for old, new in FORMER_NAMES.items() if old in mapping}
    spelled |= {str(int(key) if isinstance(key, bool) else key): key for key in mapping}
    return spelled.get(str(place), place)


def _rename(mapping: dict[Any, Any], key: Any, name: str) -> None:
    """Give the key another name, at the end; without one, or if that is there, it is left out."""
    if (held := _find_key(mapping, key)) in mapping:
        value = mapping.pop(held)
        if name and name not in mapping:
            mapping[name] = value
