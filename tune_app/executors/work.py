"""What an executor is given, and what it tells."""

from dataclasses import dataclass
from typing import Protocol

from tune_app.plan import PlannedTrial
from tune_app.records import Record


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


class Flow(Protocol):
    """Where an executor sends what happens, in this process, one call at a time."""

    def trial_started(self, trial: str) -> None: ...

    def record(self, record: Record) -> None: ...

    def trial_ended(self, trial: str) -> None: ...
