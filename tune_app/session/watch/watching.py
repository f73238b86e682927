"""A run's side of being watched: the process that serves is started, told, and let go."""

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from tune_app.data import Data
from tune_app.errors import ResourceError
from tune_app.monitor.progress import Progress
from tune_app.parts.splits import build_limit
from tune_app.records import RECORDS_FILE, EpochRecord, FoldRecord, Record, RecordSet
from tune_app.records.results import Results, TestSet
from tune_app.session.kept import find_looks
from tune_app.session.watch.process import LINGER_SECONDS, Begin, Finish, Start, State
from tune_app.session.watch.server import LOOPBACK, PORT, build_token, open_socket
from tune_app.study import Study
from tune_app.study.seeds import build_seed

if TYPE_CHECKING:
    from tune_app.plan.work import WorkItem
    from tune_app.session.session import Session

EVERY_SECONDS = 1.0  # a state is told
MOST_RUNNING = 60  # items that are told of
CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from tune_app.session.watch import process; process.main()"
)


class Watching:
    """The process that serves, which nobody waits for: whatever becomes of it, the study goes on."""

    def __init__(self, port: int | None, report: Callable[[str], None]) -> None:
        """Listen on this port, or the next that is free; ResourceError if there is none."""
        try:
            listening = open_socket(port or PORT)
        except OSError as error:
            raise ResourceError(
                f"--watch: no port from {port or PORT} on is free ({error.strerror}); name another"
            ) from error
        token = build_token()
        self.url = f"http://{LOOPBACK}:{listening.getsockname()[1]}/{token}/"
        self._report = report
        self._lock = threading.Lock()
        self._messages: list[Any] = [Start(listening.fileno(), token)]
        self._ask: Callable[[], State] | None = None
        self._news, self._is_over = threading.Event(), threading.Event()
        with listening:
            self._process = subprocess.Popen(
                [sys.executable, "-c", CODE, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
                start_new_session=True,  # Ctrl-C is for the study, which tells when it is over
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )
        self._teller = threading.Thread(target=self._tell, name="watch", daemon=True)
        self._teller.start()

    def begin(self, results: Results, records: Path, progress: Progress) -> "WatchMonitor":
        """Show this study's records; the monitor must be told what the run does."""
        monitor = WatchMonitor(progress)
        with self._lock:
            self._messages.append(Begin(results, records, frozenset(progress.trials)))
            self._ask = monitor.build_state
        self._news.set()
        return monitor

    def finish(self, page: Path) -> None:
        """Serve this file from now on."""
        with self._lock:
            self._ask = None
            self._messages.append(Finish(page))
        self._news.set()

    def close(self) -> None:
        """Let it go: those who watch have a few seconds to fetch what is there in the end."""
        self._is_over.set()
        self._news.set()
        try:
            self._teller.join(LINGER_SECONDS)
            self._process.wait(LINGER_SECONDS + 2)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()

    def _tell(self) -> None:
        """Hand on what there is: here, so that a process that does not listen holds nobody up."""
        told = cast("IO[bytes]", self._process.stdin)
        try:
            while True:
                self._news.wait(EVERY_SECONDS)
                is_over = self._is_over.is_set()
                with self._lock:
                    self._news.clear()
                    messages, self._messages = self._messages, []
                    ask = self._ask
                for message in [*messages, *([ask()] if ask else [])]:
                    pickle.dump(message, told)
                told.flush()
                if is_over:
                    told.close()
                    return
        except Exception:  # a pipe that is broken, whatever broke it
            if not self._is_over.is_set():
                self._report("The process that serves the page has ended; the study goes on without it.")


def watch_session(session: "Session", datasets: Mapping[str, Data]) -> Callable[[Progress], "WatchMonitor"] | None:
    """What shows a run of the session's study, given its progress; None where nobody is to watch."""
    if not session.options.watch:
        return None
    if session.watching is None:
        session.watching = Watching(session.options.watch_port, session.report)
        session.report(f"Watch it at {session.watching.url}")
    found = session.found
    results = Results(session.study, RecordSet(), found.reference, looks=find_looks(session))
    results = replace(results, test=_build_labels(session.study, datasets))
    return partial(session.watching.begin, results, session.folder / RECORDS_FILE)


def _build_labels(study: Study, datasets: Mapping[str, Data]) -> TestSet | None:
    """The labels of the test images, without pictures; None where there is no one test part of classes."""
    data = next(iter(datasets.values()))
    if len(datasets) > 1 or data.task != "classification" or data.test is None or study.test == "none":
        return None
    positions = build_limit(data.test_part.targets, study.data.test_images, build_seed(study.seed, "limit"))
    nothing = np.empty((0, 1, 1), np.uint8), np.empty(0, np.int64)
    return TestSet(data.test_part.targets[positions], positions, *nothing)


@dataclass
class _Item:
    item: "WorkItem"
    last: Record | None = None
    heard: float = 0.0  # seconds since the command began


@dataclass
class WatchMonitor:
    """What runs, for whoever asks from another thread."""

    progress: Progress
    phase: str = ""
    _items: dict[str, _Item] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def item_started(self, item: "WorkItem") -> None:
        with self._lock:
            self.progress.item_started(item)
            self._items[item.id] = _Item(item, heard=self.progress.elapsed)

    def record(self, record: Record) -> None:
        with self._lock:
            for item in self.progress.find_items(record):
                found = self._items[item.id]
                found.last, found.heard = record, self.progress.elapsed
            self.progress.record(record)

    def item_ended(self, item: "WorkItem") -> None:
        with self._lock:
            self.progress.item_ended(item)
            self._items.pop(item.id, None)

    def close(self) -> None:
        with self._lock:
            self._items.clear()
            self.phase = "Tables, figures and page are being written."

    def build_state(self) -> State:
        with self._lock:
            progress = self.progress
            return State(
                {
                    "done": progress.done,
                    "failed": progress.failed,
                    "total": progress.total,
                    "elapsed": progress.elapsed,
                    "remaining": progress.remaining,
                    "phase": self.phase,
                    "running": [self._spell(each) for each in list(self._items.values())[:MOST_RUNNING]],
                    "more": max(0, len(self._items) - MOST_RUNNING),
                }
            )

    def _spell(self, each: _Item) -> dict[str, Any]:
        watched, last = self.progress.trials[each.item.trial.id], each.last
        epoch, score = "–", None
        if isinstance(last, EpochRecord):
            fold, epoch, score = last.fold, f"{last.epoch}/{watched.epochs}", last.score(watched.validation)
        elif isinstance(last, FoldRecord):
            fold = next((fold for fold in each.item.folds if fold > last.fold), each.item.folds[-1])
        else:
            fold = each.item.folds[0]
        place = {"label": watched.title, "fold": f"{fold + 1}/{watched.folds}", "epoch": epoch, "score": score}
        return place | {"seconds": self.progress.elapsed - each.heard}
