"""Whether a network may be stacked: one step of two stacked folds against the same step of each by itself."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from tune_app.engine.fit import fit
from tune_app.engine.images import Images
from tune_app.engine.precision import HALF_TYPES
from tune_app.engine.stacked import StackedFold, fit_stacked
from tune_app.study import Recipe

PROBE_IMAGES = 32
# Of the largest gradient of a tensor: how far a stack's may lie from the eager one, by rounding in another order.
TOLERANCE, HALF_TOLERANCE = 1e-3, 5e-2

Build = Callable[[], Sequence[StackedFold]]


def find_stacking_problem(build: Build, images: Images, recipe: Recipe) -> str:
    """Why these folds must not be stacked; empty if a step on real images gives what it gives eagerly.

    `build` gives the folds with fresh networks, the same each time that it is called. Gradients and statistics are
    compared, not weights: an optimizer may turn a rounding error of a gradient near zero into a whole step.
    """
    recipe = recipe.model_copy(update={"epochs": 1, "batch_size": min(recipe.batch_size, PROBE_IMAGES)})
    try:
        alone, stacked = ([_cut(fold, recipe.batch_size) for fold in build()[:2]] for _ in range(2))
        before = _read_global_state(alone[0].train.device)
        for fold in alone:
            order = fold.network, fold.optimizer, images, fold.train, fold.validation, recipe
            list(fit(*order, shuffle_seed=fold.shuffle_seed))
        if not all(map(torch.equal, before, _read_global_state(alone[0].train.device))):
            return "it draws random numbers that are not the fold's own"
        failed = [outcome for _, outcome in fit_stacked(stacked, images, recipe) if isinstance(outcome, Exception)]
        if failed:
            raise failed[0]
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever torch.func makes of somebody's network
        return f"its step fails in a stack ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    tolerance = HALF_TOLERANCE if recipe.precision in HALF_TYPES else TOLERANCE
    for one, other in zip(alone, stacked, strict=True):
        if name := _find_difference(one.network, other.network, tolerance):
            return f"a step in a stack gives another {name} than by itself"
    return ""


def _cut(fold: StackedFold, images: int) -> StackedFold:
    return replace(fold, train=fold.train[:images], validation=fold.validation[:images])


def _read_global_state(device: torch.device) -> list[torch.Tensor]:
    """Where torch's global generators stand: on the CPU, and on the device."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _find_difference(one: nn.Module, other: nn.Module, tolerance: float) -> str:
    """The first gradient or statistic in which the networks differ by more than rounding, empty if there is none."""
    theirs = dict(other.named_parameters())
    for name, parameter in one.named_parameters():
        if not _are_close(parameter.grad, theirs[name].grad, tolerance):
            return f"gradient of {name}"
    buffers = dict(other.named_buffers())
    for name, buffer in one.named_buffers():
        if not _are_close(buffer, buffers[name], tolerance):
            return name
    return ""


def _are_close(one: torch.Tensor | None, other: torch.Tensor | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    scale = max(one.abs().max().item(), 1e-12) if one.numel() else 1.0
    return bool(torch.allclose(one.float(), other.float(), rtol=0, atol=tolerance * scale, equal_nan=True))
