"""Files that appear whole or not at all."""

import os
from pathlib import Path

from tune_app.records import write_whole as write_text_whole

__all__ = ["write_bytes_whole", "write_text_whole"]


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
