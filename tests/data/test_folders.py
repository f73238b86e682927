"""Folders of images, compared with torchvision's ImageFolder, and the array that is kept of them."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images
from torchvision.datasets import ImageFolder
from torchvision.transforms import functional

from tune_app.data.checks import check_data
from tune_app.data.folders import load_folder
from tune_app.data.model import Data
from tune_app.errors import DataError

DIGITS = load_digits()


def write_digits(folder: Path, positions: range = range(40)) -> None:
    """Each digit as a PNG in its class's folder, some a folder deeper."""
    for position in positions:
        name = f"digit {DIGITS.target[position]}"
        place = folder / name if position % 3 else folder / name / "deeper"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((DIGITS.images[position] * 15).astype(np.uint8)).save(place / f"{position}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_digits(tmp_path / "digits")
    return tmp_path


def load(root: Path, folder: str = "digits", size: Any = 8, channels: int = 1) -> Data:
    return load_folder(folder, size, channels, root=root, cache=root / "cache")


def test_images_and_classes_are_those_of_image_folder(root: Path) -> None:
    theirs = ImageFolder(root / "digits")
    data = load(root, channels=3)
    assert data.classes == tuple(theirs.classes)
    assert data.targets.tolist() == theirs.targets
    np.testing.assert_array_equal(data.inputs, [np.asarray(image).transpose(2, 0, 1) for image, _ in theirs])
    assert check_data(data, "digits") == []


def test_grey_levels_are_those_that_were_written(root: Path) -> None:
    data = load(root)
    assert data.inputs.shape == (40, 1, 8, 8)
    written = sorted((DIGITS.images[:40] * 15).astype(np.uint8).tolist())
    assert sorted(data.inputs[:, 0].tolist()) == written


def test_photographs_are_resized_as_torchvision_resizes_them(tmp_path: Path) -> None:
    photos = load_sample_images()
    for name, pixels in zip(photos.filenames, photos.images, strict=True):
        place = tmp_path / "photos" / Path(name).stem
        place.mkdir(parents=True)
        Image.fromarray(pixels).save(place / "photo.JPG", format="JPEG")
    data = load(tmp_path, "photos", [48, 80], 3)
    theirs = [functional.resize(image, [48, 80]) for image, _ in ImageFolder(tmp_path / "photos")]
    np.testing.assert_array_equal(data.inputs, [np.asarray(image).transpose(2, 0, 1) for image in theirs])
    assert data.classes == ("china", "flower")


def test_train_and_test_are_parts_with_the_classes_of_train(root: Path) -> None:
    write_digits(root / "parts" / "train", range(40))
    write_digits(root / "parts" / "test", range(40, 47))
    data = load(root, "parts")
    assert data.test is not None
    assert data.fingerprint != load(root).fingerprint
    np.testing.assert_array_equal(data.inputs, load(root).inputs)
    assert sorted(data.test.targets.tolist()) == sorted(DIGITS.target[40:47].tolist())
    assert check_data(data, "parts") == []
    write_digits(root / "parts" / "val", range(3))
    with pytest.raises(DataError, match=r"has train and val; train and test are read and nothing else"):
        load(root, "parts")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("car", "train"):
        (tmp_path / "vehicles" / name).mkdir(parents=True)
        Image.fromarray(np.full((8, 8), len(name), np.uint8)).save(tmp_path / "vehicles" / name / "1.png")
    data = load(tmp_path, "vehicles")
    assert data.classes == ("car", "train")
    assert data.test is None


def test_a_class_of_test_that_train_lacks_is_refused(root: Path) -> None:
    write_digits(root / "parts" / "train", range(5))
    write_digits(root / "parts" / "test", range(8))
    with pytest.raises(DataError, match=r"has digit 5, digit 6, digit 7, for which train has no folder"):
        load(root, "parts")


def test_hidden_files_and_folders_are_no_images_and_no_classes(root: Path) -> None:
    before = load(root).fingerprint
    (root / "digits" / ".ipynb_checkpoints").mkdir()
    (root / "digits" / "digit 1" / "._1.png").write_bytes(b"not an image")
    (root / "digits" / "notes.txt").write_text("not a class")
    assert load(root).fingerprint == before


def spoil(path: Path) -> None:
    """Other content with the same size and times, which only decoding again would notice."""
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_images_are_decoded_once_until_a_file_changes(root: Path) -> None:
    before = load(root).fingerprint
    image = root / "digits" / "digit 1" / "1.png"
    spoil(image)
    assert load(root).fingerprint == before
    os.utime(image)
    with pytest.raises(DataError, match=r"1\.png cannot be read"):
        load(root)
    image.unlink()
    assert len(load(root)) == 39


def test_each_size_has_a_cache_of_its_own_and_a_change_replaces_it(root: Path) -> None:
    for size in (8, 16, [8, 16], 8):
        load(root, size=size)
    assert len(list((root / "cache").rglob("*.npz"))) == 3
    os.utime(root / "digits" / "digit 1" / "1.png")
    load(root)
    assert len(list((root / "cache").rglob("*"))) == 1 + 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign", "array"])
def test_a_damaged_cache_is_built_again(root: Path, damage: str) -> None:
    before = load(root).fingerprint
    [kept] = (root / "cache").rglob("*.npz")
    content = kept.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    if damage == "array":
        with kept.open("wb") as file:
            np.save(file, np.ones(3))
    else:
        kept.write_bytes({"cut": content[:-600], "flipped": bytes(flipped), "empty": b"", "foreign": b"text"}[damage])
    assert load(root).fingerprint == before
    assert kept.read_bytes() == content


def test_a_cache_of_another_shape_is_built_again(root: Path) -> None:
    before = load(root)
    [kept] = (root / "cache").rglob("*.npz")
    with np.load(kept) as archive:
        state = archive["state"]
    np.savez(kept, state=state, images=before.inputs[:3])
    assert load(root).fingerprint == before.fingerprint


def test_a_cache_that_cannot_be_written_is_named_and_nothing_half_written_stays(root: Path) -> None:
    (root / "cache").write_text("a file where a folder is needed")
    with pytest.raises(DataError, match=r"cannot be kept in .*cache/folders \(Not a directory\); make room"):
        load(root)


def test_every_image_that_cannot_be_read_is_named_up_to_five(root: Path) -> None:
    images = sorted((root / "digits").rglob("*.png"))
    images[0].write_bytes(images[0].read_bytes()[:60])
    images[1].write_text("not an image")
    with pytest.raises(DataError) as caught:
        load(root)
    assert [str(path) in str(caught.value) for path in images[:3]] == [True, True, False]
    for image in images[2:8]:
        image.write_text("not an image")
    with pytest.raises(DataError, match=r"… and 3 more"):
        load(root)
    assert not list((root / "cache").rglob("*.npz"))


def test_images_of_sixteen_bits_are_refused_and_not_cut_off(root: Path) -> None:
    deep = (DIGITS.images[0] * 4000).astype(np.uint16)
    Image.fromarray(deep).save(root / "digits" / "digit 0" / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png cannot be read: its pixels have more than 8 bits"):
        load(root)


def test_wrong_arguments_and_empty_folders_are_refused(root: Path) -> None:
    (root / "digits" / "empty").mkdir()
    (root / "flat").mkdir()
    for arguments, message in (
        ({}, r"empty has no image; images end with \.jpg"),
        ({"folder": "flat"}, "has no subfolders"),
        ({"folder": "digit"}, "digit is no folder"),
        ({"size": 0}, "size 0 is neither"),
        ({"size": [8]}, r"size \[8\] is neither"),
        ({"size": "8"}, "size '8' is neither"),
        ({"channels": 2}, "channels 2 is neither"),
    ):
        with pytest.raises(DataError, match=message):
            load(root, **arguments)


def test_a_terminal_shows_progress_and_a_file_does_not(root: Path) -> None:
    code = (
        "from pathlib import Path; from tune_app.data.folders import load_folder; "
        f"load_folder('digits', 8, root=Path({str(root)!r}), cache=Path({str(root)!r}) / CACHE)"
    )
    quiet = [sys.executable, "-c", f"CACHE = 'quiet'; {code}"]
    assert subprocess.run(quiet, capture_output=True, check=True).stderr == b""
    parent, child = pty.openpty()
    seen = [sys.executable, "-c", f"CACHE = 'seen'; {code}"]
    with subprocess.Popen(seen, stderr=child, env=os.environ | {"TERM": "xterm"}) as process:
        os.close(child)
        shown = b""
        try:
            while part := os.read(parent, 4096):
                shown += part
        except OSError:  # how Linux says that nobody writes to a terminal any more
            os.close(parent)
    assert process.returncode == 0
    assert b"Decoding digits" in shown
    assert b"100%" in shown
