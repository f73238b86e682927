"""Processes below one that was started here: found by the kernel's own tables, ended by their ids alone."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NO_TRIALS = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent", "ray::Writer")


@dataclass(frozen=True)
class Process:
    """A process, told from a later one with its id by the moment of its start, in ticks since the machine's."""

    id: int
    born: str
    command: str

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is stopped; one that has ended and was not waited for does not."""
        state, _, born = _read_status(self.id)
        return born == self.born and state not in ("Z", "X")

    @property
    def is_trial(self) -> bool:
        """Whether it is an actor that runs trials."""
        return self.command.startswith("ray::") and not self.command.startswith(NO_TRIALS)

    def send(self, number: signal.Signals) -> None:
        """The signal; nothing to a process that has ended."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.id, number)


def find_below(root: int) -> list[Process]:
    """The living processes below `root`, children before their own."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            _, parent, _ = _read_status(int(path.name))
            parents.setdefault(parent, []).append(int(path.name))
    found, left = [], list(parents.get(root, ()))
    while left:
        child = left.pop(0)
        found.append(Process(child, _read_status(child)[2], _read_command(child)))
        left += parents.get(child, ())
    return [process for process in found if process.is_alive]


def end_all(processes: Sequence[Process], seconds: float) -> list[Process]:
    """Those that have not ended by themselves in that time, which are then killed."""
    until = time.monotonic() + seconds
    while any(process.is_alive for process in processes) and time.monotonic() < until:
        time.sleep(0.1)
    left = [process for process in processes if process.is_alive]
    for process in left:
        process.send(signal.SIGKILL)
    return left


def _read_status(process: int) -> tuple[str, int, str]:
    """State, parent and start; nothing of a process that is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[1]), fields[19]
    return "X", 0, ""


def _read_command(process: int) -> str:
    with contextlib.suppress(OSError):
        content = Path(f"/proc/{process}/cmdline").read_bytes()
        return content.replace(b"\0", b" ").decode(errors="replace").strip()
    return ""
