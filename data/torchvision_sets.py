"""torchvision's classification sets by name, from local files; archives are verified before they are unpacked."""

import tarfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tune_app.data.archives import unpack_gzip, verify, write_gunzipped
from tune_app.data.model import Data
from tune_app.errors import DataError, choices, describe_error

SETS = ("CIFAR10", "CIFAR100", "SVHN", "FashionMNIST", "KMNIST", "EMNIST")
EMNIST_SPLITS = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
_REMEDY = "delete it and copy it again, or set download: true"


def load_torchvision(
    name: Literal["CIFAR10", "CIFAR100", "SVHN", "FashionMNIST", "KMNIST", "EMNIST"],
    split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = "balanced",
    download: bool = False,
    *,
    cache: Path,
) -> Data:
    """A set by the name of its class in torchvision, images uint8 (N, channels, height, width), with its test part.

    `cache` is what torchvision calls the root: its files lie there as torchvision puts them, or the archives do where
    it would download them, and are unpacked. `split` is that of EMNIST, whose images are transposed, as in its
    archive. Raises DataError where files are missing, unless `download` is true, damaged or cannot be downloaded.
    """
    from torchvision import datasets  # here: 2 s and 160 MB that an actor, which is sent the images, need not pay

    if name not in SETS:
        raise DataError(f"data set {name!r} is none of those read by torchvision{choices(name, SETS)}")
    if split not in EMNIST_SPLITS:
        raise DataError(f"split {split!r} is none of EMNIST's{choices(split, EMNIST_SPLITS)}")
    kind = getattr(datasets, name)
    try:
        _unpack(kind, split, cache)
        if not download:
            _refuse_missing(kind, split, cache)
        parts = [_read(kind, split, cache, train, download) for train in (True, False)]
    except (RuntimeError, OSError, ValueError, KeyError, AssertionError, EOFError) as error:  # what torchvision raises
        doing = "downloaded or read" if download else "read"
        raise DataError(f"{name} could not be {doing} in {cache}: {describe_error(error)}") from error
    (images, labels, classes), (test_images, test_labels, _) = parts
    return Data(images, labels, classes, test=Data(test_images, test_labels, classes))


def _read(
    kind: Any, split: str, cache: Path, train: bool, download: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    """Images, labels and classes of one part, by torchvision."""
    name = kind.__name__
    if name == "SVHN":
        part = kind(str(cache), split="train" if train else "test", download=download)
        return np.ascontiguousarray(part.data), part.labels, tuple("0123456789")
    if name.startswith("CIFAR"):
        part = kind(str(cache), train=train, download=download)
        images = np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))
        return images, np.asarray(part.targets, dtype=np.int64), tuple(part.classes)
    options = {"split": split} if name == "EMNIST" else {}
    part = kind(str(cache), train=train, download=download, **options)
    labels, classes = part.targets.numpy().astype(np.int64), tuple(part.classes)
    if options.get("split") == "letters":  # torchvision counts them from 1, after a class that stands for none
        labels, classes = labels - 1, classes[1:]
    return np.ascontiguousarray(part.data.numpy()[:, None]), labels, classes


def _find_files(kind: Any, split: str, cache: Path) -> tuple[Path, list[tuple[Path, str | None]], list[Path]]:
    """Where a set lies, its files as torchvision reads them, each with its MD5 if known, and archives of them."""
    name = kind.__name__
    if name == "SVHN":
        parts = [kind.split_list[part] for part in ("train", "test")]
        return cache, [(cache / file, md5) for _, file, md5 in parts], []
    if name.startswith("CIFAR"):
        folder = cache / kind.base_folder
        listed = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
        return folder, [(folder / file, md5) for file, md5 in listed], [cache / kind.filename]
    raw = cache / name / "raw"
    if name == "EMNIST":
        return raw, [(raw / file, None) for file in _name_emnist(split)], [raw / "gzip.zip"]
    archives = [raw / archive for archive, _ in kind.resources]
    return raw, [(archive.with_suffix(""), None) for archive in archives], archives


def _name_emnist(split: str) -> list[str]:
    parts = [f"emnist-{split}-{part}" for part in ("train", "test")]
    return [f"{part}-{content}-ubyte" for part in parts for content in ("images-idx3", "labels-idx1")]


def _unpack(kind: Any, split: str, cache: Path) -> None:
    """Unpack the archives that are there; DataError if one is damaged."""
    _, files, archives = _find_files(kind, split, cache)
    if kind.__name__.startswith("CIFAR"):
        if archives[0].is_file() and not all(path.is_file() for path, _ in files):
            verify(archives[0], kind.tgz_md5, _REMEDY)
            with tarfile.open(archives[0]) as archive:
                archive.extractall(cache, filter="data")
    elif kind.__name__ == "EMNIST":
        if archives[0].is_file() and not all(path.is_file() for path, _ in files):
            verify(archives[0], kind.md5, _REMEDY)
            with zipfile.ZipFile(archives[0]) as archive:
                for path, _ in files:
                    write_gunzipped(archive.read(f"gzip/{path.name}.gz"), path)
    else:
        for path, (_, md5) in zip(archives, getattr(kind, "resources", ()), strict=False):
            if path.is_file():
                unpack_gzip(path, md5, path.with_suffix(""), _REMEDY)


def _refuse_missing(kind: Any, split: str, cache: Path) -> None:
    """DataError if a file that torchvision reads is not there, or is not the one it knows."""
    folder, files, archives = _find_files(kind, split, cache)
    missing = [path.name for path, _ in files if not path.is_file()]
    if missing:
        instead = f", or {', '.join(path.name for path in archives)} into {archives[0].parent}" if archives else ""
        raise DataError(
            f"{kind.__name__} is not in {folder}: {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing; "
            f"set download: true, or copy the files there{instead}"
        )
    for path, md5 in files:
        if md5 is not None:
            verify(path, md5, _REMEDY)
