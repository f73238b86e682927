"""torchvision's sets from small files in their true formats.

The archives that torchvision knows are hundreds of megabytes, so the tables of sums in its classes name those of the
small files here; everything else is torchvision's own reading.
"""

import gzip
import hashlib
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from torchvision import datasets

from tune_app.data import Data
from tune_app.data.checks import check_data
from tune_app.data.torchvision_sets import load_torchvision
from tune_app.errors import DataError

IMAGES, TESTED = 30, 12
NAMES = [f"class {index}" for index in range(10)]


def write_idx(array: np.ndarray[Any, Any]) -> bytes:
    """The format of MNIST's archives: a magic number, the sizes, the bytes."""
    return gzip.compress(struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes())


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_this_writer_of_idx_gives_what_the_real_archive_holds(mnist: Data) -> None:
    real = Path(__file__).parents[2] / "data" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    assert gzip.decompress(write_idx(mnist.test_part.targets)) == gzip.decompress(real.read_bytes())


@pytest.fixture
def parts(mnist: Data) -> list[np.ndarray[Any, Any]]:
    """MNIST's first images and labels, of train and of test."""
    train, test = slice(IMAGES), slice(TESTED)
    return [
        mnist.inputs[train, 0],
        mnist.targets[train],
        mnist.test_part.inputs[test, 0],
        mnist.test_part.targets[test],
    ]


