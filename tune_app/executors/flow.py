"""What an executor reports, and to whom."""

from typing import Protocol

from tune_app.plan import WorkItem
from tune_app.records import Record
from tune_app.records.environments import Environment


class Flow(Protocol):
    """Where an executor sends what happens, in this process, one call at a time."""

    def item_started(self, item: WorkItem) -> None: ...

    def environment(self, environment: Environment) -> None:
        """Fits run there; told before the first record that names it by its key, and perhaps again."""

    def record(self, record: Record) -> None: ...

    def item_ended(self, item: WorkItem) -> None: ...
