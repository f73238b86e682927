"""Loaders: a name in, uint8 images and labels out. Archives are verified before anything is unpacked."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tune_app.errors import DataError

DATA_ROOT = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Dataset:
    """Images as uint8 (N, channels, height, width), labels as uint8 (N,)."""

    name: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    classes: int


@dataclass(frozen=True)
class DatasetEntry:
    """What is known of a data set before it is loaded."""

    title: str
    image_shape: tuple[int, int, int]
    classes: int
    train_images: int
    test_images: int
    load: Callable[[Path], tuple[NDArray[np.uint8], ...]]


def _load_idx(name: str, shipped: bool, root: Path) -> tuple[NDArray[np.uint8], ...]:
    from torchvision import datasets  # here: 2 s and 160 MB that an actor, which is sent the images, need not pay

    kind: type[datasets.MNIST] = getattr(datasets, name)
    folder = root / kind.__name__ / "raw"
    archives = [(folder / name, md5) for name, md5 in kind.resources]
    for path, md5 in archives:
        if shipped or path.exists():
            _check_archive(path, md5)
    try:
        splits = [kind(root=str(root), train=train, download=True) for train in (True, False)]
    except (RuntimeError, OSError, ValueError) as error:
        names = ", ".join(path.name for path, _ in archives)
        raise DataError(
            f"{kind.__name__} could not be unpacked or downloaded into {folder}: {error}; "
            f"with no network, copy {names} there"
        ) from error
    images = [np.ascontiguousarray(split.data.numpy()[:, None]) for split in splits]
    labels = [split.targets.numpy().astype(np.uint8) for split in splits]
    return images[0], labels[0], images[1], labels[1]


def _check_archive(path: Path, md5: str) -> None:
    remedy = (
        f"restore it with `git checkout -- data/{path.parent.parent.name}/raw`, or copy the original archive there "
        "(data/MNIST/README.md lists size and sums)"
    )
    if not path.is_file():
        raise DataError(f"{path} is missing; expected an archive with MD5 {md5}; {remedy}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); expected an archive with MD5 {md5}; {remedy}"
        ) from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataError(f"{path} is damaged: {len(content)} bytes with MD5 {found}, expected MD5 {md5}; {remedy}")
    # torchvision trusts an unpacked file that exists; one that an interrupted run left half-written must go.
    unpacked = path.with_suffix("")
    (size,) = struct.unpack("<I", content[-4:])  # a gzip archive ends with the size of its content
    if unpacked.exists() and unpacked.stat().st_size != size:
        unpacked.write_bytes(gzip.decompress(content))


def _load_digits(root: Path) -> tuple[NDArray[np.uint8], ...]:
    from sklearn.datasets import load_digits  # here, because it costs a second that other data sets need not pay
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images[:, None] * 15).astype(np.uint8)  # grey levels 0–16 become 0–240
    labels = digits.target.astype(np.uint8)
    train, test = train_test_split(np.arange(len(labels)), test_size=360, stratify=labels, random_state=0)
    return images[train], labels[train], images[test], labels[test]


def _idx_entry(title: str, name: str, shipped: bool = False) -> DatasetEntry:
    """`name` is torchvision's class."""
    return DatasetEntry(title, (1, 28, 28), 10, 60_000, 10_000, lambda root: _load_idx(name, shipped, root))


DATASETS: dict[str, DatasetEntry] = {
    "mnist": _idx_entry("MNIST, handwritten digits", "MNIST", shipped=True),
    "fashion-mnist": _idx_entry("Fashion-MNIST, articles of clothing", "FashionMNIST"),
    "kmnist": _idx_entry("Kuzushiji-MNIST, cursive Japanese", "KMNIST"),
    "digits": DatasetEntry("scikit-learn's 8×8 digits", (1, 8, 8), 10, 1_437, 360, _load_digits),
}


def load_dataset(name: str, root: Path = DATA_ROOT) -> Dataset:
    """The data set called `name` in `DATASETS`, read from (or downloaded to) `root`.

    Raises DataError, with the file, what was found, what was expected and the remedy.
    """
    entry = DATASETS[name]
    train_images, train_labels, test_images, test_labels = entry.load(root)
    dataset = Dataset(name, train_images, train_labels, test_images, test_labels, entry.classes)
    expected = ((entry.train_images, *entry.image_shape), (entry.test_images, *entry.image_shape))
    found = (train_images.shape, test_images.shape)
    if found != expected:
        raise DataError(
            f"data set {name!r}: images of shape {found}, expected {expected}; delete {root} unpacked files"
        )
    return dataset
