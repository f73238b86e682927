"""The rewritten network is the same function as the one it is made from."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from tune_app.engine.rewrite import MergedLinear, build_rewritten, draw_mask
from tune_app.models import MODELS
from tune_app.models.layers import REGULARIZERS

CNN_ROWS = [("cnn", 1.0, regularizer) for regularizer in REGULARIZERS]
VGG_ROWS = [(name, 0.02, "batchnorm") for name in MODELS if name != "cnn"]


def build_pair(model: str, width: float, regularizer: str) -> tuple[nn.Module, nn.Module]:
    """A network and the rewritten form of a copy, both in float64, where reordering leaves no visible rounding."""
    pair = []
    for _ in range(2):
        torch.manual_seed(7)
        pair.append(MODELS[model](regularizer=regularizer, width=width).double())
    return pair[0], build_rewritten(pair[1], torch.Generator())


def build_batch(images: int) -> torch.Tensor:
    return torch.rand(images, 1, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("model", "width", "regularizer"), CNN_ROWS + VGG_ROWS)
def test_a_rewritten_network_scores_alike(model: str, width: float, regularizer: str) -> None:
    network, rewritten = build_pair(model, width, regularizer)
    for images in (2, 30):  # few images take the linear layers one by one, many merge them
        expected = network.eval()(build_batch(images))
        torch.testing.assert_close(rewritten.eval()(build_batch(images)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "width", "regularizer"), [row for row in CNN_ROWS if "dropout" not in row[2]] + VGG_ROWS
)
def test_a_rewritten_network_has_the_same_gradients_and_statistics(model: str, width: float, regularizer: str) -> None:
    network, rewritten = build_pair(model, width, regularizer)
    for each in (network, rewritten):
        each.train()(build_batch(30)).square().sum().backward()
    for mine, theirs in zip(rewritten.parameters(), network.parameters(), strict=True):
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-7, atol=1e-10)
    for ours, original in zip(rewritten.buffers(), network.buffers(), strict=True):
        torch.testing.assert_close(ours, original)


def test_pooling_before_relu_is_exact_in_float32() -> None:
    layers = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))
    batch = build_batch(4).float() - 0.5
    rewritten = build_rewritten(layers, torch.Generator())
    assert [type(layer) for layer in rewritten.children()] == [nn.MaxPool2d, nn.ReLU]
    assert torch.equal(rewritten(batch), layers(batch))


def test_a_rewritten_network_shares_its_weights() -> None:
    network = MODELS["cnn"](regularizer="dropout+batchnorm")
    rewritten = build_rewritten(network, torch.Generator())
    with torch.no_grad():
        for weights in rewritten.parameters():
            weights.zero_()
    assert all(not weights.any() for weights in network.parameters())


def test_linear_layers_with_an_activation_between_them_stay_apart() -> None:
    network = nn.Sequential(nn.Linear(9, 50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 3))
    assert not any(isinstance(layer, MergedLinear) for layer in build_rewritten(network, torch.Generator()).modules())


def test_dropout_between_merged_layers_is_active_in_training_only() -> None:
    network = build_rewritten(MODELS["cnn"](regularizer="dropout"), torch.Generator().manual_seed(0))
    batch = build_batch(30).float()
    assert not torch.equal(network.train()(batch), network(batch))
    assert torch.equal(network.eval()(batch), network(batch))


@pytest.mark.parametrize("p", [0.25, 0.5, 0.75])
def test_masks_drop_their_share_and_keep_the_mean(p: float) -> None:
    mask = draw_mask((100, 999), p, torch.Generator().manual_seed(3))
    assert torch.equal(mask[mask > 0], torch.full_like(mask[mask > 0], 1 / (1 - p)))
    assert (mask == 0).float().mean().item() == pytest.approx(p, abs=0.006), "four standard errors"
    columns = (mask == 0).float().mean(0)
    assert columns.std().item() == pytest.approx((p * (1 - p) / 100) ** 0.5, rel=0.15), "elements are independent"


def test_masks_come_from_the_generator_alone() -> None:
    first = draw_mask((3, 7), 0.5, torch.Generator().manual_seed(3))
    torch.manual_seed(99)
    assert torch.equal(draw_mask((3, 7), 0.5, torch.Generator().manual_seed(3)), first)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_of_any_rate_draws_from_the_generator_it_is_given_alone(p: float) -> None:
    x = torch.ones(200, 50)
    masks = []
    for globally in (0, 1):
        torch.manual_seed(globally)
        dropout = build_rewritten(nn.Sequential(nn.Dropout(p)), torch.Generator().manual_seed(7)).train()
        masks.append(dropout(x))
    assert torch.equal(*masks)
    assert (masks[0] == 0).float().mean().item() == pytest.approx(p, abs=0.02)
    assert masks[0].mean().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_dropout_of_channels_draws_from_the_generator_it_is_given_alone(dimensions: int) -> None:
    layer = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)[dimensions - 1](0.3)
    x = torch.ones(200, 50, *[2] * dimensions)
    outcomes = []
    for globally in (0, 1):
        torch.manual_seed(globally)
        dropout = build_rewritten(nn.Sequential(layer), torch.Generator().manual_seed(7)).train()
        outcomes.append(dropout(x))
    assert torch.equal(*outcomes)
    channels = outcomes[0].flatten(2)
    assert torch.equal(channels, channels[..., :1].expand_as(channels)), "a channel is dropped as a whole"
    torch.testing.assert_close(channels.unique(), torch.tensor([0, 1 / 0.7]))
    assert (channels[..., 0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert torch.equal(dropout.eval()(x), x)


def test_dropout_of_channels_takes_what_is_no_batch_as_torch_does() -> None:
    """Dropout1d takes (50, 2) for one image of 50 channels."""
    layer, x = nn.Dropout1d(0.3), torch.ones(50, 2)
    torch.manual_seed(0)
    expected = layer(x)
    torch.manual_seed(0)
    assert torch.equal(build_rewritten(nn.Sequential(layer), torch.Generator()).train()(x), expected)


class Doubled(nn.Sequential):
    """A Sequential with a forward of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


