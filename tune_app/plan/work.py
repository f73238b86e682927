"""What an executor is given."""

from dataclasses import dataclass

from tune_app.plan.trials import PlannedTrial


@dataclass(frozen=True)
class WorkItem:
    """A trial and those of its folds that are still to run; `also` are trials that share its training."""

    trial: PlannedTrial
    folds: tuple[int, ...]
    also: tuple[PlannedTrial, ...] = ()

    @property
    def trials(self) -> tuple[PlannedTrial, ...]:
        return (self.trial, *self.also)

    @property
    def threads(self) -> int:
        """CPU threads for torch: whole cores of the share, at least one."""
        return max(1, int(self.trial.cpus))
