"""What an executor is given, and what it tells."""

from dataclasses import dataclass
from typing import Protocol

from tune_app.plan import PlannedTrial
from tune_app.records import FoldRecord, Record


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


def build_lost_fold(trial: PlannedTrial, fold: int, error_type: str, error_message: str, started: float) -> FoldRecord:
    """The record of a fold whose process ended without one."""
    return FoldRecord(
        trial=trial.id,
        replicate=trial.spec.replicate,
        fold=fold,
        status="failed",
        epochs=0,
        test_loss=None,
        test_accuracy=None,
        test_predictions=None,
        best_epoch=None,
        started=started,
        fit_seconds=0.0,
        peak_memory_bytes=None,
        device="unknown",
        host="unknown",
        error_type=error_type,
        error_message=error_message[:2000],
    )
