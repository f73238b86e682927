"""A YAML file and overrides in, a valid `Study` out, or one StudyError with everything that is wrong."""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tune_app.errors import StudyError
from tune_app.study import Baseline, Catalog, Claim, DataChoice, GridEntry, Label, Recipe, Study, choices
from tune_app.study.messages import LISTS, explain

SHIPPED = Path(__file__).resolve().parents[1] / "studies"
_SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataChoice,
    "recipe": Recipe,
    "grid": GridEntry,
    "baseline": Baseline,
    "claims": Claim,
    "labels": Label,
}


def find_study_file(name: str) -> Path:
    """The path of a study file, or of a study that ships (`quick`, `report`)."""
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        raise StudyError(f"{name} is a folder; give the path of a .yaml file in it, or one of {', '.join(shipped)}")
    if path.suffix in (".yaml", ".yml") or "/" in name:
        siblings = [str(other) for other in sorted(path.parent.glob("*.y*ml"))] if path.parent.is_dir() else []
        raise StudyError(f"study file {name} does not exist{choices(name, [*siblings, *shipped])}")
    raise StudyError(f"unknown study {name!r}{choices(name, shipped)}, or give the path of a .yaml file")


FindCatalog = Callable[[Mapping[str, Any]], Catalog]  # the content of a study → what it can name


def read_study(path: Path, overrides: Sequence[str] = (), catalog: Catalog | FindCatalog | None = None) -> Study:
    """The study in a YAML file after `key.key=value` overrides.

    Raises StudyError listing every problem, each with the place, the value, what is allowed and the remedy.
    """
    try:
        content = _load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"study file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"study file {path} is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise StudyError(f"study file {path} is not plain YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise StudyError(f"study file {path} must hold a mapping with the keys {', '.join(Study.model_fields)}")
    return build_study(content, overrides, catalog)


def build_study(
    content: Mapping[str, Any], overrides: Sequence[str] = (), catalog: Catalog | FindCatalog | None = None
) -> Study:
    """The study with the given keys after overrides, which leave `content` as it is; StudyError as `read_study`."""
    changed = copy.deepcopy(dict(content))
    problems = [problem for override in overrides for problem in _apply_override(changed, override)]
    known = catalog(changed) if callable(catalog) else catalog
    if known and known.signatures:
        changed["signatures"] = {name: signature.model_dump() for name, signature in known.signatures.items()}
    try:
        study = Study.model_validate(changed, context=known)
    except ValidationError as error:
        raise StudyError([*problems, *explain(error, Study).problems]) from None
    if problems:
        raise StudyError(problems)
    return study


class _Loader(yaml.SafeLoader):
    """Plain YAML in which a mapping names each key once: of two, YAML's own rule keeps the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, (key, (place, _)) in enumerate(zip(keys, node.value, strict=True)):
            if key in keys[:index]:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is given twice", problem_mark=place.start_mark)
        return super().construct_mapping(node, deep)


def _load_yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a SafeLoader


def build_yaml(study: Study) -> str:
    """The study as it was run, every default spelled out, as the text of a study file."""
    content = study.model_dump(mode="json", exclude_none=True)
    for name in ("define", "signatures", "groups", "metrics", "test"):  # sections that most studies have not
        if content.get(name) in ({}, None, "auto", {"also": [], "keep_scores": False}):
            content.pop(name, None)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _apply_override(content: dict[str, Any], override: str) -> list[str]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        return [f"--set {override}: write key=value, such as recipe.epochs=1"]
    try:
        value = _load_yaml(text)
    except (yaml.YAMLError, ValueError):
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
