"""The same network in a cheaper order of operations: fewer of them, or ones that a CPU does faster.

A rewritten network shares every weight and buffer with the original, whose state is what is saved. The rules hold for
plain layers in plain nested `nn.Sequential`s (see `layers.is_plain`); what they gain is measured by `benchmarks/`.
"""

from collections.abc import Iterator, Sequence
from typing import TypeGuard, cast

import torch
from torch import nn
from torch.nn.functional import linear

from tune_app.engine.layers import build_replaced, is_plain

BYTE = 256
CHANNEL_DROPOUTS: tuple[type[nn.Module], ...] = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class MergedLinear(nn.Module):
    """Two linear layers with nothing but dropout between them, as one wherever that takes fewer operations.

    (x Aᵀ + a) Bᵀ + b = x (B A)ᵀ + (B a + b): the product B A costs as much as some tens of images do, and autograd
    forms the gradients of A and B from the small one of B A. Dropout forbids it while it is active.
    """

    def __init__(self, first: nn.Linear, dropout: nn.Module | None, second: nn.Linear) -> None:
        super().__init__()
        self.first, self.dropout, self.second = first, dropout, second

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(N, inputs) → (N, outputs)."""
        first, second = self.first, self.second
        inputs, hidden, outputs = first.in_features, first.out_features, second.out_features
        apart = len(rows) * hidden * (inputs + outputs)
        merged = (hidden + len(rows)) * inputs * outputs
        if (self.dropout is not None and self.training) or apart < merged:
            between = first(rows)
            return second(between if self.dropout is None else self.dropout(between))  # type: ignore[no-any-return]
        bias = second.bias if first.bias is None else linear(first.bias, second.weight, second.bias)
        return linear(rows, second.weight @ first.weight, bias)


class SeededDropout(nn.Dropout):
    """Dropout with a generator of its own, so that the masks are the same whichever engine draws them."""

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__(p)
        self.generator = generator

    def mask_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the mask for an input of that shape."""
        return tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x * draw_mask(self.mask_shape(x.shape), self.p, self.generator).to(x.dtype)


class SeededChannelDropout(SeededDropout):
    """The same for torch's dropout of whole channels, as long as its input is a batch (N, C, …) of as many dimensions.

    Torch takes other inputs for a single image, or warns of them: those are left to it and to its global generator.
    """

    def __init__(self, original: nn.Dropout1d | nn.Dropout2d | nn.Dropout3d, generator: torch.Generator) -> None:
        super().__init__(original.p, generator)
        self.original = original
        self.dimensions = 2 + 1 + CHANNEL_DROPOUTS.index(type(original))

    def mask_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[:2], *[1] * (len(shape) - 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if x.dim() == self.dimensions else self.original(x)


def draw_mask(shape: Sequence[int], p: float, generator: torch.Generator) -> torch.Tensor:
    """Dropout's factors, float32 on the generator's device: 0 with probability `p`, else 1 / (1 - p).

    A random byte for each element takes a CPU a third of the time of `bernoulli_`; it serves multiples of 1/256.
    """
    if not float(p * BYTE).is_integer():
        uniform = torch.rand(shape, generator=generator, device=generator.device)
        return (uniform >= p).to(torch.float32).div_(1 - p)
    elements = torch.Size(shape).numel()
    words = torch.empty(-(-elements // 8), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)
    kept = words.view(torch.uint8)[:elements].view(shape) >= int(p * BYTE)
    return kept.to(torch.float32).div_(1 - p)


def build_rewritten(network: nn.Module, generator: torch.Generator) -> nn.Module:
    """`network` in its cheaper order; `generator` draws the dropout masks and says which device the network is on.

    In modules with a `forward` of their own the order stays, and dropout alone is replaced.
    """

    def seed(layer: nn.Module) -> nn.Module:
        # Dropout in place may be seen by whoever else holds its input.
        return _seed(layer, generator) if _is_random(layer) and not layer.inplace else layer

    if not is_plain(network, nn.Sequential):
        return build_replaced(network, seed)
    if generator.device.type == "cpu":
        # Pooling is vectorised over channels only where they are next to each other: half the time of a convolution.
        network.to(memory_format=torch.channels_last)
    layers: list[nn.Module] = []
    for layer in _flatten(network):
        if _commutes(layer) and layers and is_plain(layers[-1], nn.ReLU):
            layers.insert(-1, layer)  # max(relu) = relu(max), bit for bit, and a quarter of the elements is left
        elif is_plain(layer, nn.Linear) and _ends_in_linear(layers):
            dropout = None if is_plain(layers[-1], nn.Linear) else layers.pop()
            layers.append(MergedLinear(cast(nn.Linear, layers.pop()), dropout, cast(nn.Linear, layer)))
        elif _is_random(layer):
            layers.append(_seed(layer, generator))
        else:
            layers.append(build_replaced(layer, seed))
    return nn.Sequential(*layers)


def _is_random(layer: nn.Module) -> TypeGuard[nn.Dropout]:
    """Whether this is torch's own dropout, of elements or of channels, and its rate leaves something to chance."""
    return is_plain(layer, nn.Dropout, *CHANNEL_DROPOUTS) and 0 < cast(nn.Dropout, layer).p < 1


def _seed(layer: nn.Module, generator: torch.Generator) -> SeededDropout:
    if type(layer) is nn.Dropout:
        return SeededDropout(layer.p, generator)
    return SeededChannelDropout(cast(nn.Dropout2d, layer), generator)


def _commutes(layer: nn.Module) -> bool:
    """Whether ReLU may stand behind this pooling as well as before it.

    A dilated window may lie in the padding alone: its maximum, -inf, stays what it is behind a ReLU, and not before it.
    """
    if not is_plain(layer, nn.MaxPool2d):
        return False
    pool = cast(nn.MaxPool2d, layer)
    return not pool.return_indices and pool.dilation in (1, (1, 1))


def _flatten(network: nn.Module) -> Iterator[nn.Module]:
    for layer in network._modules.values():  # not `children`, which leaves out a layer's second occurrence
        if layer is None or is_plain(layer, nn.Identity):
            continue
        if is_plain(layer, nn.Sequential):
            yield from _flatten(layer)
        else:
            yield layer


def _ends_in_linear(layers: list[nn.Module]) -> bool:
    """Whether the layers end in a linear one, dropout after it left aside."""
    rest = layers[:-1] if layers and is_plain(layers[-1], nn.Dropout, SeededDropout) else layers
    return bool(rest) and is_plain(rest[-1], nn.Linear)
