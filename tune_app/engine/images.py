"""Samples on a device: gathered as they are stored, prepared as a batch. The shared arrays are only ever read."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# inputs (B, …), targets (B, …), the fold's generator → both, of the same shapes and types
Augment = Callable[[torch.Tensor, torch.Tensor, torch.Generator], tuple[torch.Tensor, torch.Tensor]]
GREY = 255  # the largest grey level of a uint8 image


@dataclass(frozen=True)
class Normalisation:
    """How inputs are prepared: mean and standard deviation of each channel or column, in the inputs' own units.

    Of uint8 images they are those of grey levels scaled to [0, 1]. `codes` are the numbers of categories of columns
    that hold codes (0: a quantity), and `seen` the codes that the training part has: another one is none of them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    codes: tuple[int, ...] = ()
    seen: tuple[tuple[int, ...], ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether inputs stay as they are stored, but for a grey level's scale."""
        return not self.codes and set(self.mean) <= {0.0} and set(self.std) <= {1.0}


def build_normalisation(
    images: NDArray[Any], positions: NDArray[np.int64], categorical: tuple[int, ...] = ()
) -> Normalisation:
    """The constants of the samples (N, …) at `positions`; a channel or column without contrast gets std 1.

    Channels are those of axis 1. Integers other than uint8 are codes, such as tokens, and have none.
    """
    if images.dtype == np.uint8 and images.ndim > 2:
        return _build_grey(images, positions)
    if images.dtype.kind in "iu":
        return Normalisation((), ())
    values = images[positions].astype(np.float64)
    axes = (0, *range(2, values.ndim))
    mean, std = values.mean(axis=axes), values.std(axis=axes)
    std = np.where(std > 0, std, 1.0)
    if not categorical:
        return Normalisation(tuple(map(float, np.atleast_1d(mean))), tuple(map(float, np.atleast_1d(std))))
    codes = tuple(int(images[:, c].max()) + 1 if c in categorical else 0 for c in range(images.shape[1]))
    seen = tuple(tuple(map(int, np.unique(values[:, c]))) if n else () for c, n in enumerate(codes))
    return Normalisation(tuple(map(float, mean)), tuple(map(float, std)), codes, seen)


def _build_grey(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> Normalisation:
    mean, std = [], []
    for channel in range(images.shape[1]):
        levels = images[:, channel] if len(positions) == len(images) else images[positions, channel]
        shares = np.bincount(levels.ravel(), minlength=256) / levels.size  # exact, and in no order of summation
        grey = np.arange(256) / 255
        mean.append(float(shares @ grey))
        std.append(float(np.sqrt(shares @ (grey - mean[-1]) ** 2)) or 1.0)
    return Normalisation(tuple(mean), tuple(std))


def build_identity(images: NDArray[Any], categorical: tuple[int, ...] = ()) -> Normalisation:
    """No normalisation: grey levels scaled to [0, 1], numbers as they are, categories as ever."""
    if images.dtype.kind in "iu" and not (images.dtype == np.uint8 and images.ndim > 2):
        return Normalisation((), ())
    channels = images.shape[1] if images.ndim > 1 else 1
    fitted = build_normalisation(images, np.arange(len(images)), categorical) if categorical else None
    zeros, ones = (0.0,) * channels, (1.0,) * channels
    return Normalisation(zeros, ones, fitted.codes, fitted.seen) if fitted else Normalisation(zeros, ones)


class Images:
    """Inputs and targets of one role (training or test), ready to be gathered on `device`.

    On a GPU the samples at `positions` are copied there once. On a CPU, and with `on_host`, they stay where they are,
    shared with every process of the node, and positions are translated: a GPU is then sent each batch as it is stored,
    from pinned memory, while it works on the one before. `place` is where positions must lie. Batches are float32 (N,
    …), or int64 as they are stored; targets int64 (N,) for classes, float32 for several labels or numbers.
    """

    def __init__(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        positions: NDArray[np.int64],
        normalisation: Normalisation,
        device: torch.device,
        *,
        classes: bool = True,
        on_host: bool = False,
    ) -> None:
        with warnings.catch_warnings():
            # torch warns that a write through such a tensor would corrupt the shared array; nothing here writes.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            everything = torch.from_numpy(images)
        index = torch.from_numpy(positions)
        of_classes = classes and labels.ndim == 1 and labels.dtype.kind in "iu"
        self.labels = torch.from_numpy(labels[positions].astype(np.int64 if of_classes else np.float32)).to(device)
        stays = on_host or device.type == "cpu"
        self._shared = everything if stays else everything[index].to(device)
        self._index = index if stays else None
        self.device, self.place = self.labels.device, torch.device("cpu") if stays else self.labels.device
        self._is_image = images.ndim == 4
        self._is_grey = images.dtype == np.uint8 and images.ndim > 2
        # The order in which the rewritten networks work: channels side by side on a CPU (see rewrite.py).
        channels_last = device.type == "cpu" and self._is_image
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._set(normalisation)

    def _set(self, normalisation: Normalisation) -> None:
        device, scale = self.device, GREY if self._is_grey else 1
        shape = (1, -1, *[1] * (self._shared.dim() - 2))
        self.normalisation = normalisation
        self._mean = torch.tensor(normalisation.mean, dtype=torch.float32, device=device).mul_(scale).view(shape)
        self._scale = (
            torch.tensor(normalisation.std, dtype=torch.float32, device=device).mul_(scale).reciprocal_().view(shape)
        )

    def renormalised(self, normalisation: Normalisation) -> "Images":
        """The same samples, prepared by other constants; nothing is copied."""
        if normalisation == self.normalisation:
            return self
        other = copy.copy(self)
        other._set(normalisation)
        return other

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The prepared samples and the targets at `positions` (int64, at `place`)."""
        return self._prepare(self._gather(positions)), self.labels[positions]

    def augmented_batch(
        self, positions: torch.Tensor, augment: Augment, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The same, augmented: pictures as they are stored, before they are normalised; other inputs prepared."""
        if self._is_image:
            changed, targets = augment(self._gather(positions), self.labels[positions], generator)
            return self._prepare(changed), targets
        return augment(*self.batch(positions), generator)

    def _gather(self, positions: torch.Tensor) -> torch.Tensor:
        rows = positions if self._index is None else self._index[positions]
        # index_select copies, so that no step in place ever reaches the shared array.
        if self.place == self.device:
            return self._shared.index_select(0, rows)
        # torch keeps the buffer from being used again until the copy is done.
        pinned = _build_pinned((len(rows), *self._shared.shape[1:]), self._shared.dtype)
        return torch.index_select(self._shared, 0, rows, out=pinned).to(self.device, non_blocking=True)

    def _prepare(self, gathered: torch.Tensor) -> torch.Tensor:
        if not self.normalisation.mean:
            return gathered.long()
        images = gathered.to(torch.float32, memory_format=self._layout)
        if self.normalisation.codes:
            return self._encode(images)
        return images.sub_(self._mean).mul_(self._scale)

    def _encode(self, rows: torch.Tensor) -> torch.Tensor:
        """Quantities normalised, a column of categories as columns of 0 and 1: all 0 for one unseen in training."""
        columns = []
        scaled = (rows - self._mean) * self._scale
        for column, count in enumerate(self.normalisation.codes):
            if not count:
                columns.append(scaled[:, column : column + 1])
                continue
            seen = torch.zeros(count, device=rows.device)
            seen[list(self.normalisation.seen[column])] = 1.0
            codes = torch.arange(count, device=rows.device)
            columns.append((rows[:, column : column + 1] == codes).float() * seen)
        return torch.cat(columns, dim=1)


def _build_pinned(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Host memory that a GPU reads by itself, while this process goes on."""
    return torch.empty(shape, dtype=dtype, pin_memory=True)
