"""What an executor is given."""

from collections.abc import Iterable
from dataclasses import dataclass

from tune_app.plan.trials import PlannedTrial

MOST_RANGES = 4  # that are spelled out


@dataclass(frozen=True)
class WorkItem:
    """A trial and those of its folds that are to run together; `also` are trials that share its training.

    The folds of a trial may be spread over several items, which run in any order and at the same time, unless they
    depend on each other.
    """

    trial: PlannedTrial
    folds: tuple[int, ...]
    also: tuple[PlannedTrial, ...] = ()

    @property
    def id(self) -> str:
        """The trial's id, with the folds (from 1) where they are not all of it; items that share no fold differ."""
        return self.trial.id + self._suffix

    @property
    def name(self) -> str:
        """The trial's name, with the folds where they are not all of it; fit for a folder, however many they are."""
        return self.trial.name + self._suffix

    @property
    def _suffix(self) -> str:
        if len(self.folds) == self.trial.fits:
            return ""
        return f".folds-{_spell_folds(self.folds)}"

    @property
    def trials(self) -> tuple[PlannedTrial, ...]:
        """The trial and those that share its training."""
        return (self.trial, *self.also)

    @property
    def threads(self) -> int:
        """CPU threads for torch: whole cores of the share, at least one."""
        return max(1, int(self.trial.share.cpus))


def _spell_folds(folds: Iterable[int]) -> str:
    """`1,3-5`: folds from 1, as ranges of pages are written; of many ranges the first, and how many folds follow."""
    ranges: list[list[int]] = []
    for fold in sorted(folds):
        if ranges and fold == ranges[-1][-1] + 1:
            ranges[-1].append(fold)
        else:
            ranges.append([fold])
    shown = [f"{each[0] + 1}-{each[-1] + 1}" if len(each) > 1 else f"{each[0] + 1}" for each in ranges[:MOST_RANGES]]
    more = sum(map(len, ranges[MOST_RANGES:]))
    return ",".join([*shown, f"and-{more}-more"] if more else shown)
