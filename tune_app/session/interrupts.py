"""Signals: SIGTERM ends a study as Ctrl-C does, and a second Ctrl-C does not break off what the first one began."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from tune_app.monitor.signals import is_main_thread


@contextlib.contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt within; both handlers are put back afterwards."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if not is_main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


def ignore_interrupts() -> None:
    """From here on, until `terminate_as_interrupt` ends, Ctrl-C does nothing."""
    if is_main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
