"""The exception tree: every error that a user can cause or mend.

TuneAppError
├── StudyError      a study, an override or a selection is wrong
├── DataError       a data set is missing, damaged or cannot be fetched
├── ResourceError   no node has the share that a trial asks for, there is no such device, or no Ray
├── ClusterError    the cluster is lost in mid-study; the same command resumes
├── RecordError     records cannot be read or written, or are from another schema
├── ResultsError    a results folder or a kept network cannot be read or written
├── ExportError     a figure cannot be drawn; the tables are written all the same
├── FitError        a fit cannot continue (a loss that is not finite)
└── RefusedError    a number that must not be given; its message stands in its place
"""

import difflib
from collections.abc import Iterable

MOST_PROBLEMS = 100  # that are told at once
LONGEST_LINE = 2000  # characters of one; a value may be a text without end


class TuneAppError(Exception):
    """The root; its message states the rule, the value, what is allowed and the remedy."""


class StudyError(TuneAppError):
    """One or more things are wrong with a study; `problems` lists all of them."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        found = (problems,) if isinstance(problems, str) else tuple(problems)
        more = (f"… and {len(found) - MOST_PROBLEMS} more problems",) if len(found) > MOST_PROBLEMS else ()
        self.problems = (*map(_cut, found[:MOST_PROBLEMS]), *more)
        super().__init__("\n".join(self.problems))


class DataError(TuneAppError):
    """A data set is missing, damaged or cannot be fetched; the message names the file and the remedy."""


class ResourceError(TuneAppError):
    """A trial asks for more than any node has."""


class ClusterError(TuneAppError):
    """Ray does not come up, or the cluster is lost in mid-study; what is recorded stays, and the same call resumes."""


class RecordError(TuneAppError):
    """A record file cannot be used as it is."""


class ResultsError(TuneAppError):
    """A results folder or a kept network cannot be read or written."""


class ExportError(TuneAppError):
    """A figure cannot be drawn."""


class FitError(TuneAppError):
    """A fit cannot continue; it becomes a failed `FoldRecord`, and the study runs on."""


class RefusedError(TuneAppError):
    """A number that must not be given; the message is the sentence that stands in its place."""


def _cut(problem: str) -> str:
    """The problem without the middle of lines that are too long; what is allowed and the remedy stand at the end."""
    half = LONGEST_LINE // 2
    lines = (line if len(line) <= LONGEST_LINE else f"{line[:half]} … {line[-half:]}" for line in problem.split("\n"))
    return "\n".join(lines)


def choices(value: str, allowed: Iterable[str]) -> str:
    """The tail of an error message: a near match if there is one, then everything allowed."""
    names = list(allowed)
    near = find_near(value, names)
    return (f"; did you mean {near!r}?" if near else ";") + f" choose from {', '.join(names)}"


def find_near(value: str, allowed: Iterable[str]) -> str:
    """The allowed name that was probably meant, empty if there is none."""
    return next(iter(difflib.get_close_matches(value, list(allowed), n=1)), "")


def describe_error(error: Exception) -> str:
    """The error's type and the first line of its message: those of torch fill pages."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
