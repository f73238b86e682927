"""The networks, compared layer by layer with the original report."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tune_app.errors import ResultsError
from tune_app.models import MODELS, REGULARIZERS, load_network, read_weights, write_weights

PARAMETERS = {"cnn": 3_257_578, "vgg10": 128.8e6, "vgg12": 129.0e6, "vgg15": 131.9e6, "vgg18": 137.3e6}
FEATURES = {
    "vgg10": "64 M 128 256 256 M 512 512 512 512",
    "vgg12": "64 64 M 128 128 256 256 M 512 512 512 512",
    "vgg15": "64 64 M 128 128 256 256 256 M 512 512 512 512 512",
    "vgg18": "64 64 M 128 128 M 256 256 256 256 512 512 512 512 512 512 512",
}
WEIGHT_LAYERS = {"vgg10": 11, "vgg12": 13, "vgg15": 15, "vgg18": 18}


def layers_with_shapes(network: nn.Module, images: torch.Tensor) -> list[tuple[str, tuple[int, ...]]]:
    seen: list[tuple[str, tuple[int, ...]]] = []
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, _, out: seen.append((type(m).__name__, tuple(out.shape[1:]))))
    network.eval()(images)
    return seen


def test_the_cnn_with_both_regularizers_has_the_reports_layers_in_order() -> None:
    network = MODELS["cnn"](regularizer="dropout+batchnorm")
    assert layers_with_shapes(network, torch.zeros(1, 1, 28, 28)) == [
        ("Conv2d", (8, 28, 28)),
        ("ReLU", (8, 28, 28)),
        ("MaxPool2d", (8, 14, 14)),
        ("Conv2d", (16, 14, 14)),
        ("ReLU", (16, 14, 14)),
        ("BatchNorm2d", (16, 14, 14)),
        ("MaxPool2d", (16, 7, 7)),
        ("Flatten", (784,)),
        ("Linear", (4096,)),
        ("Dropout", (4096,)),
        ("Linear", (10,)),
    ]
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [0.5]


@pytest.mark.parametrize("name", FEATURES)
def test_a_vgg_has_the_reports_layers_in_order(name: str) -> None:
    expected: list[tuple[str, tuple[int, ...]]] = []
    size = 28
    for token in FEATURES[name].split():
        if token == "M":
            size //= 2
            expected.append(("MaxPool2d", (expected[-1][1][0], size, size)))
        else:
            shape = (int(token), size, size)
            expected += [("Conv2d", shape), ("BatchNorm2d", shape), ("ReLU", shape)]
    expected += [("AdaptiveAvgPool2d", (512, 7, 7)), ("Flatten", (25088,))]
    expected += [("Linear", (4096,)), ("ReLU", (4096,)), ("Dropout", (4096,))] * 2 + [("Linear", (10,))]
    with torch.device("meta"):
        network = MODELS[name](regularizer="dropout+batchnorm")
        assert layers_with_shapes(network, torch.zeros(1, 1, 28, 28)) == expected


@pytest.mark.parametrize("name", MODELS)
def test_parameter_and_weight_layer_counts_are_the_reports(name: str) -> None:
    with torch.device("meta"):
        network = MODELS[name]()
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(PARAMETERS[name], rel=5e-4)
    weight_layers = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules())
    assert weight_layers == WEIGHT_LAYERS.get(name, 4)


def test_convolutions_are_three_by_three_with_padding_one() -> None:
    for name in MODELS:
        with torch.device("meta"):
            convolutions = [m for m in MODELS[name]().modules() if isinstance(m, nn.Conv2d)]
        assert all(c.kernel_size == (3, 3) and c.padding == (1, 1) and c.stride == (1, 1) for c in convolutions)


def test_a_vgg_starts_from_the_reports_weights() -> None:
    torch.manual_seed(0)
    network = MODELS["vgg10"](width=0.5)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * 9
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
            assert module.bias is not None
            assert not module.bias.any()
        elif isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.01, rel=0.05)
            assert not module.bias.any()
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert not module.bias.any()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_the_regularizer_decides_which_layers_there_are(name: str, regularizer: str) -> None:
    with torch.device("meta"):
        modules = list(MODELS[name](regularizer=regularizer, width=0.1).modules())
    assert any(isinstance(m, nn.Dropout) for m in modules) == ("dropout" in regularizer)
    assert any(isinstance(m, nn.BatchNorm2d) for m in modules) == ("batchnorm" in regularizer)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("shape", "classes"), [((1, 8, 8), 10), ((3, 32, 40), 7), ((1, 29, 31), 2)])
def test_any_image_size_channels_and_classes(name: str, shape: tuple[int, int, int], classes: int) -> None:
    network = MODELS[name](image_shape=shape, classes=classes, width=0.02)
    assert network.eval()(torch.zeros(3, *shape)).shape == (3, classes)


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4×4"):
        MODELS["cnn"](image_shape=(1, 3, 8))


def test_width_multiplies_channels_and_hidden_units() -> None:
    network = MODELS["cnn"](width=2)
    assert [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)] == [16, 32]
    assert [m.out_features for m in network.modules() if isinstance(m, nn.Linear)] == [8192, 10]


def test_saved_weights_build_the_same_network_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = MODELS["cnn"](regularizer="batchnorm", width=0.1)
    build = {"model": "cnn", "image_shape": (1, 28, 28), "classes": 10, "regularizer": "batchnorm", "width": 0.1}
    write_weights(tmp_path / "w.pt", network.state_dict(), build, {"trial": "x"})
    again = load_network(tmp_path / "w.pt")
    images = torch.randn(5, 1, 28, 28)
    assert torch.equal(network.eval()(images), again(images))
    assert read_weights(tmp_path / "w.pt")["facts"] == {"trial": "x"}
    assert [path.name for path in tmp_path.iterdir()] == ["w.pt"]


def test_a_file_that_holds_no_weights_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "w.pt").write_bytes(b"not weights")
    with pytest.raises(ResultsError, match="--keep best"):
        load_network(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("reference", "arguments"),
    [
        ("os:system", {"command": "touch ran"}),
        ("posix:system", {"command": "touch ran"}),
        ("subprocess:run", {"args": ["touch", "ran"]}),
        ("numpy:save", {"file": "ran", "arr": [1]}),
        ("tune_app.records.files:write_whole", {"path": "ran", "text": "x"}),
        ("tune_app.models.weights:import_module", {"name": "antigravity"}),
        ("nowhere:build", {}),
    ],
)
def test_weights_of_a_stranger_call_nothing_but_ones_own_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, arguments: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    build = {"model": "net", "reference": reference, "arguments": arguments, "inputs": [1], "outputs": 2}
    write_weights(tmp_path / "w.pt", {}, build, {})
    with pytest.raises(ResultsError, match=r"no module of your own.*allow=|cannot be imported"):
        load_network(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()
