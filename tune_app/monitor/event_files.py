"""TensorBoard's event files, written by the thread that reports.

tensorboardX gives each file a thread and a queue. On a full disk the thread dies with a traceback, the queue fills, and
whoever reports next waits for ever; here an OSError comes out where it can be told of.
"""

from pathlib import Path
from typing import Any

from tensorboardX import FileWriter, SummaryWriter
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.record_writer import directory_check


class _EventFile:
    """What `FileWriter` asks of tensorboardX's own `EventFileWriter`."""

    def __init__(self, folder: str, suffix: str) -> None:
        directory_check(folder)
        self._folder = folder
        self._events = EventsWriter(str(Path(folder) / "events"), suffix)
        self._is_open = True

    def get_logdir(self) -> str:
        return self._folder

    def add_event(self, event: Any) -> None:
        if self._is_open:
            self._events.write_event(event)

    def flush(self) -> None:
        if self._is_open:
            self._events.flush()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._events.close()


class _Files(FileWriter):  # type: ignore[misc]
    def __init__(self, folder: str, suffix: str) -> None:
        # Not the parent's: it starts a thread, and has Python close the file at the end whatever became of it.
        self.event_writer = _EventFile(folder, suffix)
        self._default_metadata: dict[str, Any] = {}


class EventWriter(SummaryWriter):  # type: ignore[misc]
    """A `SummaryWriter` without a thread: OSError from whatever is written, once the disk refuses it."""

    all_writers: Any
    file_writer: Any

    def _get_file_writer(self) -> FileWriter:
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = _Files(self.logdir, self._filename_suffix)
            self.all_writers = {self.logdir: self.file_writer}
        return self.file_writer
