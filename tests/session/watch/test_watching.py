"""A real study watched while it runs, as a browser would: to its end, an interrupt, a kill, and on."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.folders import Folder, fits_on_disk, wait_for
from tune_app.session.watch.server import LOOPBACK, open_socket

LONG: dict[str, Any] = {"replicates": 4, "recipe": {"epochs": 30, "batch_size": 2}}


class Viewer:
    """The command with --watch in a process of its own, and what a browser gets of it; `state` is asked for again."""

    def __init__(self, folder: Folder, *options: str) -> None:
        self.process = folder.start("--watch", *options)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_for(self._find_url, self.process)
        self.url = self._find_url()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def _find_url(self) -> str:
        found = re.search(rf"Watch it at (http://{re.escape(LOOPBACK)}:\d+/\S+/)", "".join(self.lines))
        return found[1] if found else ""

    def fetch(self, name: str = "") -> bytes:
        with urllib.request.urlopen(self.url + name, timeout=60) as answer:
            return bytes(answer.read())

    def ask(self) -> dict[str, Any]:
        return dict(json.loads(self.fetch("state")))

    def ask_until(self, name: str, text: str = "") -> dict[str, Any]:
        """The first state that has this key, with such a text; a browser asks every two seconds."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            state = self.ask()
            if state.get(name) and text in json.dumps(state):
                return state
            time.sleep(0.2)
        raise AssertionError(f"no {name} in time; the command said {''.join(self.lines)}")

    def end(self) -> int:
        self.process.wait(120)
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        return self.process.returncode

    def is_gone(self) -> bool:
        try:
            self.fetch()
        except (urllib.error.URLError, ConnectionError):
            return True
        return False


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_what_is_served_at_the_end_is_the_file(tmp_path: Path, executor: str) -> None:
    folder = Folder(tmp_path, replicates=2, recipe={"epochs": 12, "batch_size": 5})
    viewer = Viewer(folder, "--executor", executor)
    assert b"Conditions, provisional" in viewer.fetch()
    state = viewer.ask_until("note")
    assert set(state["parts"]) >= {"progress", "running", "conditions", "failures", "schedule"}
    assert b"EVERY" in viewer.fetch("watch.js")
    viewer.ask_until("is_final")
    page = viewer.fetch()
    assert viewer.end() == 0
    assert page == (folder.results / "index.html").read_bytes()
    assert viewer.is_gone(), "it ends with the command"


@pytest.mark.slow
def test_an_interrupt_shows_what_there_is_and_the_same_command_is_watched_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path, **LONG)
    viewer = Viewer(folder, "--executor", "inline")
    wait_for(lambda: fits_on_disk(folder) >= 1, viewer.process)
    os.killpg(viewer.process.pid, signal.SIGINT)  # what a terminal does: the whole process group
    viewer.ask_until("is_final")
    page = viewer.fetch()
    assert viewer.end() == 130
    assert page == (folder.results / "index.html").read_bytes()
    assert "Traceback" not in "".join(viewer.lines)
    done = fits_on_disk(folder)
    again = Viewer(folder, "--executor", "inline")
    parts = again.ask_until("note", "of 24 fits")["parts"]  # what is served first knows of no fit yet
    assert f"<strong>{done} of 24 fits" in parts["progress"] or fits_on_disk(folder) > done
    os.killpg(again.process.pid, signal.SIGINT)
    assert again.end() == 130


@pytest.mark.slow
def test_a_killed_command_takes_what_it_serves_along(tmp_path: Path) -> None:
    folder = Folder(tmp_path, **LONG)
    viewer = Viewer(folder, "--executor", "inline")
    wait_for(lambda: fits_on_disk(folder) >= 1, viewer.process)
    viewer.process.kill()
    viewer.end()
    until = time.monotonic() + 60
    while not viewer.is_gone() and time.monotonic() < until:
        time.sleep(0.1)
    assert viewer.is_gone()


@pytest.mark.slow
def test_a_busy_port_leads_to_the_next_and_what_serves_may_die(tmp_path: Path) -> None:
    folder = Folder(tmp_path, recipe={"epochs": 12, "batch_size": 5})
    with open_socket(8480) as taken:
        port = taken.getsockname()[1]
        viewer = Viewer(folder, "--executor", "inline", "--watch-port", str(port))
        assert f":{port}/" not in viewer.url
        children = subprocess.run(["pgrep", "-P", str(viewer.process.pid)], capture_output=True, text=True, check=False)
        (serving,) = [pid for pid in children.stdout.split() if "watch" in read_command(pid)]
        os.kill(int(serving), signal.SIGKILL)
        assert viewer.end() == 0
    assert len(folder.scores()) == 6
    assert "the study goes on without it" in "".join(viewer.lines)


def read_command(pid: str) -> str:
    """What the process was called with; empty for one that has ended since it was listed."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.parametrize("other", ["--dry-run", "--check"])
def test_where_nothing_runs_nothing_can_be_watched(folder: Folder, capsys: Any, other: str) -> None:
    assert folder.run("--watch", other) == 2
    assert f"--watch shows a study while it runs, and {other} runs nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--watch", "--watch-port", "70000"], "a port is 1 to 65535"), (["--watch-port", "80"], "is for --watch")],
)
def test_ports_that_cannot_be_are_refused(folder: Folder, capsys: Any, options: list[str], told: str) -> None:
    assert folder.run(*options) == 2
    assert told in capsys.readouterr().err
