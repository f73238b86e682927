"""Data from an `.npz` archive of NumPy arrays; nothing in it is unpickled."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import MAGIC_PREFIX
from numpy.typing import NDArray

from tune_app.data.model import Data
from tune_app.data.npz import OBJECTS, UNREADABLE, NpzArchive, open_npz
from tune_app.errors import DataError, choices

CLASSES = "classes"


def load_npz(
    file: str,
    inputs: str = "inputs",
    targets: str = "targets",
    groups: Sequence[str] = (),
    folds: str = "",
    time: str = "",
    test: str = "",
    *,
    root: Path,
) -> Data:
    """The arrays of an archive, as `numpy.savez` writes it; the arguments are names of arrays in it.

    Inputs (N, …) stay uint8, int64 and float32; floats of other sizes, bool and integers of up to 16 bits become
    float32, and other integers int64. Targets (N,) of integers or texts are classes, (N, C) of bool, or of integers
    with C above 1, are labels of which several may hold, and floats make it a regression. An array `classes` of texts
    names the classes in their order; without it they are the sorted texts, or the numbers from 0. With `test: test_`
    the arrays `test_inputs` and `test_targets`, and `test_` before each group's name where it is there, are the test
    part. A relative `file` is one in `root`. Raises DataError.
    """
    path = root / file
    with _open(path) as archive:
        parts = _Parts(path, archive)
        names = (groups,) if isinstance(groups, str) else tuple(groups)
        raw = [parts.read(targets)] + ([parts.read(f"{test}{targets}")] if test else [])
        listed = parts.read(CLASSES) if CLASSES in archive.files else None
        classes, coded = _encode(raw, listed, f"{path}: targets")
        held_out = None
        if test:
            columns = {name: parts.read(test + name) for name in names if test + name in archive.files}
            held_out = Data(parts.read_inputs(f"{test}{inputs}"), coded[1], classes, columns)
        return Data(
            parts.read_inputs(inputs),
            coded[0],
            classes,
            {name: parts.read(name) for name in names},
            folds=parts.read(folds) if folds else None,
            time=parts.read(time) if time else None,
            test=held_out,
        )


@contextmanager
def _open(path: Path) -> Iterator[NpzArchive]:
    if not path.is_file():
        near = sorted(other.name for other in path.parent.glob("*.npz")) if path.parent.is_dir() else []
        raise DataError(f"{path} is missing" + (choices(path.name, near) if near else ""))
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(open_npz(path))
        except UNREADABLE as error:
            with suppress(OSError), path.open("rb") as file:
                if file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                    raise DataError(
                        f"{path} holds one array and no archive; write inputs and targets with numpy.savez"
                    ) from None
            raise DataError(f"{path} is no .npz archive ({error}); write it with numpy.savez") from error
        yield archive


class _Parts:
    """The arrays of an open archive by name, or a sentence."""

    def __init__(self, path: Path, archive: NpzArchive) -> None:
        self._path = path
        self._archive = archive

    def read(self, name: str) -> NDArray[Any]:
        if name not in self._archive.files:
            raise DataError(f"{self._path} has no array {name!r}{choices(name, self._archive.files)}")
        try:
            array: NDArray[Any] = self._archive[name]
        except UNREADABLE as error:
            if str(error) == OBJECTS:
                raise DataError(
                    f"{self._path}: array {name!r} {OBJECTS.removeprefix('it ')}; store numbers or texts of one type, "
                    "and rows of different lengths padded to one"
                ) from error
            raise DataError(f"{self._path}: array {name!r} is damaged ({error}); write the file again") from error
        return array

    def read_inputs(self, name: str) -> NDArray[Any]:
        array = self.read(name)
        if array.dtype.kind not in "biuf":
            raise DataError(f"{self._path}: inputs {name!r} are {array.dtype.name}; numbers are needed")
        if array.dtype == np.uint8:
            return array
        if array.dtype.kind in "iu" and array.dtype.itemsize > 2:
            if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
                raise DataError(f"{self._path}: inputs {name!r} hold {array.max()}, which is no int64")
            return array.astype(np.int64, copy=False)
        return to_float32(array)


def to_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """What is too large for float32 becomes infinite, and is refused with everything that is not finite."""
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def _encode(
    raw: list[NDArray[Any]], listed: NDArray[Any] | None, what: str
) -> tuple[tuple[str, ...], list[NDArray[Any]]]:
    """The names of the classes, and the targets of each part in the type that their task has."""
    if listed is not None and listed.dtype.kind != "U":
        raise DataError(f"{what}: the array {CLASSES!r} is {listed.dtype.name}; the names of the classes are texts")
    kinds = {array.dtype.kind for array in raw}
    names = () if listed is None else tuple(str(name) for name in listed.ravel())
    if kinds == {"U"}:
        names = names or tuple(str(name) for name in np.unique(np.concatenate([array.ravel() for array in raw])))
        return names, [encode_texts(array, names, what) for array in raw]
    if kinds <= {"f"}:
        return names, [to_float32(array) for array in raw]
    if not kinds <= set("biu"):
        raise DataError(f"{what} are {' and '.join(array.dtype.name for array in raw)}; numbers or texts are needed")
    if raw[0].ndim == 2 and (raw[0].shape[1] > 1 or kinds == {"b"}):
        names = names or tuple(str(index) for index in range(raw[0].shape[1]))
        fits = all(array.size == 0 or (array.min() >= 0 and array.max() <= 255) for array in raw)
        return names, [array.astype(np.uint8) if fits else array for array in raw]  # else it is refused as it is
    highest = max((int(array.max()) for array in raw if array.size), default=-1)
    if not names and highest >= raw[0].size:
        raise DataError(
            f"{what} are {raw[0].size} integers up to {highest}; class indices count the classes from 0; "
            f"store numbers to predict as floats, and classes without samples under {CLASSES!r}"
        )
    names = names or tuple(str(index) for index in range(highest + 1))
    return names, [array.astype(np.int64) for array in raw]


def encode_texts(texts: NDArray[Any], names: tuple[str, ...], what: str) -> NDArray[np.int64]:
    """Each text's position among `names`; DataError names the first that is not among them."""
    codes = {name: index for index, name in enumerate(names)}
    for row, text in enumerate(texts.ravel().tolist()):
        if text not in codes:
            raise DataError(f"{what} of sample {row}, counted from 0, is {text!r}{choices(text, names)}")
    return np.array([codes[text] for text in texts.ravel().tolist()], dtype=np.int64).reshape(texts.shape)
