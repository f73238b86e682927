"""The epoch loop of several folds at once: their networks stacked into one, so that one launch serves all of them."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from tune_app.engine.fit import EpochScores, score
from tune_app.engine.graph import GraphedStep, build_step
from tune_app.engine.images import Images
from tune_app.engine.precision import matmul_precision
from tune_app.engine.stack import Stack, StackedFold
from tune_app.errors import FitError
from tune_app.study import Recipe

__all__ = ["StackedFit", "StackedFold", "fit_stacked"]


@dataclass
class _Epoch:
    """Sums over an epoch's steps, one for each fold (fold,), on the device."""

    losses: torch.Tensor
    hits: torch.Tensor
    last_losses: torch.Tensor
    last_accuracies: torch.Tensor


class StackedFit:
    """Trains all networks of a stack in place; `reason` says why its step is not the one that was meant, if so."""

    def __init__(self, folds: Sequence[StackedFold], images: Images, recipe: Recipe) -> None:
        self.folds, self.images, self.recipe = folds, images, recipe
        self.stack = Stack(folds, images, recipe)
        self.step: GraphedStep = build_step(self.stack)
        self._shuffling = [torch.Generator().manual_seed(fold.shuffle_seed) for fold in folds]

    @property
    def reason(self) -> str:
        return self.step.reason

    def run(self) -> Iterator[tuple[int, EpochScores | FitError]]:
        """After each epoch, yield every fold's index with its scores.

        A fold whose loss is not finite yields its FitError once and is left out of later epochs. `seconds` and
        `samples_per_second` are a fold's share of the stack's time.
        """
        alive = list(range(len(self.folds)))
        for epoch in range(1, self.recipe.epochs + 1):
            if not alive:
                return
            started = time.perf_counter()
            sums = self._train_epoch()
            train_losses, hits = sums.losses.tolist(), sums.hits.tolist()
            trained = time.perf_counter()
            outcomes = [(index, self._validate(index, epoch, train_losses[index])) for index in alive]
            share = len(alive)
            seconds = (time.perf_counter() - started) / share
            for index, outcome in outcomes:
                if isinstance(outcome, FitError):
                    alive.remove(index)
                    yield index, outcome
                    continue
                images = len(self.folds[index].train)
                scores = EpochScores(
                    epoch=epoch,
                    train_loss=train_losses[index] / images,
                    train_accuracy=hits[index] / images,
                    validation_loss=outcome[0],
                    validation_accuracy=outcome[1],
                    learning_rate=self.recipe.learning_rate,
                    seconds=seconds,
                    samples_per_second=images * share / (trained - started),
                    batches=math.ceil(images / self.recipe.batch_size),
                    last_batch_loss=sums.last_losses[index].item(),
                    last_batch_accuracy=sums.last_accuracies[index].item(),
                )
                yield index, scores

    def _train_epoch(self) -> _Epoch:
        count, device = len(self.folds), self.stack.device
        sums = _Epoch(
            torch.zeros(count, device=device),
            torch.zeros(count, dtype=torch.int64, device=device),
            *torch.zeros(2, count, device=device),
        )
        for fold in self.folds:
            fold.network.train()
        orders = [
            fold.train[torch.randperm(len(fold.train), generator=generator).to(fold.train.device)]
            for fold, generator in zip(self.folds, self._shuffling, strict=True)
        ]
        with matmul_precision(self.recipe.precision):
            for active, positions in _build_batches(orders, self.recipe.batch_size):
                masks = self.stack.draw_masks(active, positions.shape[1])
                losses, right = self.step.step(active, positions, masks)
                rows = self.stack.rows(active)
                sums.losses.index_add_(0, rows, losses.to(sums.losses.dtype) * positions.shape[1])
                sums.hits.index_add_(0, rows, right)
                sums.last_losses.index_copy_(0, rows, losses.float())
                sums.last_accuracies.index_copy_(0, rows, right / positions.shape[1])
        return sums

    def _validate(self, index: int, epoch: int, loss_sum: float) -> tuple[float, float] | FitError:
        """Loss and accuracy on the fold's validation images, or why it cannot continue."""
        fold = self.folds[index]
        train_loss = loss_sum / len(fold.train)
        if not math.isfinite(train_loss):
            return FitError(f"the training loss is {train_loss} in epoch {epoch}; lower the learning rate")
        try:
            loss, predicted = score(fold.network, self.images, fold.validation, self.recipe.precision)
        except FitError as error:
            return error
        return loss, (predicted == self.images.labels[fold.validation]).sum().item() / len(fold.validation)


def fit_stacked(
    folds: Sequence[StackedFold], images: Images, recipe: Recipe
) -> Iterator[tuple[int, EpochScores | FitError]]:
    """Train all networks in place: as `StackedFit.run`."""
    return StackedFit(folds, images, recipe).run()


def _build_batches(orders: Sequence[torch.Tensor], batch_size: int) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Steps of the folds that have a batch of the same size: (their indices, their positions (fold, image)).

    Folds of unequal size part only where their last batches differ.
    """
    split = [torch.split(order, batch_size) for order in orders]
    for step in range(max(map(len, split))):
        sizes: dict[int, list[int]] = {}
        for index, batches in enumerate(split):
            if step < len(batches):
                sizes.setdefault(len(batches[step]), []).append(index)
        for active in sizes.values():
            yield active, torch.stack([split[index][step] for index in active])
