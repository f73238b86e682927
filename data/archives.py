"""Archives and caches of data sets: verified before they are unpacked, written whole or not at all."""

import gzip
import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tune_app.errors import DataError

# What numpy and zipfile raise for an .npz archive that is cut off or has a byte changed, wherever that is.
DAMAGED = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


@contextmanager
def write_in_one_step(target: Path) -> Iterator[Path]:
    """The path of a file to write, which becomes `target` when the block ends well and is removed otherwise."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def verify(archive: Path, md5: str, remedy: str) -> None:
    """Raises DataError, with what was found and expected and the remedy, unless the file has this MD5."""
    if not archive.is_file():
        raise DataError(f"{archive} is missing; expected an archive with MD5 {md5}; {remedy}")
    try:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    except OSError as error:
        raise DataError(
            f"{archive} cannot be read ({error.strerror}); expected an archive with MD5 {md5}; {remedy}"
        ) from error
    if digest.hexdigest() != md5:
        size = archive.stat().st_size
        raise DataError(
            f"{archive} is damaged: {size} bytes with MD5 {digest.hexdigest()}, expected MD5 {md5}; {remedy}"
        )


def unpack_gzip(archive: Path, md5: str, target: Path, remedy: str) -> None:
    """Write the archive's content to `target`, whole or not at all, unless it is there; DataError if it is damaged."""
    verify(archive, md5, remedy)
    write_gunzipped(archive.read_bytes(), target)


def write_gunzipped(content: bytes, target: Path) -> None:
    """Write what the gzip archive holds to `target`, whole or not at all, unless it is there."""
    # torchvision trusts an unpacked file that exists; one that an interrupted run left half-written must go.
    (size,) = struct.unpack("<I", content[-4:])  # a gzip archive ends with the size of its content
    if not target.exists() or target.stat().st_size != size:
        with write_in_one_step(target) as partial:
            partial.write_bytes(gzip.decompress(content))
