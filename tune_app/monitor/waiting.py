"""A line where nothing else is said: a command that is silent for long looks as if it had stopped."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

SECONDS = 3.0


def say_on_stderr(line: str) -> None:
    """Where standard output is what the command was asked for."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def say_while(
    report: Callable[[str], None], what: str, seconds: float = SECONDS, first: float | None = None
) -> Iterator[None]:
    """Report `what` with its duration every so many seconds, as long as the block runs; nothing for a short one.

    `first` are the seconds until the first line, where something else was silent before.
    """
    done, started = threading.Event(), time.monotonic()

    def say() -> None:
        wait = seconds if first is None else first
        while not done.wait(wait):
            wait = seconds
            report(f"{what} … ({time.monotonic() - started:.0f} s)")

    speaker = threading.Thread(target=say, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()
