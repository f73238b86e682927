"""The network of the study. Its keyword arguments are factors: `width: [16, 64]` in the study file trains both."""

from typing import Annotated

from annotated_types import Ge, Lt
from torch import nn


def build_net(
    width: Annotated[int, Ge(1)] = 32,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    *,
    inputs: tuple[int, ...],
    outputs: int,
) -> nn.Module:
    """A perceptron of two hidden layers: rows (B, columns) in, raw scores (B, outputs) out.

    `inputs`, the shape of one row, and `outputs`, the number of classes, are filled in from the data.
    """
    (columns,) = inputs
    return nn.Sequential(
        nn.Linear(columns, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, outputs),
    )
