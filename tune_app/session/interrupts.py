"""Signals: SIGTERM and SIGHUP end a study as Ctrl-C does; a second Ctrl-C does not break off what the first began."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from tune_app.monitor.signals import is_main_thread


@contextlib.contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt within; handlers are put back afterwards.

    What is ignored (SIGHUP below `nohup`) stays ignored.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if not is_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGTERM, interrupt)
    if before[signal.SIGHUP] != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_interrupts() -> None:
    """From here on, until `terminate_as_interrupt` ends, Ctrl-C and a terminal that closes do nothing."""
    if is_main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
