"""A study by its name or path, with the reported figures that it names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tune_app.errors import StudyError
from tune_app.parts.catalog import build_catalog
from tune_app.records.results import Reference, read_reference
from tune_app.study import Study
from tune_app.study.file import SHIPPED, find_study_file
from tune_app.study.file import read_study as read_study_file


@dataclass(frozen=True)
class FoundStudy:
    """A study that this installation can run, and its reference table."""

    study: Study
    reference: Reference = field(default_factory=dict)
    reference_text: str = ""


def read_study(name: str | Path, overrides: Sequence[str] = ()) -> Study:
    """A study that ships (`quick`) or the one in a YAML file, after overrides such as `recipe.epochs=1`.

    Raises StudyError with everything that is wrong, unknown networks and data sets included.
    """
    return read_study_file(find_study_file(str(name)), overrides, build_catalog())


def find_study(study: Study | str | Path, overrides: Sequence[str] = ()) -> FoundStudy:
    """The study with its reference table, which lies beside the file or among those that ship.

    Raises StudyError for a bad study or a table that is not there, ResultsError for a table with mistakes.
    """
    if isinstance(study, Study):
        beside = Path.cwd()
    else:
        path = find_study_file(str(study))
        beside, study = path.parent, read_study_file(path, overrides, build_catalog())
    if study.reference is None:
        return FoundStudy(study)
    for folder in (beside, SHIPPED):
        path = folder / study.reference
        if path.is_file():
            return FoundStudy(study, read_reference(path), path.read_text(encoding="utf-8"))
    raise StudyError(
        f"reference: {study.reference} is neither in {beside} nor among the tables that ship; put it beside the "
        "study, or leave it out"
    )
