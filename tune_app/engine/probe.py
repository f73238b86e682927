"""Whether a network may be stacked: one step of two stacked folds against the same step of each by itself."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch

from tune_app.engine.fit import EpochScores, fit
from tune_app.engine.images import Images
from tune_app.engine.precision import HALF_TYPES
from tune_app.engine.randomness import GlobalRandomness
from tune_app.engine.stacked import StackedFold, fit_stacked
from tune_app.errors import FitError, describe_error
from tune_app.study import Recipe

PROBE_IMAGES = 32
# How far a tensor of a stack may lie from the eager one, in Euclidean norms: rounding in another order moves single
# activations across zero, which moves a gradient by some thousandths; another function moves it by itself.
TOLERANCE = 1e-2
# Below this share of the largest norm a tensor is rounding error alone: a bias before batch normalisation has no
# gradient but that.
FLOOR = 1e-3
HALF_TOLERANCE = 5e-2  # of a loss

Build = Callable[[], Sequence[StackedFold]]


def find_stacking_problem(build: Build, images: Images, recipe: Recipe) -> str:
    """Why these folds must not be stacked; empty if a step on real images gives what it gives eagerly.

    `build` gives the folds with fresh networks, the same each time that it is called. Gradients and statistics are
    compared in fp32, not weights: an optimizer may turn a rounding error of a gradient near zero into a whole step. In
    a half precision, whose gradients are rounding errors in more places, the losses are compared as well.
    """
    recipe = recipe.model_copy(update={"epochs": 1, "batch_size": min(recipe.batch_size, PROBE_IMAGES)})
    try:
        problem = _compare(build, images, recipe.model_copy(update={"precision": "fp32"}))
        return problem or (_compare(build, images, recipe) if recipe.precision in HALF_TYPES else "")
    except torch.OutOfMemoryError:
        return "two folds do not fit into memory"
    except Exception as error:  # whatever torch.func makes of somebody's network
        return f"its step fails in a stack ({describe_error(error)})"


def _compare(build: Build, images: Images, recipe: Recipe) -> str:
    alone, stacked = ([_cut(fold, recipe.batch_size) for fold in build()[:2]] for _ in range(2))
    randomness = GlobalRandomness()
    try:
        eager = [_fit_alone(fold, images, recipe) for fold in alone]
    except Exception as error:  # the network's fault or the data's, and the eager fit says so in its record
        return f"its step fails by itself ({describe_error(error)})"
    if randomness.has_moved():
        return "it draws random numbers that are not the fold's own"
    outcomes = dict(fit_stacked(stacked, images, recipe))
    for index, one in enumerate(eager):
        other = outcomes[index]
        if isinstance(other, FitError):
            raise other
        if abs(one.train_loss - other.train_loss) > HALF_TOLERANCE * abs(one.train_loss):
            return "a step in a stack gives another loss than by itself"
        if recipe.precision not in HALF_TYPES and (name := _find_difference(alone[index], stacked[index])):
            return f"a step in a stack gives another {name} than by itself"
    return ""


def _fit_alone(fold: StackedFold, images: Images, recipe: Recipe) -> EpochScores:
    order = fold.network, fold.optimizer, images, fold.train, fold.validation, recipe
    (scores,) = fit(*order, shuffle_seed=fold.shuffle_seed)
    return scores


def _cut(fold: StackedFold, images: int) -> StackedFold:
    """The fold with one batch of images, and a learning rate at which the step is not taken: it might diverge."""
    for group in fold.optimizer.param_groups:
        group["lr"] = 0.0
    return replace(fold, train=fold.train[:images], validation=fold.validation[:images])


def _find_difference(one: StackedFold, other: StackedFold) -> str:
    """The first gradient or statistic in which the networks differ by more than rounding, empty if there is none."""
    parameters = zip(one.network.named_parameters(), other.network.parameters(), strict=True)
    gradients = [(f"gradient of {name}", mine.grad, theirs.grad) for (name, mine), theirs in parameters]
    statistics = zip(one.network.named_buffers(), other.network.buffers(), strict=True)
    return _find_unequal(gradients) or _find_unequal((name, mine, theirs) for (name, mine), theirs in statistics)


def _find_unequal(pairs: Iterable[tuple[str, torch.Tensor | None, torch.Tensor | None]]) -> str:
    known = [(name, mine, theirs) for name, mine, theirs in pairs if mine is not None or theirs is not None]
    largest = max((mine.float().norm().item() for _, mine, _ in known if mine is not None), default=0.0)
    for name, mine, theirs in known:
        if mine is None or theirs is None:
            return name
        allowed = TOLERANCE * max(mine.float().norm().item(), FLOOR * largest)
        if not (mine.float() - theirs.float()).norm().item() <= allowed:  # so that NaN is a difference
            return name
    return ""
