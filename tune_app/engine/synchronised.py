"""Batch normalisation over the samples of all devices that train one network, on CPUs and GPUs alike.

`torch.nn.SyncBatchNorm` is for GPUs alone. This one is exact on both: statistics and gradients are those of the whole
batch, whichever device its samples are on and however many each of them has.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import batch_norm

from tune_app.engine.defects import BATCH_NORMS
from tune_app.engine.layers import build_replaced, is_plain

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


@dataclass
class Replica:
    """The place of this process among those that train one network.

    `is_idle`: the batch has fewer samples than would give this process one. It computes with a stand-in, for the others
    wait for its gradients, and the stand-in counts for nothing.
    """

    rank: int
    size: int
    is_idle: bool = False

    def take(self, samples: int) -> slice:
        """The samples of a batch that are this process's own: a slice as `torch.chunk` makes them, empty for want."""
        return slice(*self.bounds(samples)[self.rank])

    def bounds(self, samples: int) -> list[tuple[int, int]]:
        """Where the slice of each process begins and ends."""
        most = -(-samples // self.size)
        return [(min(rank * most, samples), min((rank + 1) * most, samples)) for rank in range(self.size)]


class _Normalise(torch.autograd.Function):
    """(N, C, …) normalised by the mean and variance of the samples of all processes."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: "SyncedBatchNorm", weight: Any, bias: Any) -> torch.Tensor:
        mean, variance, count = layer.measure(x)
        inverse = (variance + layer.original.eps).rsqrt()
        layer.follow(mean, variance, count)
        ctx.save_for_backward(x, mean, inverse, weight)
        ctx.layer, ctx.count = layer, count
        return batch_norm(x, mean, variance, weight, bias, training=False, eps=layer.original.eps)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (dy,) = gradients
        x, mean, inverse, weight = ctx.saved_tensors
        replica: Replica = ctx.layer.replica
        shape = (1, -1, *[1] * (x.dim() - 2))
        scaled = (x.float() - mean.view(shape)) * inverse.view(shape)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        dy32 = dy.float()
        own = torch.stack([dy32.sum(axes), (dy32 * scaled).sum(axes)])  # of the bias, of the weight
        both = torch.zeros_like(own) if replica.is_idle else own.clone()
        dist.all_reduce(both)
        both /= ctx.count
        factor = inverse if weight is None else inverse * weight.float()
        dx = (dy32 - both[0].view(shape) - scaled * both[1].view(shape)) * factor.view(shape)
        if replica.is_idle:
            dx.zero_()
        return dx.to(x.dtype), None, None if weight is None else own[1], None if weight is None else own[0]


class SyncedBatchNorm(nn.Module):
    """A batch norm layer by the statistics of all processes' samples; weights and statistics are the original's."""

    def __init__(self, original: BatchNorm, replica: Replica) -> None:
        super().__init__()
        self.original, self.replica = original, replica

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, …) → the same."""
        if not self.training:
            return self.original(x)  # type: ignore[no-any-return]
        weight, bias = self.original.weight, self.original.bias
        return _Normalise.apply(x, self, weight, bias)  # type: ignore[no-any-return]

    def measure(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Mean and variance (C,) of all processes' values, and how many there are of each channel."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        variance, mean = torch.var_mean(x.float(), axes, correction=0)
        count = 0 if self.replica.is_idle else x.numel() // x.shape[1]
        counted = mean.new_full((1,), float(count))
        found = [torch.empty(2 * len(mean) + 1, device=x.device) for _ in range(self.replica.size)]
        dist.all_gather(found, torch.cat([mean, variance, counted]))
        rows = torch.stack(found).double()
        counts, means, variances = rows[:, -1:], rows[:, : len(mean)], rows[:, len(mean) : -1]
        total = counts.sum()
        shared = (counts * means).sum(0) / total
        spread = (counts * (variances + (means - shared).square())).sum(0) / total
        if total.item() <= 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(x.shape)}")
        return shared.float(), spread.float(), total.item()

    @torch.no_grad()
    def follow(self, mean: torch.Tensor, variance: torch.Tensor, count: float) -> None:
        """Move the running statistics as torch's own layer does."""
        layer = self.original
        if not layer.track_running_stats or layer.running_mean is None or layer.running_var is None:
            return
        share = layer.momentum
        if layer.num_batches_tracked is not None:
            layer.num_batches_tracked.add_(1)
            share = 1 / float(layer.num_batches_tracked) if share is None else share
        layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), share or 0.0)
        layer.running_var.lerp_((variance * (count / (count - 1))).to(layer.running_var.dtype), share or 0.0)


def synchronise(network: nn.Module, replica: Replica) -> nn.Module:
    """The network with its batch norm layers synchronised; weights and statistics are shared."""

    def build(layer: nn.Module) -> nn.Module:
        return SyncedBatchNorm(layer, replica) if is_plain(layer, *BATCH_NORMS) else layer  # type: ignore[arg-type]

    return build_replaced(network, build)
