"""What an executor reports, and to whom."""

from typing import Protocol

from tune_app.records import Record


class Flow(Protocol):
    """Where an executor sends what happens, in this process, one call at a time."""

    def trial_started(self, trial: str) -> None: ...

    def record(self, record: Record) -> None: ...

    def trial_ended(self, trial: str) -> None: ...
