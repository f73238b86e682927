"""The networks of several folds as one: their weights stacked, and the training step of all of them.

Weights and statistics of fold k are views of row k of the stack. Gradients come from one batched pass (`torch.func`);
optimizers, scoring and random numbers are those of the eager engine, one for each fold.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.functional import conv2d, cross_entropy

from tune_app.engine.images import Images
from tune_app.engine.precision import HALF_TYPES, autocast, build_scaler
from tune_app.engine.rewrite import SeededDropout, draw_mask
from tune_app.study import Recipe

Masks = dict[str, torch.Tensor]  # a dropout's name in the shared network → its masks (active fold, image, …)
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
    """Dropout by a mask drawn beforehand: `vmap` draws no random numbers from a fold's own generator."""

    mask: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.empty(0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask.to(x.dtype) if self.training else x


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
        if isinstance(module, nn.Conv2d):
            network.set_submodule(name, AutocastConv2d(module, half))
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.register_forward_pre_hook(lambda module, inputs: (inputs[0].float(),))
            module.register_forward_hook(lambda module, inputs, output: output.to(half))


class Stack:
    """The networks of the folds as one function of stacked weights, and its training step."""

    def __init__(self, folds: Sequence[StackedFold], images: Images, recipe: Recipe) -> None:
        self.folds, self.images, self.recipe = folds, images, recipe
        self.device = folds[0].train.device
        self.networks = [fold.network for fold in folds]
        self.shared = copy.deepcopy(self.networks[0]).train()
        self.dropouts = [
            (name, module.p) for name, module in self.shared.named_modules() if isinstance(module, SeededDropout)
        ]
        self._mask_shapes = self._find_mask_shapes()
        for name, _ in self.dropouts:
            self.shared.set_submodule(name, MaskedDropout())
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

    def _find_mask_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each dropout's input for one image."""
        shapes: dict[str, tuple[int, ...]] = {}
        probe = copy.deepcopy(self.shared)
        for name, _ in self.dropouts:

            def note(module: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
                shapes[name] = tuple(inputs[0].shape[1:])

            probe.get_submodule(name).register_forward_pre_hook(note)
        if self.dropouts:
            with torch.no_grad():
                probe(self.images.batch(self.folds[0].train[:2])[0])
        return shapes

    def rows(self, active: Sequence[int]) -> torch.Tensor:
        """The active folds as an index on the device, copied there once: a copy in each step would wait for it."""
        key = tuple(active)
        if key not in self._rows:
            self._rows[key] = torch.tensor(key, device=self.device)
        return self._rows[key]

    def draw_masks(self, active: Sequence[int], batch_size: int) -> Masks:
        """Every dropout's masks (active fold, image, …), from the folds' own generators, in the layers' order."""
        masks: dict[str, list[torch.Tensor]] = {f"{name}.mask": [] for name, _ in self.dropouts}
        for index in active:
            for name, p in self.dropouts:
                dropout = cast(SeededDropout, self.networks[index].get_submodule(name))
                masks[f"{name}.mask"].append(draw_mask((batch_size, *self._mask_shapes[name]), p, dropout.generator))
        return {name: torch.stack(drawn) for name, drawn in masks.items()}

    def step(self, active: Sequence[int], positions: torch.Tensor, masks: Masks) -> Step:
        """Train the active folds on their batches (fold, image); mean loss and count of hits of each (fold,)."""
        count, size = positions.shape
        images, labels = self.images.batch(positions.flatten())
        batch = images.view(count, size, *images.shape[1:]), labels.view(count, size)
        everyone = count == len(self.folds)
        weights, statistics = self.weights, self.statistics
        if not everyone:  # a CUDA graph, which holds the step of everyone, can hold no copy to the device
            rows = self.rows(active)
            weights = {name: tensor[rows] for name, tensor in weights.items()}
            statistics = {name: tensor[rows] for name, tensor in statistics.items()}

        def forward(
            weights: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            with autocast(self.recipe.precision, self.device):
                logits = functional_call(self.shared, (weights, buffers), (x,))
                return cross_entropy(logits, y), (logits.argmax(1) == y).sum()

        losses, hits = vmap(forward, randomness="different")(weights, statistics | masks, *batch)
        if not everyone:
            for name, tensor in self.statistics.items():
                tensor[rows] = statistics[name]
        scaled = [self.scalers[index].scale(losses[place]) for place, index in enumerate(active)]
        gradients = torch.autograd.grad(scaled, list(self.weights.values()))
        # Fused optimizers walk weights and gradients in memory order: both must lie alike.
        by_name = {name: gradient.contiguous() for name, gradient in zip(self.weights, gradients, strict=True)}
        for index in active:
            for name, parameter in self.networks[index].named_parameters():
                parameter.grad = by_name[name][index]
            self.scalers[index].step(self.folds[index].optimizer)
            self.scalers[index].update()
        return losses.detach(), hits.detach()
