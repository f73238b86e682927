"""The network of the study: a function that builds a new one for every fit.

Each keyword argument is a factor: `width: [8, 16]` in the grid trains both. Its type, its choices and its default are
read from the signature, so that a slip in the study file is found before anything starts.
"""

from typing import Literal

from torch import nn


def build_net(
    width: int = 16, norm: Literal["none", "batch"] = "none", *, inputs: tuple[int, ...], outputs: int
) -> nn.Module:
    """A small convolutional network: images (B, channels, height, width) in, raw scores (B, outputs) out.

    `inputs`, the shape of one image, and `outputs`, the number of classes, are filled in from the data. Sides of four
    pixels are the least. No softmax at the end: the loss has it.
    """
    channels, height, breadth = inputs
    return nn.Sequential(
        *build_block(channels, width, norm),
        *build_block(width, 2 * width, norm),
        nn.Flatten(),
        nn.Linear(2 * width * (height // 4) * (breadth // 4), outputs),
    )


def build_block(before: int, after: int, norm: str) -> list[nn.Module]:
    """A convolution, a normalisation if one is asked for, and half the resolution."""
    layers: list[nn.Module] = [nn.Conv2d(before, after, kernel_size=3, padding=1, bias=norm == "none")]
    if norm == "batch":
        layers.append(nn.BatchNorm2d(after))
    return [*layers, nn.ReLU(), nn.MaxPool2d(2)]
