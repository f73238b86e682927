"""A study by its name, path or content, with the reported figures that it names."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tune_app.errors import ResultsError, StudyError
from tune_app.parts.catalog import build_catalog
from tune_app.parts.references import Scope
from tune_app.records import write_whole
from tune_app.records.results import Reference, read_reference
from tune_app.study import Catalog, Study
from tune_app.study.file import (
    SHIPPED,
    build_yaml,
    find_study_file,
    mend_content,
    mend_file,
)
from tune_app.study.file import (
    build_study as build_study_from,
)
from tune_app.study.file import (
    read_study as read_study_file,
)


@dataclass(frozen=True)
class FoundStudy:
    """A study that this installation can run, and its reference table.

    With `problems`, which are told when it is planned or run, the study is what is left without them; names that are
    `unusable` stand for nothing in it.
    """

    study: Study
    scope: Scope
    reference: Reference = field(default_factory=dict)
    reference_text: str = ""
    problems: tuple[str, ...] = ()
    unusable: frozenset[str] = frozenset()


def build_scope(path: Path | None, allow: Sequence[str] = ()) -> Scope:
    """Where a study's references may lead: beside its file; without one, or from a pipe, in the working directory."""
    return Scope(Path.cwd() if path is None or path.is_fifo() else path.resolve().parent, tuple(allow))


def _find_catalog(scope: Scope) -> Callable[[Mapping[str, Any]], Catalog]:
    return partial(build_catalog, scope=scope)


def read_study(name: str | Path, overrides: Sequence[str] = (), allow: Sequence[str] = ()) -> Study:
    """A study that ships (`quick`) or the one in a YAML file, after overrides such as `recipe.epochs=1`.

    Raises StudyError with everything that is wrong, unknown networks and data sets included.
    """
    path = find_study_file(str(name))
    return read_study_file(path, overrides, _find_catalog(build_scope(path, allow)))


def build_study(content: Mapping[str, Any] | Study, overrides: Sequence[str] = (), allow: Sequence[str] = ()) -> Study:
    """The study with these keys, which are those of a study file, after overrides such as `recipe.epochs=1`.

    Raises StudyError with everything that is wrong, unknown networks and data sets included. `Study(...)` checks
    everything but those two: they are checked when it is planned or run.
    """
    if isinstance(content, Study):
        content = content.model_dump(mode="json", exclude_none=True)
    return build_study_from(content, overrides, _find_catalog(build_scope(None, allow)))


def write_study(path: str | Path, study: Study) -> None:
    """Write a study file that `tune-grid` and `read_study` read, every default spelled out; ResultsError if it cannot.

    A table of reported figures that the study names stays where it is.
    """
    try:
        write_whole(Path(path), build_yaml(study))
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror}; choose another place") from error


def find_study(study: Study | str | Path, overrides: Sequence[str] = (), allow: Sequence[str] = ()) -> FoundStudy:
    """The study with its reference table, which lies beside the file or among those that ship.

    Raises StudyError for a study that nothing can be made of, or for a table that is not there, ResultsError for a
    table with mistakes. Other problems are in what is found, as more is known with the data.
    """
    if isinstance(study, Study):
        scope = build_scope(None, allow)
        beside, content = Path.cwd(), study.model_dump(mode="json", exclude_none=True)
        mended = mend_content(content, overrides, _find_catalog(scope))
    else:
        path = find_study_file(str(study))
        scope = build_scope(path, allow)
        beside = scope.root if path.is_fifo() else path.parent
        mended = mend_file(path, overrides, _find_catalog(scope))
    if mended.study is None:
        raise StudyError(mended.problems)
    study = mended.study
    try:
        reference, text = _find_reference(study.reference, beside)
    except (StudyError, ResultsError) as error:
        if not mended.problems:
            raise
        mended, reference, text = replace(mended, problems=(*mended.problems, str(error))), {}, ""
    return FoundStudy(study, scope, reference, text, mended.problems, mended.unusable)


def _find_reference(name: str | None, beside: Path) -> tuple[Reference, str]:
    """The reported figures in the table of that name, and its text; nothing without a name."""
    if name is None:
        return {}, ""
    for folder in (beside, SHIPPED):
        path = folder / name
        if os.path.isfile(path):  # noqa: PTH113  # Path's own raises for a name that is too long
            return read_reference(path), path.read_text(encoding="utf-8-sig")
    raise StudyError(
        f"reference: {name} is neither in {beside} nor among the tables that ship; put it there, name the "
        "study by the path of the file that it lies beside, or leave it out"
    )
