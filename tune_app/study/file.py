"""A YAML file and overrides in, a valid `Study` out, or one StudyError with everything that is wrong."""

import copy
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tune_app.errors import StudyError
from tune_app.study import Baseline, Catalog, Claim, DataChoice, GridEntry, Label, Recipe, Study, choices
from tune_app.study.mending import MendedStudy, mend, rename_unknown_keys
from tune_app.study.messages import LISTS, explain
from tune_app.study.plain_yaml import LONGEST_TEXT, PlainYamlError, read_yaml, write_yaml
from tune_app.study.schema import TableChoice

SHIPPED = Path(__file__).resolve().parents[1] / "studies"
_SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataChoice,
    "recipe": Recipe,
    "grid": GridEntry,
    "baseline": Baseline,
    "claims": Claim,
    "labels": Label,
    "tables": TableChoice,
}


def find_study_file(name: str) -> Path:
    """The path of a study file, or of a study that ships (`quick`, `report`)."""
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    path = Path(name)
    with suppress(OSError, ValueError):  # of a name that is none
        if stat.S_ISREG(mode := path.stat().st_mode) or stat.S_ISFIFO(mode):  # a pipe, such as a shell's <(…)
            return path
    if os.path.isdir(path):  # noqa: PTH112  # Path's own raises for a name that is too long
        raise StudyError(f"{name} is a folder; give the path of a .yaml file in it, or one of {', '.join(shipped)}")
    if path.suffix in (".yaml", ".yml") or "/" in name:
        siblings = [str(other) for other in sorted(path.parent.glob("*.y*ml"))] if os.path.isdir(path.parent) else []  # noqa: PTH112
        raise StudyError(f"study file {name} does not exist{choices(name, [*siblings, *shipped])}")
    raise StudyError(f"unknown study {name!r}{choices(name, shipped)}, or give the path of a .yaml file")


FindCatalog = Callable[[Mapping[str, Any]], Catalog]  # the content of a study → what it can name


def read_study(path: Path, overrides: Sequence[str] = (), catalog: Catalog | FindCatalog | None = None) -> Study:
    """The study in a YAML file after `key.key=value` overrides.

    Raises StudyError listing every problem, each with the place, the value, what is allowed and the remedy.
    """
    mended = mend_file(path, overrides, catalog)
    if mended.problems or mended.study is None:
        raise StudyError(mended.problems)
    return mended.study


def mend_file(path: Path, overrides: Sequence[str] = (), catalog: Catalog | FindCatalog | None = None) -> MendedStudy:
    """Every problem of a study file, and what is left of the study without them.

    Raises StudyError where the file cannot be read, or is no plain YAML.
    """
    try:
        with path.open("rb") as file:  # more than is read of a text need not be in memory
            content, twice = read_yaml(file.read(4 * LONGEST_TEXT + 4).decode())
    except OSError as error:
        raise StudyError(f"study file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"study file {path} is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except PlainYamlError as error:
        raise StudyError(f"study file {path} is not plain YAML: {error}") from error
    if not isinstance(content, dict):
        raise StudyError(f"study file {path} must hold a mapping with the keys {', '.join(Study.model_fields)}")
    told = [f"study file {path} is not plain YAML: {problem}" for problem in twice]
    return mend_content(content, overrides, catalog, told)


def build_study(
    content: Mapping[str, Any], overrides: Sequence[str] = (), catalog: Catalog | FindCatalog | None = None
) -> Study:
    """The study with the given keys after overrides, which leave `content` as it is; StudyError as `read_study`."""
    mended = mend_content(content, overrides, catalog)
    if mended.problems or mended.study is None:
        raise StudyError(mended.problems)
    return mended.study


def mend_content(
    content: Mapping[str, Any],
    overrides: Sequence[str] = (),
    catalog: Catalog | FindCatalog | None = None,
    told: Sequence[str] = (),
) -> MendedStudy:
    """Every problem of a study with these keys after overrides, and what is left of it; `told` come first."""
    changed = copy.deepcopy(dict(content))
    problems = [*told, *(problem for override in overrides for problem in _apply_override(changed, override))]
    if catalog is not None:
        changed, unknown = rename_unknown_keys(changed)
        problems += unknown
    known = catalog(changed) if callable(catalog) else catalog
    if known and known.signatures:
        changed["signatures"] = {name: signature.model_dump() for name, signature in known.signatures.items()}
    try:
        if not problems:
            return MendedStudy(Study.model_validate(changed, context=known))
    except ValidationError as error:
        if known is None:
            problems += explain(error, Study).problems
    if known is None:
        return MendedStudy(None, tuple(problems))
    mended = mend(changed, known)
    return replace(mended, problems=tuple(dict.fromkeys([*problems, *mended.problems])))


def build_yaml(study: Study) -> str:
    """The study as it was run, every default spelled out, as the text of a study file."""
    content = study.model_dump(mode="json", exclude_none=True)
    for name in (
        "define",
        "signatures",
        "groups",
        "metrics",
        "test",
        "families",
        "more",
        "tables",
    ):  # sections that most studies have not
        if content.get(name) in ({}, [], None, "auto", {"also": [], "keep_scores": False}):
            content.pop(name, None)
    return write_yaml(content)


def _apply_override(content: dict[str, Any], override: str) -> list[str]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        return [f"--set {override}: write key=value, such as recipe.epochs=1"]
    try:
        value, twice = read_yaml(text)
    except PlainYamlError:
        twice, value = ["not plain"], None
    if twice:
        return [f"--set {override}: the value {text!r} is not plain YAML"]
    place: Any = content
    *parents, last = key.split(".")
    for part in parents:
        place = _step(place, part)
        if place is None:
            return [
                f"--set {override}: {part!r} in {key!r} is no section and no entry (from 0) of a list; sections are "
                f"{', '.join(_SECTIONS)}"
            ]
    if isinstance(place, list) and last == "+":
        place.append(value)
        return []
    if isinstance(place, list):
        return [f"--set {override}: name a key inside the entry, such as grid.0.folds=4"]
    if not isinstance(place, dict):
        return [f"--set {override}: {key!r} leads through a value, not a section"]
    place[last] = value
    return []


def _step(place: Any, part: str) -> Any:
    if isinstance(place, list):
        return place[int(part)] if re.fullmatch("[0-9]{1,6}", part) and int(part) < len(place) else None
    if isinstance(place, dict):
        return place.setdefault(part, [] if part in LISTS else {}) if part in _SECTIONS else place.get(part)
    return None
