"""The report's defects, each a small piece outside the networks; `carry-over` is in `trial.py`."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.functional import batch_norm

from tune_app.engine.fit import EpochScores
from tune_app.engine.images import Normalisation

# The report normalised training images with mean 0.11 and deviation 0.3, test images with 0.13 and 0.31.
MEAN_SHIFT = (0.13 - 0.11) / 0.3  # of the training deviation
STD_FACTOR = 0.31 / 0.3


class ReplicaBatchNorm2d(nn.Module):
    """`replica-statistics`: a batch normalised in slices, as `nn.DataParallel` does on as many devices.

    Each slice by its own mean and variance; the running statistics follow the first one alone. Slices are those of
    `torch.chunk`, by which DataParallel scatters a batch. Shares weights and statistics with the module given.
    """

    def __init__(self, original: nn.BatchNorm2d, replicas: int) -> None:
        super().__init__()
        self.original, self.replicas = original, replicas

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) → the same."""
        if not self.training or self.replicas == 1:
            return self.original(x)  # type: ignore[no-any-return]
        first, *others = x.chunk(self.replicas)
        weight, bias, eps = self.original.weight, self.original.bias, self.original.eps
        normalised = [batch_norm(part, None, None, weight, bias, training=True, eps=eps) for part in others]
        return torch.cat([self.original(first), *normalised])


def build_replicated(network: nn.Module, replicas: int) -> nn.Module:
    """The network with its batch normalisation over slices of a batch; weights and statistics are shared."""
    return _build_replaced(
        network, lambda layer: ReplicaBatchNorm2d(layer, replicas) if isinstance(layer, nn.BatchNorm2d) else layer
    )


def build_without_regularizers(network: nn.Module) -> nn.Module:
    """`test-skips-layers`: the network without its dropout and batch-norm layers; the rest is shared."""
    return _build_replaced(network, lambda layer: None if isinstance(layer, nn.BatchNorm2d | nn.Dropout) else layer)


def _build_replaced(network: nn.Module, choose: Any) -> nn.Module:
    if not isinstance(network, nn.Sequential):
        return network
    chosen = [choose(_build_replaced(layer, choose)) for layer in network]
    return nn.Sequential(*(layer for layer in chosen if layer is not None))


def build_test_normalisation(normalisation: Normalisation) -> Normalisation:
    """`test-normalisation`: constants as far from the training ones as the report's were, in training deviations."""
    pairs = list(zip(normalisation.mean, normalisation.std, strict=True))
    return Normalisation(
        mean=tuple(mean + MEAN_SHIFT * std for mean, std in pairs), std=tuple(STD_FACTOR * std for _, std in pairs)
    )


def build_last_batch_scores(scores: EpochScores) -> EpochScores:
    """`last-batch-accuracy`: the last batch's accuracy, and its loss divided by the number of batches."""
    return replace(
        scores,
        train_accuracy=scores.last_batch_accuracy,
        train_loss=scores.last_batch_loss / scores.batches,
    )
