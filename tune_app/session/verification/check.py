"""One check of a results folder, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_TOLD = 5  # problems of a check that are spelled out


@dataclass(frozen=True)
class Check:
    """`told` is a sentence on what was found right, `problems` are sentences on what was not."""

    name: str
    told: str
    problems: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems

    def describe(self) -> list[str]:
        """A sentence where all is right, else the first problems, each as a line."""
        if self.is_right:
            return [f"{self.name}: {self.told}"]
        more = len(self.problems) - MOST_TOLD
        lines = [f"{self.name}: WRONG. {_make_printable(problem)}" for problem in self.problems[:MOST_TOLD]]
        return [*lines, f"{self.name}: WRONG. {more:,} more of the kind."] if more > 0 else lines


def _make_printable(text: str) -> str:
    """Without what a terminal would obey: the files checked are a stranger's."""
    return "".join(character if character.isprintable() else "�" for character in text)


def name_fit(trial: str, fold: int) -> str:
    """A fit as sentences call it; folds count from 1."""
    return f"{trial} fold {fold + 1}"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 fit`, `1,200 fits`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def join_names(names: Sequence[str], most: int = MOST_TOLD) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
