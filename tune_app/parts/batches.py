"""The batches of an epoch, and the rule for a last batch of one sample, which batch normalisation cannot train on."""

from typing import Literal

import torch
from torch import Tensor

LastBatch = Literal["keep", "drop", "merge"]


def split_batches(order: Tensor, batch_size: int, last_batch: LastBatch = "keep") -> tuple[Tensor, ...]:
    """Views of `order` (N,) of `batch_size` samples each, the last of what remains.

    If a single sample remains, `drop` leaves it out of the epoch and `merge` adds it to the batch before. Neither
    touches batches that are meant to hold one sample, nor the only one.
    """
    sizes = _size_batches(len(order), batch_size, last_batch)
    return torch.split(order[: sum(sizes)], sizes) if sizes else torch.split(order, batch_size)


def count_batches(samples: int, batch_size: int, last_batch: LastBatch = "keep") -> int:
    """How many batches `split_batches` makes of so many samples: the optimizer steps of an epoch."""
    return len(_size_batches(samples, batch_size, last_batch))


def _size_batches(samples: int, batch_size: int, last_batch: LastBatch) -> list[int]:
    whole, left = divmod(samples, batch_size)
    sizes = [batch_size] * whole + [left] * (left > 0)
    if left == 1 and whole and last_batch != "keep":
        sizes.pop()
        sizes[-1] += last_batch == "merge"
    return sizes
