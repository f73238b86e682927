"""Data sets: what loads, and what is refused before anything starts."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tune_app.data import DATASETS, Dataset, load_dataset
from tune_app.data.datasets import DATA_ROOT
from tune_app.errors import DataError

ARCHIVE = "train-labels-idx1-ubyte.gz"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (DATA_ROOT / "MNIST" / "raw").glob("*.gz"):
        shutil.copy(archive, raw)
    return tmp_path


def test_mnist_is_the_real_one(mnist: Dataset) -> None:
    assert mnist.train_images.shape == (60_000, 1, 28, 28)
    assert mnist.test_images.shape == (10_000, 1, 28, 28)
    assert mnist.train_images.dtype == np.uint8
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.train_images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)


def test_digits_are_split_once_and_for_all(digits: Dataset) -> None:
    assert digits.train_images.shape == (1_437, 1, 8, 8)
    assert digits.test_images.shape == (360, 1, 8, 8)
    assert np.array_equal(load_dataset("digits").test_labels, digits.test_labels)
    together = {image.tobytes() for image in digits.train_images} & {image.tobytes() for image in digits.test_images}
    assert not together


def test_every_entry_states_classes_and_sizes() -> None:
    for entry in DATASETS.values():
        assert entry.classes == 10
        assert entry.train_images > entry.test_images > 0


def test_a_missing_archive_is_named_with_its_remedy(root: Path) -> None:
    (root / "MNIST" / "raw" / ARCHIVE).unlink()
    with pytest.raises(DataError, match=rf"{ARCHIVE} is missing; expected .*MD5 d53e105e.*git checkout"):
        load_dataset("mnist", root)


def test_a_damaged_archive_is_named_with_what_was_found(root: Path) -> None:
    path = root / "MNIST" / "raw" / ARCHIVE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=rf"{ARCHIVE} is damaged: 28781 bytes with MD5 \w+, expected MD5 d53e105e"):
        load_dataset("mnist", root)


def test_a_half_unpacked_file_is_unpacked_again(root: Path) -> None:
    load_dataset("mnist", root)
    unpacked = root / "MNIST" / "raw" / ARCHIVE.removesuffix(".gz")
    whole = unpacked.read_bytes()
    unpacked.write_bytes(whole[:1000])
    assert load_dataset("mnist", root).train_labels[:3].tolist() == [5, 0, 4]
    assert unpacked.read_bytes() == whole
