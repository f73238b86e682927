"""One record in: to disk, then to every monitor."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from tune_app.records import Record, RecordStore
from tune_app.records.environments import Environment, build_key

if TYPE_CHECKING:
    from tune_app.plan.work import WorkItem

logger = logging.getLogger(__name__)

NoteEnvironments = Callable[[Mapping[str, Environment]], None]  # by key


class Monitor(Protocol):
    """Something that watches a study run."""

    def item_started(self, item: "WorkItem") -> None: ...

    def record(self, record: Record) -> None: ...

    def item_ended(self, item: "WorkItem") -> None: ...

    def close(self) -> None: ...


class Callback:
    """A monitor that does nothing: derive from it and override what you want to know.

    Its methods are called in the process that runs the study, one at a time, whatever the executor. One that raises is
    dropped with a warning, and the study continues; KeyboardInterrupt stops the study as Ctrl-C does.
    """

    def environment(self, environment: Environment) -> None:
        """Where fits run that an executor hands over by itself; a study notes it, and tells its callbacks nothing."""

    def item_started(self, item: "WorkItem") -> None:
        """The item's first fold is about to run. `item` has the trial, its folds, its `name`."""

    def record(self, record: Record) -> None:
        """An epoch or a fold has ended; the record is on disk already."""

    def item_ended(self, item: "WorkItem") -> None:
        """No more records of the item will come."""

    def close(self) -> None:
        """The run is over."""


class RecordFlow:
    """The store must take every record, or the run ends; a monitor that fails is dropped with one warning.

    `note` is given each environment once, before the first record that names it.
    """

    def __init__(self, store: RecordStore, monitors: Sequence[Monitor], note: NoteEnvironments | None = None) -> None:
        self._store = store
        self._monitors = list(monitors)
        self._note = note
        self._noted: set[str] = set()

    def item_started(self, item: "WorkItem") -> None:
        self._notify(lambda monitor: monitor.item_started(item))

    def environment(self, environment: Environment) -> None:
        key = build_key(environment)
        if self._note and key not in self._noted:
            self._note({key: environment})
        self._noted.add(key)

    def record(self, record: Record) -> None:
        self._store.append(record)
        self._notify(lambda monitor: monitor.record(record))

    def item_ended(self, item: "WorkItem") -> None:
        self._notify(lambda monitor: monitor.item_ended(item))

    def close(self) -> None:
        self._notify(lambda monitor: monitor.close())

    def _notify(self, message: Callable[[Monitor], None]) -> None:
        for monitor in tuple(self._monitors):
            try:
                message(monitor)
            except Exception as error:  # watching must not end a study: say what broke, and continue without it
                self._monitors.remove(monitor)
                logger.warning("%s stopped: %s: %s", type(monitor).__name__, type(error).__name__, error)
