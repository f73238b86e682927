"""The epoch loop and the scoring pass of one network on one split."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from tune_app.engine.images import Augment, Images
from tune_app.engine.loop_state import LoopState
from tune_app.engine.objective import CLASSIFICATION, Objective
from tune_app.engine.precision import autocast, build_scaler, matmul_precision
from tune_app.errors import FitError
from tune_app.parts.batches import count_batches, split_batches
from tune_app.study import Recipe

SCORING_BATCH = 500  # images; larger batches fall out of a CPU's cache


Validate = Callable[[torch.Tensor, torch.Tensor], Mapping[str, float]]  # outputs, targets → scores by metric


@dataclass(frozen=True)
class EpochScores:
    """What one epoch gave; units as in `EpochRecord`. The original report took the last batch for the epoch.

    `validation` holds further scores by their names in a record: of the validation part, of the part that early
    stopping goes by.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    samples_per_second: float
    batches: int
    last_batch_loss: float
    last_batch_accuracy: float
    validation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Course:
    """What changes a fit from epoch to epoch besides its optimizer; the parts that a recipe names, already built.

    `factor` gives the learning rate's factor at a step of all, from the training losses of the epochs so far.
    `augment` changes a batch with the fold's own generator. `watch` is shown the network after each epoch: it gives
    scores to record with it, and whether the fit ends there. `settle` gives the network that ended the weights that it
    is tested with.
    """

    factor: Callable[[int, int, list[float]], float] | None = None
    augment: Augment | None = None
    generator: torch.Generator | None = None
    validate: Validate | None = None
    watch: Callable[[nn.Module, int], tuple[Mapping[str, float], bool]] | None = None
    settle: Callable[[nn.Module], None] | None = None


PLAIN = Course()


