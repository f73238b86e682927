"""What an executor is given."""

from dataclasses import dataclass

from tune_app.plan.trials import PlannedTrial


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
        """The trial's id, with the folds (from 1) where they are not all of it."""
        return self.trial.id + self._suffix

    @property
    def name(self) -> str:
        """The trial's name, with the folds where they are not all of it."""
        return self.trial.name + self._suffix

    @property
    def _suffix(self) -> str:
        if len(self.folds) == self.trial.fits:
            return ""
        return ".folds-" + "-".join(str(fold + 1) for fold in self.folds)

    @property
    def trials(self) -> tuple[PlannedTrial, ...]:
        """The trial and those that share its training."""
        return (self.trial, *self.also)

    @property
    def threads(self) -> int:
        """CPU threads for torch: whole cores of the share, at least one."""
        return max(1, int(self.trial.share.cpus))

    def holds(self, trial: str, fold: int) -> bool:
        """Whether the fold of the trial is one of this item's."""
        return fold in self.folds and any(each.id == trial for each in self.trials)
