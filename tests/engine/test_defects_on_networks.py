"""Defects on networks of other people: what they reach, and what they cannot act on."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from tests.builders import build_study, plan_of
from tune_app.engine.defects import (
    find_problems,
    prepare_test,
    prepare_training,
)
from tune_app.errors import StudyError
from tune_app.models import MODELS


class Residual(nn.Sequential):
    """A Sequential that is none: flattened, it would be another network."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


class OwnNorm(nn.BatchNorm2d):
    """Somebody's batch normalisation, which may do something else."""


def build_residual() -> nn.Sequential:
    inner = Residual(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Dropout(0.5))
    return nn.Sequential(nn.Conv2d(1, 2, 3), inner, nn.Flatten(), nn.Linear(72, 10))


def test_layers_inside_a_module_with_a_forward_of_its_own_are_found_and_the_rest_of_it_stays() -> None:
    network = build_residual().eval()
    first_layer, residual, flatten, linear = network
    convolution, norm = list(residual.children())[:2]
    x = torch.randn(8, 1, 8, 8)
    with torch.no_grad():
        norm.get_buffer("running_mean").add_(1.0)
        first = first_layer(x)
        expected = linear(flatten(first + convolution(first)))
        skipping = prepare_test(network, ("test-skips-layers",))
        assert torch.equal(skipping(x), expected)
        sliced = prepare_training(network, ("replica-statistics",), 4).train()
        assert not torch.allclose(sliced(x), network.train()(x))
    assert norm in list(network.modules()), "the network itself is as it was"
    assert [id(p) for p in sliced.parameters()] == [id(p) for p in network.parameters()]


class Tapped(nn.Module):
    """A network that counts the layers of its Sequential and calls one by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3))
        self.head = nn.Sequential()
        self.head.add_module("dropout", nn.Dropout(0.5))
        self.head.add_module("linear", nn.Linear(2, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place == 2:
                tapped = x.mean((2, 3))
        return self.head.linear(tapped)  # type: ignore[operator, no-any-return]


def test_a_layer_that_is_left_out_moves_and_renames_no_other() -> None:
    network = Tapped().eval()
    convolution, _, relu, _ = network.features
    x = torch.randn(4, 1, 8, 8)
    expected = network.head.get_submodule("linear")(relu(convolution(x)).mean((2, 3)))
    assert torch.equal(prepare_test(network, ("test-skips-layers",))(x), expected)
    assert list(prepare_test(network, ("test-skips-layers",)).state_dict()) == [
        name for name in network.state_dict() if not name.startswith("features.1")
    ]


class Scaled(nn.Module):
    """A module with a parametrization of its own, which it cannot be copied with."""

    scale: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.scale = nn.BatchNorm2d(1), nn.Parameter(torch.ones(1))
        nn.utils.parametrize.register_parametrization(self, "scale", nn.Softplus(), unsafe=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x) * self.scale  # type: ignore[no-any-return]


def test_a_layer_inside_a_parametrized_module_is_replaced() -> None:
    network, x = nn.Sequential(Scaled()), torch.randn(4, 1, 3, 3)
    expected = x * nn.functional.softplus(torch.ones(1))
    assert torch.equal(prepare_test(network, ("test-skips-layers",))(x), expected)


@pytest.mark.parametrize(
    ("network", "protocol", "problem"),
    [
        (nn.Sequential(nn.Linear(2, 2)), "replica-statistics", "it has no layer to slice"),
        (nn.Sequential(nn.Linear(2, 2)), "test-skips-layers", "it has no layer to leave out"),
        (nn.Sequential(OwnNorm(2)), "replica-statistics", "its OwnNorm may compute something else"),
        (nn.Sequential(OwnNorm(2)), "test-skips-layers", "its OwnNorm may compute something else"),
        (nn.Sequential(nn.AlphaDropout()), "test-skips-layers", "its AlphaDropout may compute something else"),
    ],
)
def test_a_network_that_a_defect_cannot_act_on_is_refused(network: nn.Module, protocol: str, problem: str) -> None:
    (found,) = find_problems(network, (protocol,))
    assert found.startswith(f"{protocol} cannot act on this network: {problem}")
    assert not find_problems(network, ("carry-over", "test-normalisation"))


def test_the_plan_refuses_a_defect_on_a_network_that_ignores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS._places, "plain", (f"{__name__}:build_strange", "plain"))
    grid = [{"model": "plain", "regularizer": "batchnorm", "folds": 3, "protocol": "test-skips-layers"}]
    with pytest.raises(StudyError, match="plain, batchnorm: test-skips-layers cannot act on this network: it has no"):
        plan_of(build_study(grid=grid))


class Listed(nn.Module):
    """A network that calls its layers out of a list, where no replacement reaches them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.BatchNorm2d(1), nn.Linear(64, 10)
        self.steps = [self.norm, nn.Flatten(), self.linear]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in self.steps:
            x = step(x)
        return x


class Bound(nn.Module):
    """A network that holds what its layer does, and not the layer alone."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.BatchNorm2d(1), nn.Linear(64, 10)
        self.normalise = self.norm.forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.normalise(x).flatten(1))  # type: ignore[no-any-return]


class Normed(nn.Module):
    """A network with a batch-norm layer, and somebody's way to compute `more` than that."""

    def __init__(self, more: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.norm, self.linear, self.more = nn.BatchNorm2d(1), nn.Linear(64, 10), more

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.more(self.norm, self.norm(x)).flatten(1))  # type: ignore[no-any-return]


def _normalise(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return nn.functional.batch_norm(x, None, None, training=True)


def _drop_always(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return nn.functional.dropout(x, training=True)


def _drop_in_training(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return nn.functional.dropout(x, training=norm.training)


def _normalise_images(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return nn.functional.instance_norm(x)


STRANGE: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),  # whatever the regularizer
    "listed": lambda: Listed(),
    "tapped": lambda: Tapped(),
    "normalises": lambda: Normed(_normalise),
    "bound": lambda: Bound(),
    "drops-always": lambda: Normed(_drop_always),
    "drops-in-training": lambda: Normed(_drop_in_training),
    "normalises-images": lambda: Normed(_normalise_images),
}


def build_strange(name: str, **arguments: Any) -> nn.Module:
    return STRANGE[name]()


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("listed", {"replica-statistics": "batch_norm", "test-skips-layers": "batch_norm"}),
        ("normalises", {"replica-statistics": "batch_norm", "test-skips-layers": "batch_norm"}),
        ("bound", {"replica-statistics": "batch_norm", "test-skips-layers": "batch_norm"}),
        ("drops-always", {"test-skips-layers": "dropout"}),
        ("tapped", {}),
        ("drops-in-training", {}),
        ("normalises-images", {}),
    ],
)
def test_the_plan_refuses_a_defect_that_does_not_reach_all_that_it_should_change(
    monkeypatch: pytest.MonkeyPatch, model: str, refused: Mapping[str, str]
) -> None:
    monkeypatch.setitem(MODELS._places, model, (f"{__name__}:build_strange", model))
    for protocol in ("replica-statistics", "test-skips-layers"):
        entry = {"model": model, "regularizer": "batchnorm", "folds": 3, "protocol": protocol}
        if protocol not in refused:
            assert len(plan_of(build_study(grid=[entry]))) == 1
            continue
        problem = f"{model}, batchnorm: {protocol} cannot act on this network: it calls {refused[protocol]} elsewhere"
        with pytest.raises(StudyError, match=problem):
            plan_of(build_study(grid=[entry]))
