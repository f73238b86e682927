"""Arrays from an `.npz` archive: nothing is unpickled, and nothing is unpacked that its header does not announce."""

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tune_app.data.archives import DAMAGED

# What reading a damaged archive may raise; TypeError and SyntaxError come of headers that are no header.
UNREADABLE = (*DAMAGED, TypeError, SyntaxError, MemoryError, NotImplementedError)
CHUNK = 2**20
OBJECTS = "it holds Python objects, which are refused, as reading them could run code"


class NpzArchive(Mapping[str, NDArray[Any]]):
    """An open archive by the names of its arrays; each is read when it is asked for.

    ValueError for an array of Python objects, for one whose header announces more than is there, and for one that
    would take more than `limit` bytes; one of `UNREADABLE` for any other damage.
    """

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._archive = zipfile.ZipFile(file)
        self._limit = limit
        self.files = [name.removesuffix(".npy") for name in self._archive.namelist()]

    def __getitem__(self, name: str) -> NDArray[Any]:
        info = self._archive.getinfo(f"{name}.npy")
        if info.file_size > self._limit:
            raise ValueError(f"it takes {info.file_size:,} bytes unpacked, at most {self._limit:,} are read")
        with self._archive.open(info) as file:
            version = npy.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f"version {'.'.join(map(str, version))} of its format is not known")
            shape, is_fortran, dtype = _HEADERS[version](file)
            if dtype.hasobject:
                raise ValueError(OBJECTS)
            # NumPy makes room for what the header announces before it reads; a zip's own size cannot be exceeded.
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if size > info.file_size:
                raise ValueError(f"its header announces {size:,} bytes, and there are {info.file_size:,}")
            content = np.empty(size, np.uint8)
            filled = 0
            while chunk := file.read(CHUNK):  # to the end, where the zip's checksum is compared
                part = chunk[: size - filled]
                content[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
                filled += len(part)
        if filled < size:
            raise ValueError("it is cut off")
        array = content.view(dtype) if size else np.empty(0, dtype)
        return array.reshape(shape[::-1]).T if is_fortran else array.reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@contextmanager
def open_npz(path: Path, limit: int | None = None) -> Iterator[NpzArchive]:
    """The archive at `path`; `limit` bounds the bytes of an array, without one this machine's memory does.

    Raises one of `UNREADABLE` for a file that is none.
    """
    with path.open("rb") as file:
        yield NpzArchive(file, read_memory() if limit is None else limit)


def read_memory() -> int:
    """The bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
