"""Files that appear whole or not at all."""

import os
from pathlib import Path

from tune_app.errors import ResultsError


def read_text(path: Path) -> str:
    """The text of a file, empty if there is none; ResultsError for one that refuses."""
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} cannot be read ({error}); restore it, or delete it") from error


def write_whole(path: Path, text: str) -> None:
    """Replace a text file in one step, so that no reader and no crash sees half of it.

    Bytes of file names that are no UTF-8 are spelled with escapes.
    """
    write_bytes_whole(path, text.encode(errors="backslashreplace"))


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step; a link is replaced, and not what it leads to."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.unlink(missing_ok=True)  # in a folder of somebody else's it may be a link to anywhere
        with partial.open("xb") as file:
            file.write(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
