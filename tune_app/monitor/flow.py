"""One record in: to disk, then to every monitor."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from tune_app.records import Record, RecordStore

logger = logging.getLogger(__name__)


class Monitor(Protocol):
    """Something that watches a study run."""

    def trial_started(self, trial: str) -> None: ...

    def record(self, record: Record) -> None: ...

    def trial_ended(self, trial: str) -> None: ...

    def close(self) -> None: ...


class Callback:
    """A monitor that does nothing: derive from it and override what you want to know.

    Its methods are called in the process that runs the study, one at a time. One that raises is dropped with a warning.
    """

    def trial_started(self, trial: str) -> None:
        """The trial's first fold is about to run."""

    def record(self, record: Record) -> None:
        """An epoch or a fold has ended; the record is on disk already."""

    def trial_ended(self, trial: str) -> None:
        """No more records of the trial will come in this run."""

    def close(self) -> None:
        """The run is over."""


class RecordFlow:
    """The store must take every record, or the run ends; a monitor that fails is dropped with one warning."""

    def __init__(self, store: RecordStore, monitors: Sequence[Monitor]) -> None:
        self._store = store
        self._monitors = list(monitors)

    def trial_started(self, trial: str) -> None:
        self._tell(lambda monitor: monitor.trial_started(trial))

    def record(self, record: Record) -> None:
        self._store.append(record)
        self._tell(lambda monitor: monitor.record(record))

    def trial_ended(self, trial: str) -> None:
        self._tell(lambda monitor: monitor.trial_ended(trial))

    def close(self) -> None:
        self._tell(lambda monitor: monitor.close())

    def _tell(self, message: Callable[[Monitor], None]) -> None:
        for monitor in tuple(self._monitors):
            try:
                message(monitor)
            except Exception as error:  # watching must not end a study: say what broke, and go on without it
                self._monitors.remove(monitor)
                logger.warning("%s stopped: %s: %s", type(monitor).__name__, type(error).__name__, error)
