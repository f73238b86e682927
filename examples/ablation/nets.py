"""The network of the study. Its keyword arguments are factors, which components of the design set."""

from typing import Annotated, Literal

from annotated_types import Ge, Lt
from torch import nn


def build_net(
    width: Annotated[int, Ge(1)] = 16,
    norm: Literal["none", "batch"] = "none",
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    *,
    inputs: tuple[int, ...],
    outputs: int,
) -> nn.Module:
    """Two convolutions and a linear layer: images (B, channels, height, width) in, raw scores (B, outputs) out.

    `inputs`, the shape of one image, and `outputs`, the number of classes, are filled in from the data.
    """
    channels, height, breadth = inputs
    return nn.Sequential(
        *build_block(channels, width, norm),
        *build_block(width, 2 * width, norm),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(2 * width * (height // 4) * (breadth // 4), outputs),
    )


def build_block(before: int, after: int, norm: str) -> list[nn.Module]:
    """A convolution, a normalisation if one is asked for, and half the resolution."""
    layers: list[nn.Module] = [nn.Conv2d(before, after, kernel_size=3, padding=1, bias=norm == "none")]
    if norm == "batch":
        layers.append(nn.BatchNorm2d(after))
    return [*layers, nn.ReLU(), nn.MaxPool2d(2)]
