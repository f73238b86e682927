"""A command, run to its end: wall time, peak memory of its whole process tree, what it printed. Linux only."""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Measured:
    """One run of a command; `peak_memory_bytes` is the largest sampled sum of proportional set sizes (PSS).

    `started` is in seconds since 1970, as in records.
    """

    started: float
    wall_seconds: float
    peak_memory_bytes: int
    exit_code: int
    stdout: str
    stderr: str


def run_measured(command: Sequence[str]) -> Measured:
    """Run `command` in the repository's root; the clock covers its imports, its start and its end."""
    # Files, not pipes: a daemon that outlives the command would hold a pipe open.
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        started, begun = time.time(), time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=stderr, text=True) as process:
            peaks, done = [0], threading.Event()

            def sample() -> None:
                while not done.wait(SAMPLE_SECONDS):
                    peaks.append(read_tree_memory(process.pid))

            sampler = threading.Thread(target=sample)
            sampler.start()
            try:
                exit_code = process.wait()
                wall_seconds = time.perf_counter() - begun
            finally:
                done.set()
                sampler.join()
                process.terminate()  # where the wait was interrupted; one that has ended is left alone
        texts = []
        for output in (stdout, stderr):
            output.seek(0)
            texts.append(output.read())
    return Measured(started, wall_seconds, max(peaks), exit_code, texts[0], texts[1])


def end_on_sigterm() -> None:
    """Let SIGTERM end this process by way of SystemExit, so that the command being measured is ended too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def read_tree_memory(root: int) -> int:
    """Bytes of PSS of process `root` and all its descendants: pages that several share count once in the sum."""
    children: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            children[int(path.read_text().rpartition(")")[2].split()[1])].append(int(path.parent.name))
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        waiting += children[process]
        with suppress(OSError):
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total
