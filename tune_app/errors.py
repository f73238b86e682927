"""The exception tree: every error that a user can cause or mend.

TuneAppError
├── StudyError      a study, an override or a selection is wrong
├── ResourceError   a trial asks for a share that no node has
├── RecordError     a record file is damaged, foreign or from another schema
├── ResultsError    a results folder cannot be read or written
└── FitError        a fit cannot go on (a loss that is not finite)

`data.DataError` stands apart, because `data` imports nothing of `tune_app`.
"""

from collections.abc import Iterable


class TuneAppError(Exception):
    """The root; its message states the rule, the value, what is allowed and the remedy."""


class StudyError(TuneAppError):
    """One or more things are wrong with a study; `problems` lists all of them."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ResourceError(TuneAppError):
    """A trial asks for more than any node has."""


class RecordError(TuneAppError):
    """A record file cannot be used as it is."""


class ResultsError(TuneAppError):
    """A results folder cannot be read or written."""


class FitError(TuneAppError):
    """A fit cannot go on; it becomes a failed `FoldRecord`, and the study goes on."""
