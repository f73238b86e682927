"""The plan of networks that somebody brings."""

from typing import Any

import pytest
import torch
from torch import nn

from tests.builders import build_study, plan_of
from tune_app.engine.cost import build_network_cost
from tune_app.errors import StudyError
from tune_app.models import MODELS
from tune_app.parts.networks import ask_network


class Branching(nn.Module):
    """A layer that asks for a number, which the meta device does not have."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum().item() > 0 else x


class First(nn.Module):
    """The first of several outputs."""

    def forward(self, outputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return outputs[0]


def build_branching(**arguments: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(), Branching(), nn.Linear(64, 10))


def build_recurrent(**arguments: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(0, 1), nn.LSTM(8, 4, batch_first=True), First(), nn.Flatten(), nn.Linear(32, 10))


def test_a_network_that_cannot_be_counted_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS._places, "branching", (f"{__name__}:build_branching",))
    with pytest.raises(StudyError, match=r"branching on digits: its cost .* where it fails \(.*item.*\); let its"):
        plan_of(build_study(grid=[{"model": "branching", "regularizer": "none", "folds": 3}]))


def test_layers_with_several_outputs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS._places, "recurrent", (f"{__name__}:build_recurrent",))
    cost = build_network_cost(ask_network("recurrent", (1, 8, 8), 10, regularizer="none", width=1.0))
    outputs = [64, 32, 32, 32, 10]  # the state behind a recurrent layer's output is nothing that a step keeps
    assert cost.activation_bytes == 4 * sum(outputs)
