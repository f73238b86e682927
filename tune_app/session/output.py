"""Standard output whose reader may leave and whose disk may be full; commands that can be typed as they are printed."""

import contextlib
import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TextIO, cast

from tune_app.data.caches import ensure_home

EXIT_BAD_INPUT = 2
Given = ParamSpec("Given")


def as_command(main: Callable[Given, int]) -> Callable[Given, int]:
    """`main` as a command runs it: with output that never raises, a home, and only where Python can draw figures."""

    @functools.wraps(main)
    def run(*arguments: Given.args, **named: Given.kwargs) -> int:
        with steady_output():
            ensure_home()
            if obstacle := find_obstacle():
                sys.stderr.write(f"{obstacle}\n")
                return EXIT_BAD_INPUT
            return main(*arguments, **named)

    return run


def join_command(line: str) -> str:
    """A sentence and the command that it ends with, which stands on a line of its own, as one line."""
    return line.replace("\n  ", " ")


def quote_argument(text: str) -> str:
    """The text as one argument of a shell's command; bytes that are no UTF-8 are spelled as bash reads them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        plain = {byte for byte in range(32, 127) if chr(byte) not in "'\\"}
        return "$'" + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(text)) + "'"
    return shlex.quote(text)


def find_obstacle() -> str:
    """Why this process of Python cannot draw figures, a sentence; empty if it can."""
    if sys.flags.optimize < 2:
        return ""
    return (
        "PYTHONOPTIMIZE=2 (python -OO) takes away docstrings, which altair is not imported without; unset it, or use 1"
    )


class SteadyStream:
    """A text stream that never raises: from the first failure on, what is written to it goes nowhere.

    `told`, where a failure is told of in a sentence, is another stream; a reader that leaves (`| head`) is no failure.
    """

    def __init__(self, stream: TextIO, told: TextIO | None = None) -> None:
        self._stream = stream
        self._told = told

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:  # ValueError: it is closed
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError | ValueError) -> None:
        with contextlib.suppress(OSError, ValueError):  # what is still in its buffer is written at the process's end
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        told, self._told = self._told, None
        if told and isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            told.write(f"Standard output cannot be written ({error.strerror}); everything else goes on.\n")


@contextlib.contextmanager
def steady_output() -> Iterator[None]:
    """Within, neither standard output nor standard error raises; names that are not UTF-8 are spelled with escapes."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    error = before[1] and SteadyStream(before[1])
    output = before[0] and SteadyStream(before[0], cast("TextIO | None", error))
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, error)
    try:
        yield
    finally:
        for steady in (output, error):
            if steady:
                steady.flush()  # here, where a full disk is no error any more
        sys.stdout, sys.stderr = before
