"""Data sets: what loads, and what is refused before anything starts."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tune_app.data import DATASETS, Data, find_data_folder, load_dataset
from tune_app.data.datasets import SHIPPED
from tune_app.errors import DataError

ARCHIVE = "train-labels-idx1-ubyte.gz"


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The archives as they come with the package."""
    raw = tmp_path / "shipped" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (SHIPPED / "MNIST" / "raw").glob("*.gz"):
        shutil.copy(archive, raw)
    return tmp_path / "shipped"


def test_mnist_is_the_real_one(mnist: Data) -> None:
    assert mnist.inputs.shape == (60_000, 1, 28, 28)
    assert mnist.test_part.inputs.shape == (10_000, 1, 28, 28)
    assert mnist.inputs.dtype == np.uint8
    assert mnist.targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.inputs.mean() / 255 == pytest.approx(0.1307, abs=1e-4)


def test_digits_are_split_once_and_for_all(digits: Data) -> None:
    assert digits.inputs.shape == (1_437, 1, 8, 8)
    assert digits.test_part.inputs.shape == (360, 1, 8, 8)
    assert np.array_equal(load_dataset("digits").test_part.targets, digits.test_part.targets)
    together = {image.tobytes() for image in digits.inputs} & {image.tobytes() for image in digits.test_part.inputs}
    assert not together


def test_every_entry_states_classes_and_sizes() -> None:
    for entry in DATASETS.values():
        assert entry.classes == 10
        assert entry.train_images > entry.test_images > 0


def test_a_missing_archive_is_named_with_its_remedy(shipped: Path, tmp_path: Path) -> None:
    (shipped / "MNIST" / "raw" / ARCHIVE).unlink()
    with pytest.raises(DataError, match=rf"{ARCHIVE} is missing; expected .*MD5 d53e105e.*git checkout"):
        load_dataset("mnist", tmp_path / "cache", shipped)


def test_a_damaged_archive_is_named_with_what_was_found(shipped: Path, tmp_path: Path) -> None:
    path = shipped / "MNIST" / "raw" / ARCHIVE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=rf"{ARCHIVE} is damaged: 28781 bytes with MD5 \w+, expected MD5 d53e105e"):
        load_dataset("mnist", tmp_path / "cache", shipped)


def test_a_half_unpacked_file_is_unpacked_again(shipped: Path, tmp_path: Path) -> None:
    load_dataset("mnist", tmp_path / "cache", shipped)
    unpacked = tmp_path / "cache" / "MNIST" / "raw" / ARCHIVE.removesuffix(".gz")
    whole = unpacked.read_bytes()
    unpacked.write_bytes(whole[:1000])
    assert load_dataset("mnist", tmp_path / "cache", shipped).targets[:3].tolist() == [5, 0, 4]
    assert unpacked.read_bytes() == whole


def test_data_go_to_the_folder_named_and_nothing_is_written_beside_the_archives(
    tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.name for path in shipped.rglob("*"))
    monkeypatch.setenv("TUNE_APP_DATA", str(tmp_path / "by variable"))
    assert find_data_folder(tmp_path / "by option") == tmp_path / "by option"
    load_dataset("mnist", shipped=shipped)
    assert len(list((tmp_path / "by variable" / "MNIST" / "raw").iterdir())) == 4
    assert sorted(path.name for path in shipped.rglob("*")) == before
    monkeypatch.delenv("TUNE_APP_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert find_data_folder() == tmp_path / "cache" / "tune_app" / "data"


def test_a_folder_that_cannot_be_made_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"could not be unpacked into .*give --data, or set TUNE_APP_DATA") as caught:
        load_dataset("mnist", tmp_path / "file")
    assert "copy" not in str(caught.value), "the archives are there"
