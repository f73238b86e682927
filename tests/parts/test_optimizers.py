"""torch's optimizers by name, on scikit-learn's digits."""

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from tune_app.engine.fit import build_optimizer
from tune_app.errors import StudyError
from tune_app.parts.optimizers import OPTIMIZERS, build_named, list_arguments
from tune_app.study import Recipe


def _train(network: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 30) -> list[float]:
    """The loss before each of the steps, all on the same batch."""
    inputs, labels = load_digits(return_X_y=True)
    batch, targets = torch.tensor(inputs[:200], dtype=torch.float32) / 16, torch.tensor(labels[:200])
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(network(batch), targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


def _build_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def _build(name: str, network: nn.Module, momentum: float | None = None, **arguments: Any) -> torch.optim.Optimizer:
    return build_named(
        name, network.parameters(), learning_rate=0.01, weight_decay=0.001, momentum=momentum, **arguments
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss_and_has_the_recipes_numbers(name: str) -> None:
    network = _build_network()
    optimizer = _build(name, network)
    losses = _train(network, optimizer)
    assert losses[-1] < losses[0]
    assert optimizer.defaults["lr"] == 0.01
    assert optimizer.defaults["weight_decay"] == 0.001


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("adam", {"betas": [0.9, 0.999], "eps": 1e-8}),
        ("adamw", {"amsgrad": False}),
        ("sgd", {"nesterov": False, "dampening": 0.0}),
    ],
)
def test_torchs_defaults_spelt_out_train_as_the_engines_own_optimizer(name: str, arguments: dict[str, Any]) -> None:
    ours, engines = _build_network(), _build_network()
    recipe = Recipe(optimizer=name, learning_rate=0.01, weight_decay=0.001, momentum=0.8)
    found = _train(ours, _build(name, ours, momentum=0.8, **arguments))
    assert found == _train(engines, build_optimizer(engines, recipe))


def test_arguments_reach_torchs_constructor() -> None:
    ours, theirs = _build_network(), _build_network()
    found = _train(ours, _build("nadam", ours, betas=[0.8, 0.99], momentum_decay=0.01))
    direct = torch.optim.NAdam(theirs.parameters(), lr=0.01, betas=(0.8, 0.99), weight_decay=0.001, momentum_decay=0.01)
    assert found == _train(theirs, direct)
    plain = _build_network()
    assert found != _train(plain, _build("nadam", plain))


def test_the_momentum_reaches_those_that_have_one() -> None:
    network = _build_network()
    assert _build("rmsprop", network, momentum=0.7).defaults["momentum"] == 0.7
    assert _build("rmsprop", network).defaults["momentum"] == 0
    assert _build("sgd", network, momentum=0.7).defaults["momentum"] == 0.7
    assert "momentum" not in _build("adagrad", network, momentum=0.7).defaults


def test_the_arguments_listed_are_those_that_are_taken() -> None:
    assert [parameter.name for parameter in list_arguments("sgd")] == ["dampening", "nesterov"]
    for name in OPTIMIZERS:
        defaults = {parameter.name: parameter.default for parameter in list_arguments(name)}
        optimizer = _build(name, _build_network(), **defaults)
        assert {key: optimizer.defaults.get(key, defaults[key]) for key in defaults} == defaults


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lbfgs", "computes the loss several times a step"),
        ("muon", "takes matrices alone"),
        ("rprop", "needs the gradient of all samples at once"),
        ("sparseadam", "takes sparse gradients alone"),
        ("nadm", r"there is no 'nadm'; did you mean 'nadam'\? choose from"),
    ],
)
def test_optimizers_that_do_not_fit_are_refused_with_the_reason(name: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        _build(name, _build_network())


def test_all_unknown_arguments_are_refused_at_once() -> None:
    with pytest.raises(StudyError) as caught:
        _build("nadam", _build_network(), momentum_dacay=0.1, lr=0.1, fused=True)
    first, second, third = caught.value.problems
    assert "did you mean 'momentum_decay'?" in first
    assert second == "optimizer nadam: lr is the recipe's learning_rate; set it there"
    assert "'fused' is no argument of it; choose from betas, eps" in third


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("adam", {"betas": [0.9, 1.5]}, r"betas \(0.9, 1.5\), .*Invalid beta parameter at index 1: 1.5"),
        ("adam", {"betas": 0.9}, "torch refuses betas 0.9"),
        ("sgd", {"nesterov": True}, "Nesterov momentum requires a momentum"),
        ("rmsprop", {"alpha": -1.0}, "Invalid alpha value: -1.0"),
        ("adagrad", {"eps": "small"}, "torch refuses eps small"),
    ],
)
def test_values_that_torch_refuses_are_named(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=f"optimizer {name}: torch refuses .*{message.removeprefix('torch refuses ')}"):
        _build(name, _build_network(), **arguments)