class Shifted(nn.Linear):
    """A linear layer that does more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


def _with_hook(layer: nn.Module) -> nn.Module:
    layer.register_forward_hook(lambda module, inputs, output: output * 3)
    return layer


def _weight_normed() -> nn.Module:
    layer: nn.Module = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5))
    return layer


def _used_twice() -> nn.Module:
    layer, relu = nn.Linear(6, 6), nn.ReLU()
    return nn.Sequential(layer, relu, layer, relu)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(Doubled(nn.Linear(6, 6)), nn.Linear(6, 5)),
        lambda: Doubled(nn.Linear(6, 6), nn.Linear(6, 5)),
        lambda: nn.Sequential(nn.Linear(6, 6), Shifted(6, 5)),
        lambda: nn.Sequential(Shifted(6, 6), nn.Linear(6, 5)),
        lambda: nn.Sequential(_with_hook(nn.Linear(6, 6)), nn.Linear(6, 5)),
        lambda: nn.Sequential(_with_hook(nn.Sequential(nn.Linear(6, 6))), nn.Linear(6, 5)),
        lambda: nn.Sequential(nn.Linear(6, 6), _weight_normed()),
        _used_twice,
    ],
)
def test_what_only_looks_like_a_plain_layer_computes_what_it_did(build: Callable[[], nn.Module]) -> None:
    network = build().eval()
    x = torch.randn(300, 6)
    assert torch.allclose(build_rewritten(network, torch.Generator()).eval()(x), network(x), atol=1e-5)


def test_pooling_that_returns_indices_stays_behind_its_relu() -> None:
    network = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, return_indices=True))
    x = torch.randn(2, 1, 4, 4)
    for ours, theirs in zip(build_rewritten(network, torch.Generator())(x), network(x), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
        nn.MaxPool2d(2, stride=1, padding=1, dilation=3),
    ],
)
@pytest.mark.parametrize("size", [2, 5, 8])
def test_pooling_of_every_kind_gives_what_it_gave_behind_its_relu(pool: nn.Module, size: int) -> None:
    """The last kind has windows of padding alone on images of two pixels."""
    network = nn.Sequential(nn.ReLU(), pool)
    x = torch.randn(2, 1, size, size)
    assert torch.equal(build_rewritten(network, torch.Generator())(x), network(x))


class Block(nn.Module):
    """A residual block with one dropout layer for two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.dropout = nn.Linear(6, 6), nn.Linear(6, 6), nn.Dropout(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dropout(self.second(self.dropout(self.first(x))))  # type: ignore[no-any-return]


@pytest.mark.parametrize("build", [Block, lambda: nn.Sequential(Block(), Block()), lambda: Doubled(Block())])
def test_dropout_inside_a_module_draws_from_the_generator_it_is_given_alone(build: Callable[[], nn.Module]) -> None:
    network, x = build(), torch.ones(50, 6)
    outcomes = []
    for globally in (0, 1):
        torch.manual_seed(globally)
        rewritten = build_rewritten(network, torch.Generator().manual_seed(7))
        outcomes.append(rewritten.train()(x))
    assert torch.equal(*outcomes)
    assert not torch.equal(rewritten.train()(x), rewritten(x)), "the masks are not the same each time"
    assert torch.equal(rewritten.eval()(x), network.eval()(x))
    assert {id(weights) for weights in rewritten.parameters()} == {id(weights) for weights in network.parameters()}


class Replacing(nn.Module):
    """A module that puts a new tensor in its buffer's place, beside a dropout layer."""

    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.3)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count = self.count + 1
        return self.dropout(x)  # type: ignore[no-any-return]


def test_what_a_rewritten_network_does_to_its_buffers_is_in_the_state_that_is_saved() -> None:
    network = nn.Sequential(Replacing(), nn.Identity())
    build_rewritten(network, torch.Generator())(torch.ones(2))
    assert {name: value.item() for name, value in network.state_dict().items()} == {"0.count": 1}