def write_idx_set(
    name: str, cache: Path, parts: list[np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> list[Path]:
    raw = cache / name / "raw"
    raw.mkdir(parents=True)
    resources, paths = [], []
    for (archive, _), array in zip(getattr(datasets, name).resources, parts, strict=True):
        content = write_idx(array)
        (raw / archive).write_bytes(content)
        resources.append((archive, md5(content)))
        paths.append(raw / archive)
    monkeypatch.setattr(getattr(datasets, name), "resources", resources)
    return paths


@pytest.mark.parametrize("name", ["FashionMNIST", "KMNIST"])
def test_idx_archives_are_unpacked_and_read(
    name: Any, tmp_path: Path, parts: list[np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = write_idx_set(name, tmp_path, parts, monkeypatch)
    data = load_torchvision(name, cache=tmp_path)
    assert data.test is not None
    for found, expected in zip(
        (data.inputs[:, 0], data.targets, data.test.inputs[:, 0], data.test.targets), parts, strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert data.classes == tuple(getattr(datasets, name).classes)
    assert check_data(data, name) == []
    unpacked = archives[0].with_suffix("")
    unpacked.write_bytes(unpacked.read_bytes()[:1000])  # an interrupted run
    assert load_torchvision(name, cache=tmp_path).fingerprint == data.fingerprint
    archives[0].write_bytes(archives[0].read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is damaged: .* download: true"):
        load_torchvision(name, cache=tmp_path)


@pytest.mark.parametrize(("split", "shift"), [("balanced", 0), ("letters", 1)])
def test_emnist_is_read_from_its_zip_by_split(
    split: Any, shift: int, tmp_path: Path, parts: list[np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    names = [
        f"emnist-{split}-{part}-{kind}-ubyte" for part in ("train", "test") for kind in ("images-idx3", "labels-idx1")
    ]
    shifted = [parts[0], parts[1] + np.uint8(shift), parts[2], parts[3] + np.uint8(shift)]  # letters count from 1
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for name, array in zip(names, shifted, strict=True):
            archive.writestr(f"gzip/{name}.gz", write_idx(array))
    monkeypatch.setattr(datasets.EMNIST, "md5", md5((raw / "gzip.zip").read_bytes()))
    data = load_torchvision("EMNIST", split, cache=tmp_path)
    np.testing.assert_array_equal(data.inputs[:, 0], parts[0])
    np.testing.assert_array_equal(data.targets, parts[1])
    assert len(data.classes) == (26 if split == "letters" else 47)
    assert data.classes[0] == ("a" if split == "letters" else "0")
    assert check_data(data, "EMNIST") == []
    with pytest.raises(DataError, match=r"did you mean 'letters'"):
        load_torchvision("EMNIST", "leters", cache=tmp_path)  # type: ignore[arg-type]


def write_cifar(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray[Any, Any]]:
    """Batches as CIFAR's authors wrote them: pickles of rows of 3072 bytes, red first, and lists of labels."""
    kind = getattr(datasets, name)
    key = "labels" if name == "CIFAR10" else "fine_labels"
    random = np.random.default_rng(0)
    folder, rows = cache / kind.base_folder, {}
    folder.mkdir()
    for listed in ("train_list", "test_list"):
        sums = []
        for file, _ in getattr(kind, listed):
            rows[file] = random.integers(0, 256, (4, 3072), dtype=np.uint8)
            content = pickle.dumps({"data": rows[file], key: [3, 1, 4, 1]}, protocol=2)
            (folder / file).write_bytes(content)
            sums.append([file, md5(content)])
        monkeypatch.setattr(kind, listed, sums)
    names = NAMES * (1 if name == "CIFAR10" else 10)
    meta = pickle.dumps({kind.meta["key"]: [f"{label} {index}" for index, label in enumerate(names)]}, protocol=2)
    (folder / kind.meta["filename"]).write_bytes(meta)
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(meta)})
    return rows


@pytest.mark.parametrize(("name", "batches", "classes"), [("CIFAR10", 5, 10), ("CIFAR100", 1, 100)])
def test_cifar_is_read_from_its_batches(
    name: Any, batches: int, classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(write_cifar(name, tmp_path, monkeypatch).values())
    data = load_torchvision(name, cache=tmp_path)
    assert data.test is not None
    np.testing.assert_array_equal(data.inputs, np.concatenate(rows[:-1]).reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(data.test.inputs, rows[-1].reshape(-1, 3, 32, 32))
    assert data.targets.tolist() == [3, 1, 4, 1] * batches
    assert (len(data.classes), data.classes[1]) == (classes, "class 1 1")
    assert data.inputs.flags["C_CONTIGUOUS"]
    assert check_data(data, name) == []


def test_cifars_archive_is_unpacked_if_it_is_the_one_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar("CIFAR10", tmp_path, monkeypatch)
    folder, archive = tmp_path / "cifar-10-batches-py", tmp_path / "cifar-10-python.tar.gz"
    expected = load_torchvision("CIFAR10", cache=tmp_path).fingerprint
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, folder.name)
    for path in [*folder.iterdir()]:
        path.unlink()
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz is damaged: .* expected MD5 c58f3010"):
        load_torchvision("CIFAR10", cache=tmp_path)
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive.read_bytes()))
    assert load_torchvision("CIFAR10", cache=tmp_path).fingerprint == expected


def test_svhn_is_read_from_its_matrices_and_its_tens_are_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 6), dtype=np.uint8)
    labels = np.array([[1], [10], [3], [9], [10], [2]], dtype=np.uint8)
    listed = dict(datasets.SVHN.split_list)
    for part in ("train", "test"):
        path = tmp_path / f"{part}_32x32.mat"
        scipy.io.savemat(path, {"X": pixels, "y": labels})
        listed[part] = [*listed[part][:2], md5(path.read_bytes())]
    monkeypatch.setattr(datasets.SVHN, "split_list", listed)
    data = load_torchvision("SVHN", cache=tmp_path)
    np.testing.assert_array_equal(data.inputs, pixels.transpose(3, 2, 0, 1))
    assert data.targets.tolist() == [1, 0, 3, 9, 0, 2]
    assert data.classes == tuple("0123456789")
    assert check_data(data, "SVHN") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "CIFAR10",
            r"CIFAR10 is not in .*cifar-10-batches-py: data_batch_1, .*batches\.meta are missing; set download: true",
        ),
        ("CIFAR100", r"or cifar-100-python\.tar\.gz into "),
        ("SVHN", r"train_32x32\.mat, test_32x32\.mat are missing"),
        ("FashionMNIST", r"FashionMNIST/raw: train-images-idx3-ubyte, .*, or train-images-idx3-ubyte\.gz, "),
        ("KMNIST", r"KMNIST is not in .*KMNIST/raw"),
        ("EMNIST", r"emnist-balanced-train-images-idx3-ubyte, .*or gzip\.zip into "),
    ],
)
def test_missing_files_are_named_with_their_place_and_nothing_is_written(
    name: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        load_torchvision(name, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_batch_is_named_before_it_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar("CIFAR10", tmp_path, monkeypatch)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_2 is damaged: .*expected MD5"):
        load_torchvision("CIFAR10", cache=tmp_path)


def test_a_download_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.KMNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataError, match=r"KMNIST could not be downloaded or read in .*RuntimeError: Error downloading"):
        load_torchvision("KMNIST", download=True, cache=tmp_path)


def test_an_unknown_name_is_answered_with_a_near_match(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"did you mean 'CIFAR10'"):
        load_torchvision("CIFAR-10", cache=tmp_path)  # type: ignore[arg-type]
