"""Interrupts that wait until a file is in order again."""

import contextlib
import signal
import threading
from collections.abc import Iterator

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def is_main_thread() -> bool:
    """Whether this is the thread that signals belong to."""
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP wait until the end; then the handlers that were there get the first one.

    An event file whose writer is broken off while it closes would raise at the end of the process.
    """
    if not is_main_thread():
        yield
        return
    came: list[int] = []
    numbers = [number for number in ENDING if signal.getsignal(number) not in (None, signal.SIG_IGN)]
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(signal.Signals(came[0]))
