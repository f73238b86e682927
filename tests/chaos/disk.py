"""Small disks in memory, to be filled: they need root and a kernel that lets it mount."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SIZE = "16m"
PAGE = 4096


@contextlib.contextmanager
def mount(folder: Path) -> Iterator[None]:
    """An empty disk of 16 MiB at the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


@cache
def find_obstacle() -> str:
    """Why no disk can be mounted here, empty if one can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mount(Path(folder) / "disk"):
                return ""
        except subprocess.CalledProcessError as error:
            return str(error.stderr.decode(errors="replace").strip())
        except OSError as error:
            return str(error)


def fill(disk: Path, pages: int) -> Path:
    """Take all of the disk but so many pages; the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(PAGE))
    with contextlib.suppress(OSError):
        os.truncate(filler, max(0, filler.stat().st_size - pages * PAGE))
    return filler
