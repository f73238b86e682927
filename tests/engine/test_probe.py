"""What is shown to stack is stacked, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from tune_app import data
from tune_app.engine import Images, build_normalisation
from tune_app.engine.fit import build_optimizer
from tune_app.engine.probe import find_stacking_problem
from tune_app.engine.rewrite import build_rewritten
from tune_app.engine.stack import StackedFold
from tune_app.models import MODELS
from tune_app.study import Recipe

CPU = torch.device("cpu")


def probe(digits: data.Data, build_network: Callable[[], nn.Module], recipe: Recipe) -> str:
    positions = np.arange(120)
    normalisation = build_normalisation(digits.inputs, positions)
    images = Images(digits.inputs, digits.targets, positions, normalisation, CPU)

    def build() -> list[StackedFold]:
        folds = []
        for fold in range(2):
            torch.manual_seed(fold)
            network = build_rewritten(build_network(), torch.Generator().manual_seed(fold))
            train = torch.arange(fold * 40, fold * 40 + 40)
            folds.append(
                StackedFold(network, build_optimizer(network, recipe), train, torch.arange(80, 120), shuffle_seed=fold)
            )
        return folds

    return find_stacking_problem(build, images, recipe)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("regularizer", ["none", "dropout+batchnorm"])
@pytest.mark.parametrize(("model", "width"), [("cnn", 0.05), ("vgg10", 0.05)])
def test_every_family_that_ships_stacks(
    digits: data.Data, model: str, width: float, regularizer: str, precision: str
) -> None:
    """A bias before batch normalisation has no gradient but rounding error, which no two orders share."""

    def build() -> nn.Module:
        return MODELS[model](image_shape=(1, 8, 8), regularizer=regularizer, width=width)

    assert probe(digits, build, Recipe(batch_size=20, precision=precision)) == ""


class Block(nn.Module):
    """A residual block with one dropout layer for two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect") for _ in range(2))
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dropout(self.second(self.dropout(self.first(x))))  # type: ignore[no-any-return]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_with_a_forward_of_its_own_stacks_with_its_dropout(digits: data.Data, precision: str) -> None:
    def build() -> nn.Module:
        return nn.Sequential(Block(), Block(), nn.Flatten(), nn.Linear(64, 10))

    assert probe(digits, build, Recipe(batch_size=20, precision=precision)) == ""


def test_a_learning_rate_that_diverges_is_no_reason_against_a_stack(digits: data.Data) -> None:
    def build() -> nn.Module:
        return MODELS["cnn"](image_shape=(1, 8, 8), width=0.05)

    assert probe(digits, build, Recipe(batch_size=20, learning_rate=1e30)) == ""


class Replacing(nn.Module):
    """Statistics that are a new tensor in each step, which a stack does not see."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean = self.mean * 0.9 + x.detach().mean() * 0.1
        return x


def test_a_network_that_loses_its_statistics_in_a_stack_is_not_stacked(digits: data.Data) -> None:
    def build() -> nn.Module:
        return nn.Sequential(Replacing(), nn.Flatten(), nn.Linear(64, 10))

    assert probe(digits, build, Recipe(batch_size=20)) == "a step in a stack gives another 0.mean than by itself"


def test_a_probe_that_memory_does_not_hold_is_a_reason_and_no_error(digits: data.Data) -> None:
    def build() -> nn.Module:
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert probe(digits, build, Recipe(batch_size=20)) == "two folds do not fit into memory"
