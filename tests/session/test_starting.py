"""Ray starts while the study is prepared: what is told, and what is left when that does not come to its end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.folders import ROOT, Folder, wait_for
from tune_app.errors import ResourceError
from tune_app.session import starting
from tune_app.session.options import RunOptions
from tune_app.session.starting import RayStart


def find_processes(root: int) -> dict[int, str]:
    """The descendants of a process: id → command line."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found, waiting = {root}, True
    while waiting:
        more = {id for id, parent in parents.items() if parent in found} - found
        found, waiting = found | more, bool(more)
    return {id: command for id in found - {root} if (command := read_command(id))}


def read_command(id: int) -> str:
    """Empty for a process that has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{id}/cmdline").read_text().replace("\0", " ")
    return ""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_ray_starts_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    folder = Folder(tmp_path)
    process = folder.start()
    started: dict[int, str] = {}

    def is_starting() -> bool:
        started.update(find_processes(process.pid))
        return any("gcs_server" in command for command in started.values())

    wait_for(is_starting, process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    assert "Interrupted" in out + err
    deadline = time.monotonic() + 60
    while left := {id: command for id, command in started.items() if read_command(id) == command}:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_without_a_dashboard_says_nothing_of_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path, replicates=8)
    process = folder.start("--no-dashboard")
    commands: set[str] = set()

    def has_tables() -> bool:
        commands.update(find_processes(process.pid).values())
        return (folder.results / "index.html").exists()

    wait_for(has_tables, process)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert "ashboard" not in out + err
    assert any("raylet" in command for command in commands)
    assert not any("dashboard.py" in command for command in commands)


@pytest.mark.slow
@pytest.mark.ray
def test_a_ray_that_cannot_start_is_a_sentence(folder: Folder) -> None:
    (folder.path / "file").touch()
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-m", "tune_app.grid", *folder.arguments()],
        cwd=ROOT,
        env={**kept, "RAY_TMPDIR": str(folder.path / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ResourceError: Ray does not come up on this machine: ")
    assert "run with --executor inline" in done.stderr


def test_a_ray_that_is_slow_to_come_up_is_told_of_while_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none of this machine's, but one that takes until it is told of."""
    told, lines = threading.Event(), []

    def import_ray() -> ModuleType:
        assert told.wait(60)
        raise ResourceError("it fails in the end")

    def report(line: str) -> None:
        lines.append(line)
        told.set()

    monkeypatch.setattr(starting, "_import_ray", import_ray)
    monkeypatch.setattr(starting, "SLOW_SECONDS", 0.01)
    start = RayStart(RunOptions(), None, {}, 1, lambda url, why: None, report)
    with pytest.raises(ResourceError, match="it fails in the end"):
        start.wait()
    start.join()
    assert lines == [
        "Ray has not come up for 0.01 s. This waits; Ctrl-C ends it, and --executor inline does without Ray."
    ]
