"""Interrupts that wait until a file is in order again."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the end; then the handlers that were there get the first one.

    An event file whose writer is broken off while it closes would raise at the end of the process.
    """
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread alone
        yield
        return
    came: list[int] = []
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not None]
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(signal.Signals(came[0]))
