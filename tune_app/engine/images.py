"""Images on a device: gathered as uint8, normalised as a batch. The shared arrays are only ever read."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, of grey levels scaled to [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def build_normalisation(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> Normalisation:
    """The constants of the images (N, C, H, W) at `positions`; a channel without contrast gets std 1."""
    mean, std = [], []
    for channel in range(images.shape[1]):
        levels = images[:, channel] if len(positions) == len(images) else images[positions, channel]
        shares = np.bincount(levels.ravel(), minlength=256) / levels.size  # exact, and in no order of summation
        grey = np.arange(256) / 255
        mean.append(float(shares @ grey))
        std.append(float(np.sqrt(shares @ (grey - mean[-1]) ** 2)) or 1.0)
    return Normalisation(tuple(mean), tuple(std))


class Images:
    """Images and labels of one role (training or test), ready to be gathered on `device`.

    On a GPU the images at `positions` are copied there once; on a CPU they stay where they are, shared with every
    process of the node, and positions are translated. Batches are float32 (N, C, H, W) and int64 (N,).
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.integer[Any]],
        positions: NDArray[np.int64],
        normalisation: Normalisation,
        device: torch.device,
    ) -> None:
        with warnings.catch_warnings():
            # torch warns that a write through such a tensor would corrupt the shared array; nothing here writes.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            everything = torch.from_numpy(images)
        index = torch.from_numpy(positions)
        self.labels = torch.from_numpy(labels[positions].astype(np.int64)).to(device)
        self._shared = everything if device.type == "cpu" else everything[index].to(device)
        self._index = index if device.type == "cpu" else None
        # The order in which the rewritten networks work: channels side by side on a CPU (see rewrite.py).
        self._layout = torch.channels_last if device.type == "cpu" else torch.contiguous_format
        shape = (1, -1, 1, 1)
        self._mean = torch.tensor(normalisation.mean, dtype=torch.float32, device=device).mul_(255).view(shape)
        self._scale = (
            torch.tensor(normalisation.std, dtype=torch.float32, device=device).mul_(255).reciprocal_().view(shape)
        )

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The normalised images and the labels at `positions` (int64, on the device)."""
        rows = positions if self._index is None else self._index[positions]
        # index_select copies, so the in-place steps below never reach the shared array.
        images = self._shared.index_select(0, rows).to(torch.float32, memory_format=self._layout)
        return images.sub_(self._mean).mul_(self._scale), self.labels[positions]
