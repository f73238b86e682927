"""What `tune-report --verify` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tune_app.errors import ResultsError, TuneAppError
from tune_app.records import RECORDS_FILE
from tune_app.records.results import STUDY_FILE, read_results
from tune_app.session.verification.check import Check
from tune_app.session.verification.sources import check_ids, check_lines, check_predictions
from tune_app.session.verification.tables import check_tables


@dataclass(frozen=True)
class Verification:
    """What came of the checks of a results folder."""

    folder: Path
    checks: tuple[Check, ...]

    @property
    def is_right(self) -> bool:
        """Whether every check found everything right."""
        return all(check.is_right for check in self.checks)

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for everything that is wrong."""
        return tuple(f"{check.name}: {problem}" for check in self.checks for problem in check.problems)

    def describe(self) -> list[str]:
        """A line for each check, or several where it found something wrong."""
        return [line for check in self.checks for line in check.describe()]


def verify_results(
    folder: str | Path,
    *,
    rerun: int = 0,
    seed: int = 0,
    study: str | Path | None = None,
    allow: Sequence[str] = (),
    data: str | Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Verification:
    """Check a results folder: records by their checksums, ids by the study, tables by the records; nothing is written.

    `rerun` fits, drawn at random by `seed`, are trained again and compared. A study with parts of its own needs
    `study`, the file beside which they lie, and packages of `allow`: their code runs. `data` is where data sets are
    unpacked; `report` is given a line as soon as a check is through. Raises ResultsError for a folder that is none.
    """
    path = Path(folder)
    for name in (STUDY_FILE, RECORDS_FILE):
        if not (path / name).is_file():
            raise ResultsError(f"{path} is not a results folder: {name} is missing; give one such as results/quick")
    checks: list[Check] = []

    def add(check: Check) -> None:
        checks.append(check)
        for line in check.describe():
            report(line)

    try:
        results = read_results(path)
    except TuneAppError as error:
        add(Check("Files", "", (str(error),)))
        return Verification(path, tuple(checks))
    for check in (check_lines(path, results), check_ids(results), check_predictions(results)):
        add(check)
    try:
        add(check_tables(path, results))
    except TuneAppError as error:
        add(Check("Tables", "", (str(error),)))
    if rerun:
        from tune_app.session.verification.rerun import check_fits  # with torch

        places = Path(study) if study else None, Path(data) if data else None
        add(check_fits(results, rerun, seed, *places, allow, report))
    return Verification(path, tuple(checks))
