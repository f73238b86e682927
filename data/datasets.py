"""Loaders: a name in, images and labels out. Archives are verified before anything is unpacked."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tune_app.data.archives import unpack_gzip
from tune_app.data.caches import find_cache_folder
from tune_app.data.model import Data
from tune_app.errors import DataError

SHIPPED = Path(__file__).resolve().parent  # the archives that come with the package; only ever read
FOLDER_VARIABLE = "TUNE_APP_DATA"
_REMEDY = (
    "restore it from a checkout (`git checkout -- data/MNIST/raw`) or install the package again; "
    "data/MNIST/README.md lists sizes and sums"
)
_FETCH_AGAIN = "delete it, and it is downloaded again"
Load = Callable[[Path, Path | None], tuple[NDArray[np.uint8], ...]]  # of at most 256 classes, as all that ship are


@dataclass(frozen=True)
class DatasetEntry:
    """What is known of a data set before it is loaded."""

    title: str
    image_shape: tuple[int, int, int]
    classes: int
    train_images: int
    test_images: int
    load: Load  # (folder for unpacked and downloaded files, folder of shipped archives) → arrays
    shipped: bool = False


def _load_idx(name: str, folder: Path, shipped: Path | None) -> tuple[NDArray[np.uint8], ...]:
    from torchvision import datasets  # here: 2 s and 160 MB that an actor, which is sent the images, need not pay

    kind: type[datasets.MNIST] = getattr(datasets, name)
    raw = folder / name / "raw"
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for archive, md5 in kind.resources:
            source = (shipped / name / "raw" if shipped else raw) / archive
            if shipped or source.exists():
                unpack_gzip(source, md5, raw / source.stem, _REMEDY if shipped else _FETCH_AGAIN)
        splits = [kind(root=str(folder), train=train, download=shipped is None) for train in (True, False)]
    except (RuntimeError, OSError, ValueError) as error:
        names = ", ".join(archive for archive, _ in kind.resources)
        way = "unpacked" if shipped else "unpacked or downloaded"
        fetch = "" if shipped else f"with no network, copy {names} there; "
        raise DataError(
            f"{name} could not be {way} into {raw}: {error}; {fetch}for another folder give --data, or set "
            f"{FOLDER_VARIABLE}"
        ) from error
    images = [np.ascontiguousarray(split.data.numpy()[:, None]) for split in splits]
    labels = [split.targets.numpy().astype(np.uint8) for split in splits]
    return images[0], labels[0], images[1], labels[1]


def _load_digits(folder: Path, shipped: Path | None) -> tuple[NDArray[np.uint8], ...]:
    from sklearn.datasets import load_digits  # here, because it costs a second that other data sets need not pay
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images[:, None] * 15).astype(np.uint8)  # grey levels 0–16 become 0–240
    labels = digits.target.astype(np.uint8)
    train, test = train_test_split(np.arange(len(labels)), test_size=360, stratify=labels, random_state=0)
    return images[train], labels[train], images[test], labels[test]


def _idx_entry(title: str, name: str, shipped: bool = False) -> DatasetEntry:
    """`name` is torchvision's class."""
    return DatasetEntry(title, (1, 28, 28), 10, 60_000, 10_000, partial(_load_idx, name), shipped)


DATASETS: dict[str, DatasetEntry] = {
    "mnist": _idx_entry("MNIST, handwritten digits", "MNIST", shipped=True),
    "fashion-mnist": _idx_entry("Fashion-MNIST, articles of clothing", "FashionMNIST"),
    "kmnist": _idx_entry("Kuzushiji-MNIST, cursive Japanese", "KMNIST"),
    "digits": DatasetEntry("scikit-learn's 8×8 digits", (1, 8, 8), 10, 1_437, 360, _load_digits),
}


def find_data_folder(folder: Path | None = None) -> Path:
    """Where data sets are unpacked and downloaded: `folder`, else $TUNE_APP_DATA, else the user's cache folder."""
    if folder is not None:
        return folder
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else find_cache_folder() / "data"


def load_dataset(name: str, folder: Path | None = None, shipped: Path = SHIPPED) -> Data:
    """The data set called `name` in `DATASETS`, unpacked in (or downloaded to) the folder of `find_data_folder`.

    `shipped` holds the archives that come with the package. Raises DataError, with the file, what was found, what was
    expected and the remedy.
    """
    entry = DATASETS[name]
    folder = find_data_folder(folder)
    train_images, train_labels, test_images, test_labels = entry.load(folder, shipped if entry.shipped else None)
    expected = ((entry.train_images, *entry.image_shape), (entry.test_images, *entry.image_shape))
    found = (train_images.shape, test_images.shape)
    if found != expected:
        raise DataError(
            f"data set {name!r}: images of shape {found}, expected {expected}; delete its unpacked files in {folder}"
        )
    classes = tuple(map(str, range(entry.classes)))
    test = Data(test_images, test_labels, classes)
    return Data(train_images, train_labels, classes, normalise="all-training", test=test)
