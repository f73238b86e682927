"""The process beside a run that reads its records and serves them: at low priority, and gone when the run is.

It is told by pickles on its standard input, from the process that started it: a `Start`, then a `Begin` for each run of
a study, states, and a `Finish` with the page that is on disk at the end.
"""

import contextlib
import json
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tune_app.records import RecordSet, read_records
from tune_app.records.results import Results
from tune_app.session.watch.content import (
    build_page,
    build_record_sections,
    build_state_sections,
    read_asset,
)
from tune_app.session.watch.server import Held, Site, serve

NICENESS = 19  # the fits come first
LEAST_SECONDS = 5.0  # from one look at the records to the next
SHARE = 0.1  # of the time, at most, that looks at the records take
LINGER_SECONDS = 6.0  # for browsers that watch to fetch the page at the end; they ask every two seconds
HTML, JSON = "text/html; charset=utf-8", "application/json; charset=utf-8"


@dataclass(frozen=True)
class Start:
    """Where to listen (a socket that is handed over), and what keeps others out."""

    listening: int
    token: str


@dataclass(frozen=True)
class Begin:
    """What to show: a study's results without records, the file that these are appended to, the trials that run."""

    results: Results
    records: Path
    selected: frozenset[str]


@dataclass(frozen=True)
class State:
    """What the run says of itself, as `content.build_state_sections` takes it."""

    content: Mapping[str, Any]


@dataclass(frozen=True)
class Finish:
    """The page that is on disk now."""

    page: Path


class Watch:
    """The site, and what it is made from."""

    def __init__(self, token: str) -> None:
        self.site = Site(token)
        self._lock = threading.Lock()
        self._begin: Begin | None = None
        self._parts: dict[str, str] = {}
        self._title = ""
        self._note = ""
        self._is_over = threading.Event()
        self._news = threading.Event()
        for name, kind in (("watch.css", "text/css"), ("watch.js", "text/javascript")):
            self.site.put(name, read_asset(name), f"{kind}; charset=utf-8")

    def begin(self, begin: Begin) -> None:
        empty = {"done": 0, "failed": 0, "total": 0, "elapsed": 0.0, "remaining": None, "phase": ""}
        with self._lock:
            self._begin = begin
            self._parts = build_state_sections({**empty, "running": [], "more": 0})
            self._parts |= build_record_sections(begin.results, begin.selected)
            self._title = begin.results.study.name
        self._publish()
        self._news.set()

    def state(self, state: State) -> None:
        content = state.content
        with self._lock:
            self._parts |= build_state_sections(content)
            name = self._begin.results.study.name if self._begin else ""
            self._title = f"{content['done']}/{content['total']} fits – {name}"
        self._publish()

    def finish(self, finish: Finish) -> None:
        """Serve the page on disk in place of this one, and wait for those who watch to fetch it."""
        self._is_over.set()
        final = json.dumps({"is_final": True})
        self.site.replace(
            {"": Held(finish.page.read_bytes(), HTML, has_policy=True), "state": Held(final.encode(), JSON)}
        )
        until = time.monotonic() + LINGER_SECONDS
        while time.monotonic() < min(until, self.site.asked + LINGER_SECONDS) and "" not in self.site.served:
            time.sleep(0.1)
        time.sleep(0.5)  # for what is on its way

    def run(self) -> None:
        """Look at the records as they grow, until the end."""
        seen: object = None
        pause = 0.0
        while not self._is_over.wait(pause):
            begin = self._begin
            if begin is None:
                self._news.wait(1.0)
                continue
            size = begin.records.stat().st_size if begin.records.exists() else 0
            if (begin, size) == seen:
                pause = 1.0
                continue
            seen, started = (begin, size), time.monotonic()
            self._look(begin)
            pause = max(LEAST_SECONDS, (time.monotonic() - started) / SHARE)

    def _look(self, begin: Begin) -> None:
        try:
            records = read_records(begin.records).records if begin.records.exists() else RecordSet()
            parts, note = (
                build_record_sections(replace(begin.results, records=records), begin.selected),
                f"As of {time.strftime('%H:%M:%S')}.",
            )
        except Exception as error:  # it is watched, no more: the study goes on, and the page says why it does not
            parts, note = {}, f"Not rebuilt at {time.strftime('%H:%M:%S')}: {type(error).__name__}: {error}"
        with self._lock:
            if begin is self._begin and not self._is_over.is_set():
                self._parts |= parts
                self._note = note
        self._publish()

    def _publish(self) -> None:
        with self._lock:
            if self._begin is None or self._is_over.is_set():
                return
            state = {"title": self._title, "note": self._note, "parts": self._parts}
            page = build_page(self._begin.results.study, self._parts)
            self.site.replace({"": Held(page.encode(), HTML), "state": Held(json.dumps(state).encode(), JSON)})


def main() -> None:
    """Serve until there is nothing more to be told."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    told = sys.stdin.buffer
    start: Start = pickle.load(told)  # noqa: S301  # from the process that started this one
    watch = Watch(start.token)
    listening = socket.socket(fileno=start.listening)
    is_serving = False
    threading.Thread(target=watch.run, daemon=True).start()
    with contextlib.suppress(EOFError, pickle.UnpicklingError):
        while True:
            message = pickle.load(told)  # noqa: S301
            if isinstance(message, Finish):
                watch.finish(message)
                return
            if isinstance(message, Begin):
                watch.begin(message)
                if not is_serving:  # a browser that came earlier has waited: there was nothing to show it
                    serve(listening, watch.site)
                is_serving = True
            else:
                watch.state(message)