def build_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer, fused: one kernel for all weights, on CPUs and GPUs alike."""
    weights, rate, decay = list(network.parameters()), recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=rate, momentum=recipe.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    # A step counter on the device lets a CUDA graph capture the step.
    return kind(weights, lr=rate, weight_decay=decay, fused=True, capturable=weights[0].is_cuda)


def fit(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Images,
    train: torch.Tensor,
    validation: torch.Tensor,
    recipe: Recipe,
    *,
    shuffle_seed: int,
    train_mode_validation: bool = False,
    objective: Objective = CLASSIFICATION,
    course: Course = PLAIN,
    take_up: "Callable[..., Training] | None" = None,
    loop: LoopState | None = None,
) -> Iterator[EpochScores]:
    """Train `network` in place on the positions `train`, scoring it on `validation` after each epoch.

    Positions are int64 at the images' `place`. `train_mode_validation` is the report's defect of that name: dropout
    stays active and batch normalisation goes by, and follows, the validation batches. Raises FitError when the
    training loss is not finite, or where augmentation, a schedule or a metric of the user's own gives what cannot be.
    `take_up` builds the training, by default `Training` itself: a network on several devices has another. `loop` says
    how many epochs are done already, and between two epochs how to go on.
    """
    shuffling, loop = torch.Generator().manual_seed(shuffle_seed), loop or LoopState()
    training = (take_up or Training)(network, optimizer, images, recipe, objective, course, len(train))
    loop.begin(shuffling, training)
    for epoch in range(loop.epoch + 1, recipe.epochs + 1):
        started = time.perf_counter()
        order = train[torch.randperm(len(train), generator=shuffling).to(train.device)]
        trained = training.run_epoch(order)
        trained_at = time.perf_counter()
        train_loss = trained.loss
        if not math.isfinite(train_loss):
            raise FitError(f"the training loss is {train_loss} in epoch {epoch}; lower the learning rate")
        batch_size = recipe.batch_size if train_mode_validation else None
        validation_loss, outputs = training.validate(validation, batch_size)
        held_out = images.labels[validation]
        watched, ends = training.watch(epoch)
        loop.epoch, loop.has_ended = epoch, ends or epoch == recipe.epochs
        yield EpochScores(
            epoch=epoch,
            train_loss=train_loss,
            train_accuracy=trained.accuracy,
            validation_loss=validation_loss,
            validation_accuracy=objective.count_hits(outputs, held_out).item() / len(validation),
            learning_rate=optimizer.param_groups[0]["lr"] if course.factor else recipe.learning_rate,
            seconds=time.perf_counter() - started,
            samples_per_second=trained.samples / (trained_at - started),
            batches=trained.batches,
            last_batch_loss=trained.last_loss,
            last_batch_accuracy=trained.last_accuracy,
            validation={**(course.validate(outputs, held_out) if course.validate else {}), **watched},
        )
        if ends:
            break
    if course.settle:  # once the last epoch has been read: it may be kept as it was trained
        course.settle(network)


@dataclass(frozen=True)
class Trained:
    """What an epoch's steps gave: mean loss, share of hits, samples and batches, and the last batch's own."""

    loss: float
    accuracy: float
    samples: int
    batches: int
    last_loss: float
    last_accuracy: float


class Training:
    """The steps of a fit, and its looks at the held-out part: one network's, epoch by epoch."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        images: Images,
        recipe: Recipe,
        objective: Objective,
        course: Course,
        samples: int,
    ) -> None:
        self.network, self.optimizer, self.images = network, optimizer, images
        self.recipe, self.objective, self.course = recipe, objective, course
        self.scaler = build_scaler(recipe.precision, images.device)
        self._steps = recipe.epochs * count_batches(samples, recipe.batch_size, recipe.last_batch)
        self._step = 0
        self._losses: list[float] = []

    def state(self) -> dict[str, Any]:
        """How far it is, in numbers: what schedules go by, and the scale of gradients of half precision."""
        return {"step": self._step, "losses": list(self._losses), "scaler": self.scaler.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._step, self._losses = state["step"], list(state["losses"])
        if state["scaler"]:  # empty where gradients are not scaled
            self.scaler.load_state_dict(state["scaler"])

    def run_epoch(self, order: torch.Tensor) -> Trained:
        """Train on the positions in this order."""
        device = self.images.device
        self.network.train()
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        batches = split_batches(order, self.recipe.batch_size, self.recipe.last_batch)
        with matmul_precision(self.recipe.precision):
            for positions in batches:
                loss, hits = self._take_step(positions)
                loss_sum += loss * len(positions)
                correct += hits
        samples = sum(map(len, batches))
        self._losses.append(loss_sum.item() / samples)
        last = loss.item(), hits.item() / len(batches[-1])
        return Trained(self._losses[-1], correct.item() / samples, samples, len(batches), *last)

    def _take_step(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and count of hits of one batch, which the network is then a step beyond."""
        recipe, course, optimizer = self.recipe, self.course, self.optimizer
        batch, labels = self._gather(positions)
        if course.factor:
            _set_rate(optimizer, recipe.learning_rate * course.factor(self._step, self._steps, self._losses))
        optimizer.zero_grad(set_to_none=True)
        loss, logits = self._differentiate(batch, labels)
        if recipe.clip_norm:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        self.scaler.step(optimizer)
        self.scaler.update()
        self._step += 1
        return loss.detach(), self.objective.count_hits(logits.detach(), labels)

    def _gather(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch as the network is given it, and the targets of its samples."""
        if self.course.augment and self.course.generator:
            return self.images.augmented_batch(positions, self.course.augment, self.course.generator)
        return self.images.batch(positions)

    def _differentiate(self, batch: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and outputs of a batch, with the weights' gradients, scaled, in their place."""
        with autocast(self.recipe.precision, batch.device):
            logits = self.network(batch)
            loss = self.objective.compute(logits, labels)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss, logits

    def validate(self, positions: torch.Tensor, train_mode_batch: int | None) -> tuple[float, torch.Tensor]:
        """Mean loss and outputs at the positions, as `predict`."""
        order = self.images, positions, self.recipe.precision, train_mode_batch, self.objective
        return predict(self.network, *order)

    def watch(self, epoch: int) -> tuple[Mapping[str, float], bool]:
        """What is recorded with the epoch besides, and whether the fit ends there."""
        return self.course.watch(self.network, epoch) if self.course.watch else ({}, False)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def score(
    network: nn.Module, images: Images, positions: torch.Tensor, precision: str, train_mode_batch: int | None = None
) -> tuple[float, torch.Tensor]:
    """Mean cross-entropy (nats) and predicted labels (N,) of the images at `positions`: as `predict`."""
    loss, outputs = predict(network, images, positions, precision, train_mode_batch)
    return loss, outputs.argmax(1)


@torch.inference_mode()
def predict(
    network: nn.Module,
    images: Images,
    positions: torch.Tensor,
    precision: str,
    train_mode_batch: int | None = None,
    objective: Objective = CLASSIFICATION,
) -> tuple[float, torch.Tensor]:
    """Mean loss and outputs (N, …) of the samples at `positions`, in evaluation mode.

    With `train_mode_batch` it is in training mode, on batches of so many samples. Raises FitError when the loss is not
    finite.
    """
    total, outputs = sum_losses(network, images, positions, precision, train_mode_batch, objective)
    return average_loss(total, len(positions)), outputs


@torch.inference_mode()
def sum_losses(
    network: nn.Module,
    images: Images,
    positions: torch.Tensor,
    precision: str,
    train_mode_batch: int | None,
    objective: Objective,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed loss (a scalar, float64) and the outputs (N, …) of the samples at `positions`: as `predict`."""
    network.train(train_mode_batch is not None)
    loss_sum = torch.zeros((), dtype=torch.float64, device=images.device)
    found = []
    with matmul_precision(precision):
        for part in torch.split(positions, train_mode_batch or SCORING_BATCH):
            batch, labels = images.batch(part)
            with autocast(precision, batch.device):
                logits = network(batch)
            loss_sum += objective.sum(logits.float(), labels)
            found.append(logits)
    return loss_sum, torch.cat(found)


def average_loss(total: torch.Tensor, samples: int) -> float:
    """The mean of a summed loss; FitError when it is not finite."""
    loss = total.item() / samples
    if not math.isfinite(loss):
        raise FitError(f"the loss of the images scored is {loss}; lower the learning rate, or use another precision")
    return loss
