"""Where tensors lie in the steps of a GPU, without one: torch makes tensors that hold no numbers."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode

from tune_app import data
from tune_app.engine import Images, build_normalisation, rewrite, stack
from tune_app.engine.fit import PLAIN, Training, build_optimizer
from tune_app.engine.graph import build_step
from tune_app.engine.objective import CLASSIFICATION
from tune_app.engine.rewrite import build_rewritten
from tune_app.engine.stack import Stack, StackedFold
from tune_app.models import MODELS
from tune_app.study import Recipe

GPU = torch.device("cuda", 0)
SAMPLES, BATCH = 60, 20


def draw_anywhere(shape: tuple[int, ...], p: float, generator: Any) -> torch.Tensor:
    """Masks without the generator, which torch gives on a real GPU alone."""
    return torch.rand(shape, device=generator.device)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """CUDA tensors. The backward pass needs a real GPU: gradients lie where their weights do, come what may."""

    def backward(loss: torch.Tensor) -> None:
        for weight in find_weights(loss):
            weight.grad = torch.zeros_like(weight)

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    monkeypatch.setattr(rewrite, "draw_mask", draw_anywhere)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def find_weights(loss: torch.Tensor) -> list[torch.Tensor]:
    """The leaves of the loss's graph."""
    found, waiting, seen = [], [loss.grad_fn], set[Any]()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        waiting += [before for before, _ in node.next_functions]
    return found


def build_images(digits: data.Data, on_host: bool, device: torch.device = GPU) -> Images:
    positions = np.arange(SAMPLES)
    normalisation = build_normalisation(digits.inputs, positions)
    return Images(digits.inputs, digits.targets, positions, normalisation, device, on_host=on_host)


def build_fold(images: Images, recipe: Recipe, regularizer: str) -> StackedFold:
    with images.device:
        network = MODELS["cnn"](image_shape=(1, 8, 8), regularizer=regularizer, width=0.1)
    rewritten = build_rewritten(network, cast(torch.Generator, SimpleNamespace(device=images.device)))
    positions = torch.arange(SAMPLES, device=images.place)
    return StackedFold(rewritten, build_optimizer(rewritten, recipe), positions, positions, 0)


@pytest.mark.parametrize("on_host", [False, True])
@pytest.mark.parametrize("regularizer", ["none", "dropout+batchnorm"])
@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_an_eager_step_keeps_to_the_gpu(
    gpu: None, digits: data.Data, on_host: bool, regularizer: str, precision: str
) -> None:
    images = build_images(digits, on_host)
    recipe = Recipe(batch_size=BATCH, precision=precision)
    fold = build_fold(images, recipe, regularizer)
    training = Training(fold.network, fold.optimizer, images, recipe, CLASSIFICATION, PLAIN, SAMPLES)
    loss, hits = training._take_step(fold.train[:BATCH])
    assert loss.device == hits.device == GPU
    assert all(weight.grad is not None and weight.device == GPU for weight in fold.network.parameters())


@pytest.mark.parametrize("on_host", [False, True])
@pytest.mark.parametrize("regularizer", ["none", "dropout+batchnorm"])
@pytest.mark.parametrize("active", [[0, 1, 2], [0, 2]])
def test_a_stacked_step_keeps_to_the_gpu(
    monkeypatch: pytest.MonkeyPatch, digits: data.Data, on_host: bool, regularizer: str, active: list[int]
) -> None:
    """The networks are stacked here, for what they share is storage; then the stack's tensors are taken to the GPU."""
    monkeypatch.setattr(rewrite, "draw_mask", draw_anywhere)
    recipe = Recipe(batch_size=BATCH)
    here = build_images(digits, on_host, torch.device("cpu"))
    stacked = Stack([build_fold(here, recipe, regularizer) for _ in range(3)], here, recipe)
    monkeypatch.setattr(stack, "draw_mask", lambda shape, p, generator: torch.rand(shape, device=GPU))
    updated: list[torch.Tensor] = []
    monkeypatch.setattr(Stack, "_update", lambda self, active, losses: updated.append(losses))
    with FakeTensorMode(allow_non_fake_inputs=True):
        stacked.device, stacked.images = GPU, build_images(digits, on_host)
        for kept in (stacked.weights, stacked.statistics):
            kept |= {name: torch.empty(each.shape, dtype=each.dtype, device=GPU) for name, each in kept.items()}
        order = torch.arange(BATCH, device=stacked.images.place)
        positions = torch.stack([order for _ in active])
        loss, hits = stacked.step(active, positions, stacked.draw_masks(active, BATCH))
        assert loss.shape == hits.shape == (len(active),)
        assert {each.device for each in (loss, hits, *updated, *stacked.statistics.values())} == {GPU}


@pytest.mark.parametrize("on_host", [False, True])
def test_samples_stay_where_they_are_said_to_stay(gpu: None, digits: data.Data, on_host: bool) -> None:
    images = build_images(digits, on_host)
    place = torch.device("cpu") if on_host else GPU
    assert (images.place, images._shared.device, images.labels.device) == (place, place, GPU)
    batch, targets = images.batch(torch.arange(BATCH, device=place))
    assert batch.device == targets.device == GPU
    assert batch.dtype == torch.float32


@pytest.mark.parametrize("on_host", [False, True])
def test_a_step_that_copies_from_the_host_is_in_no_graph_and_says_so(on_host: bool) -> None:
    """A graph would copy the batch that it was captured with, for ever."""
    place = torch.device("cpu") if on_host else GPU
    told = SimpleNamespace(device=GPU, images=SimpleNamespace(place=place), recipe=Recipe())
    step = build_step(cast(Stack, told))
    assert step.allowed is not on_host
    assert step.reason == ("without a CUDA graph: the samples are in host memory" if on_host else "")
