"""Data from a folder of images, a folder for each class, decoded once into one array."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tune_app.data.archives import write_in_one_step
from tune_app.data.model import Data
from tune_app.data.npz import UNREADABLE, open_npz
from tune_app.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # those of torchvision
_SHOWN = 5  # sentences about images; a wrong folder has thousands
_MODES = {1: "L", 3: "RGB"}


def load_folder(folder: str, size: int | Sequence[int], channels: int = 3, *, root: Path, cache: Path) -> Data:
    """Images in the layout of `torchvision.datasets.ImageFolder`, a subfolder for each class, uint8 (N, C, H, W).

    With a subfolder `train` that holds such subfolders, `train` is learned from, and `test` the test part if it is
    there. `size` is the height and width, as one number or as [height, width]; images are stretched to it, bilinearly.
    `channels` is 3 for colours or 1 for grey levels. They are decoded once: the array is kept in `cache` until a file
    appears, goes, or changes its size or time. A relative `folder` is one in `root`. Raises DataError, with the images
    that cannot be read.
    """
    place = root / folder
    shape = _read_size(size)
    if channels not in _MODES:
        raise DataError(f"channels {channels!r} is neither 1, for grey levels, nor 3, for colours")
    if not place.is_dir():
        raise DataError(f"{place} is no folder; a folder with a subfolder of images for each class is needed")
    parts = _find_parts(place)
    classes = tuple(path.name for path in _list_folders(parts[0]))
    listed = [_list_images(part, classes) for part in parts]
    data = [_load_part(part, files, (channels, *shape), cache) for part, (files, _) in zip(parts, listed, strict=True)]
    held_out = Data(data[1], listed[1][1], classes) if len(parts) > 1 else None
    return Data(data[0], listed[0][1], classes, test=held_out)


def _read_size(size: int | Sequence[int]) -> tuple[int, int]:
    numbers = [size, size] if isinstance(size, int) else list(size) if isinstance(size, Sequence) else []
    if len(numbers) != 2 or not all(type(number) is int and number > 0 for number in numbers):
        raise DataError(f"size {size!r} is neither a number of pixels above 0 nor two, [height, width]")
    return numbers[0], numbers[1]


def _list_folders(folder: Path) -> list[Path]:
    """Subfolders by name; hidden ones, which desktops and notebooks leave behind, are no classes."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _find_parts(place: Path) -> list[Path]:
    """The folder itself, or its `train` and, if it is there, `test`: each holds the folders of the classes."""
    train = place / "train"
    if not train.is_dir() or not _list_folders(train):  # a class may be called train
        return [place]
    others = [path.name for path in _list_folders(place) if path.name not in ("train", "test")]
    if others:
        raise DataError(
            f"{place} has train and {', '.join(others)}; train and test are read and nothing else: "
            "move the images of other parts into train, as validation folds are taken from it"
        )
    return [train, place / "test"] if (place / "test").is_dir() else [train]


def _list_images(part: Path, classes: tuple[str, ...]) -> tuple[list[Path], NDArray[np.int64]]:
    """The images below each class's folder, by name, and their classes' positions."""
    if not classes:
        raise DataError(f"{part} has no subfolders; a subfolder of images for each class is needed")
    unknown = [path.name for path in _list_folders(part) if path.name not in classes]
    if unknown:
        raise DataError(
            f"{part} has {', '.join(unknown)}, for which train has no folder; classes are {', '.join(classes)}"
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = _find_images(part / name)
        if not found and part.name != "test":
            raise DataError(f"{part / name} has no image; images end with {', '.join(SUFFIXES)}")
        files += found
        labels += [label] * len(found)
    if not files:
        raise DataError(f"{part} has no image; images end with {', '.join(SUFFIXES)}")
    return files, np.array(labels, dtype=np.int64)


def _find_images(folder: Path) -> list[Path]:
    """In the order of torchvision: folder by folder, then by name. Links to folders are followed on every Python."""
    found: list[Path] = []
    for place, folders, names in sorted(os.walk(folder, followlinks=True)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images = [name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
        found += [Path(place) / name for name in sorted(images)]
    return found


def _load_part(part: Path, files: list[Path], shape: tuple[int, int, int], cache: Path) -> NDArray[np.uint8]:
    """The images of a part from the cache, or decoded and put there."""
    state = _fingerprint_files(part, files)
    where = hashlib.sha256(json.dumps([str(part.resolve()), shape]).encode()).hexdigest()[:16]
    kept = cache / "folders" / f"{part.resolve().parent.name}-{part.resolve().name}-{where}.npz"
    images = _read_cache(kept, state, (len(files), *shape))
    if images is None:
        images = _decode(part, files, shape)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with write_in_one_step(kept) as partial, partial.open("wb") as file:
                np.savez(file, state=np.array(state), images=images)
        except OSError as error:
            raise DataError(
                f"the images of {part}, {images.nbytes / 1e6:.0f} MB, cannot be kept in {kept.parent} "
                f"({error.strerror}); make room, or name another folder for caches"
            ) from error
    return images


def _fingerprint_files(part: Path, files: list[Path]) -> str:
    """A hash of the images' paths, sizes and times of change."""
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(f"{path.relative_to(part)}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _read_cache(kept: Path, state: str, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The images that were kept, unless the files have changed since or the cache is damaged (each array has a CRC)."""
    try:
        with open_npz(kept) as archive:
            if str(archive["state"]) != state:
                return None
            images: NDArray[np.uint8] = archive["images"]
    except UNREADABLE:
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def _decode(part: Path, files: list[Path], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """All images, by as many threads as there are processors; a progress bar where a terminal shows it."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    images = np.empty((len(files), *shape), dtype=np.uint8)

    def decode_into(position: int) -> str | None:
        try:
            images[position] = _decode_one(files[position], shape)
        except (OSError, ValueError, SyntaxError, DataError) as error:  # Pillow raises SyntaxError for a broken PNG
            return f"{files[position]} cannot be read: {error}"
        return None

    with ThreadPoolExecutor() as pool:
        outcomes = track(
            pool.map(decode_into, range(len(files))),
            description=f"Decoding {part.name}",
            total=len(files),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        problems = [sentence for sentence in outcomes if sentence]
    if problems:
        more = [f"… and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise DataError("\n".join([*problems[:_SHOWN], *more]))
    return images


def _decode_one(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """One image (C, H, W), as torchvision's ImageFolder reads it: transparency and the camera's turn are left out."""
    from PIL import Image

    channels, height, width = shape
    with Image.open(path) as image:
        if image.mode.startswith(("I", "F")):  # Pillow would cut its values off at 255
            raise DataError(f"its pixels have more than 8 bits (mode {image.mode}); scale it to 8 bits, or load arrays")
        colours = image.convert("RGB").convert(_MODES[channels])
        pixels = np.asarray(colours.resize((width, height), Image.Resampling.BILINEAR))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
