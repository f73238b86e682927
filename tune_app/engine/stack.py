"""The networks of several folds as one: their weights stacked, and the training step of all of them.

Weights and statistics of fold k are views of row k of the stack. Gradients come from one batched pass (`torch.func`);
optimizers, scoring and random numbers are those of the eager engine, one for each fold.
"""

import copy
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.functional import conv2d, cross_entropy

from tune_app.engine.images import Images
from tune_app.engine.layers import build_replaced, is_plain
from tune_app.engine.precision import HALF_TYPES, autocast, build_scaler
from tune_app.engine.rewrite import SeededDropout, draw_mask
from tune_app.study import Recipe

Tensors = dict[str, torch.Tensor]  # name in the shared network → the tensors of all folds (fold, …)
Step = tuple[torch.Tensor, torch.Tensor]  # mean loss and count of hits of each active fold


@dataclass(frozen=True)
class StackedFold:
    """One fold's network (rewritten, on its device), optimizer, positions and shuffling."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    train: torch.Tensor
    validation: torch.Tensor
    shuffle_seed: int


class MaskedDropout(nn.Module):
    """Dropout by masks drawn beforehand, one for each call in a step: `vmap` draws none from a fold's own generator."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls, self.called = calls, 0
        for call in range(calls):
            self.register_buffer(f"mask{call}", torch.empty(0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        self.called += 1
        return x * self.get_buffer(f"mask{self.called - 1}").to(x.dtype)


class AutocastConv2d(nn.Module):
    """A convolution that casts by itself: `vmap` takes a CPU's convolutions apart where autocast does not see them."""

    def __init__(self, convolution: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight, self.bias, self.dtype = convolution.weight, convolution.bias, dtype
        self.stride, self.padding = convolution.stride, convolution.padding
        self.dilation, self.groups = convolution.dilation, convolution.groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = None if self.bias is None else self.bias.to(self.dtype)
        weight = self.weight.to(self.dtype)
        return conv2d(x.to(self.dtype), weight, bias, self.stride, self.padding, self.dilation, self.groups)


def _cast_layers(network: nn.Module, half: torch.dtype) -> None:
    """Make layers cast as autocast makes them without `vmap`, whose batch normalisation wants one type throughout."""
    for name, module in list(network.named_modules()):
        if is_plain(module, nn.Conv2d) and cast(nn.Conv2d, module).padding_mode == "zeros":
            network.set_submodule(name, AutocastConv2d(cast(nn.Conv2d, module), half))
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.register_forward_pre_hook(lambda module, inputs: (inputs[0].float(),))
            module.register_forward_hook(lambda module, inputs, output: output.to(half))


class Stack:
    """The networks of the folds as one function of stacked weights, and its training step."""

    def __init__(self, folds: Sequence[StackedFold], images: Images, recipe: Recipe) -> None:
        self.folds, self.images, self.recipe = folds, images, recipe
        self.device = images.device
        self.networks = [fold.network for fold in folds]
        self.shared = copy.deepcopy(self.networks[0]).train()
        self._calls = self._find_dropout_calls()
        self._masked: dict[str, MaskedDropout] = {}
        self.shared = self._build_masked()
        if recipe.precision in HALF_TYPES:
            _cast_layers(self.shared, HALF_TYPES[recipe.precision])
        self.weights = {name: self._stack(name) for name, _ in self.networks[0].named_parameters()}
        self.statistics = {name: self._stack(name) for name, _ in self.networks[0].named_buffers()}
        for weight in self.weights.values():
            weight.requires_grad_()
        self.scalers = [build_scaler(recipe.precision, self.device) for _ in folds]
        self._rows: dict[tuple[int, ...], torch.Tensor] = {}

    def _stack(self, name: str) -> torch.Tensor:
        """The tensors of that name as rows of one, which the networks see from now on."""
        path, _, leaf = name.rpartition(".")
        tensors = [getattr(network.get_submodule(path), leaf) for network in self.networks]
        stacked = torch.stack([tensor.detach() for tensor in tensors]).contiguous()
        for network, tensor, row in zip(self.networks, tensors, stacked, strict=True):
            if isinstance(tensor, nn.Parameter):
                tensor.data = row
            else:
                setattr(network.get_submodule(path), leaf, row)
        return stacked

    def _find_dropout_calls(self) -> list[tuple[str, tuple[int, ...]]]:
        """In the order in which a step calls its dropout layers: the layer's name, its input's shape for one image."""
        calls: list[tuple[str, tuple[int, ...]]] = []
        probe = copy.deepcopy(self.shared)
        dropouts = [(name, module) for name, module in probe.named_modules() if isinstance(module, SeededDropout)]
        if not dropouts:
            return calls

        def note(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if module.training:
                calls.append((name, tuple(inputs[0].shape[1:])))

        for name, module in dropouts:
            module.register_forward_pre_hook(partial(note, name))
        with torch.no_grad():
            probe(self.images.batch(self.folds[0].train[:2])[0])
        return calls

    def _build_masked(self) -> nn.Module:
        """The shared network with its dropout layers replaced."""
        names = {id(module): name for name, module in self.shared.named_modules()}
        counts = Counter(name for name, _ in self._calls)

        def mask(layer: nn.Module) -> nn.Module:
            if not isinstance(layer, SeededDropout):
                return layer
            name = names[id(layer)]
            self._masked[name] = MaskedDropout(counts[name]).train(layer.training)
            return self._masked[name]

        return build_replaced(self.shared, mask)

    def rows(self, active: Sequence[int]) -> torch.Tensor:
        """The active folds as an index on the device, copied there once: a copy in each step would wait for it."""
        key = tuple(active)
        if key not in self._rows:
            self._rows[key] = torch.tensor(key, device=self.device)
        return self._rows[key]

    def draw_masks(self, active: Sequence[int], batch_size: int) -> Tensors:
        """Every dropout's masks (active fold, image, …), from the folds' own generators, in the order of their use."""
        masks: dict[str, list[torch.Tensor]] = defaultdict(list)
        for index in active:
            drawn: Counter[str] = Counter()
            for name, shape in self._calls:
                dropout = cast(SeededDropout, self.networks[index].get_submodule(name))
                mask = draw_mask(dropout.mask_shape((batch_size, *shape)), dropout.p, dropout.generator)
                masks[f"{name}.mask{drawn[name]}"].append(mask)
                drawn[name] += 1
        return {name: torch.stack(drawn) for name, drawn in masks.items()}

    def step(self, active: Sequence[int], positions: torch.Tensor, masks: Tensors) -> Step:
        """Train the active folds on their batches (fold, image); mean loss and count of hits of each (fold,).

        Raises RuntimeError for a network that draws random numbers of its own: in a stack they would depend on which
        folds are in it.
        """
        count, size = positions.shape
        images, labels = self.images.batch(positions.flatten())
        batch = images.view(count, size, *images.shape[1:]), labels.view(count, size)
        everyone = count == len(self.folds)
        weights, statistics = self.weights, self.statistics
        if not everyone:  # a CUDA graph, which holds the step of everyone, can hold no copy to the device
            rows = self.rows(active)
            weights = {name: tensor[rows] for name, tensor in weights.items()}
            statistics = {name: tensor[rows] for name, tensor in statistics.items()}
        losses, hits = self._run(weights, statistics | masks, *batch)
        if not everyone:
            for name, tensor in self.statistics.items():
                tensor[rows] = statistics[name]
        self._update(active, losses)
        return losses.detach(), hits.detach()

    def _run(self, weights: Tensors, buffers: Tensors, images: torch.Tensor, labels: torch.Tensor) -> Step:
        """Loss and hits of every fold (fold,), on its weights and its batch."""
        for dropout in self._masked.values():
            dropout.called = 0

        def forward(weights: Tensors, buffers: Tensors, x: torch.Tensor, y: torch.Tensor) -> Step:
            with autocast(self.recipe.precision, self.device):
                logits = functional_call(self.shared, (weights, buffers), (x,))
                return cross_entropy(logits, y), (logits.argmax(1) == y).sum()

        results: Step = vmap(forward, randomness="error")(weights, buffers, images, labels)
        if any(dropout.called != dropout.calls for dropout in self._masked.values()):
            raise RuntimeError("a dropout layer was not called as often as in the first step")
        return results

    def _update(self, active: Sequence[int], losses: torch.Tensor) -> None:
        """One step of the active folds' optimizers."""
        scaled = [self.scalers[index].scale(losses[place]) for place, index in enumerate(active)]
        gradients = torch.autograd.grad(scaled, list(self.weights.values()))
        # Fused optimizers walk weights and gradients in memory order: both must lie alike.
        by_name = {name: gradient.contiguous() for name, gradient in zip(self.weights, gradients, strict=True)}
        for index in active:
            for name, parameter in self.networks[index].named_parameters():
                parameter.grad = by_name[name][index]
            self.scalers[index].step(self.folds[index].optimizer)
            self.scalers[index].update()
