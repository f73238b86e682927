"""The epoch loop and the scoring pass of one network on one split."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tune_app.engine.images import Images
from tune_app.engine.precision import autocast, build_scaler, matmul_precision
from tune_app.errors import FitError
from tune_app.study import Recipe

SCORING_BATCH = 500  # images; larger batches fall out of a CPU's cache


@dataclass(frozen=True)
class EpochScores:
    """What one epoch gave; units as in `EpochRecord`. The original report took the last batch for the epoch."""

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
) -> Iterator[EpochScores]:
    """Train `network` in place on the positions `train`, scoring it on `validation` after each epoch.

    Positions are int64 on the images' device. `train_mode_validation` is the report's defect of that name: dropout
    stays active and batch normalisation goes by, and follows, the validation batches. Raises FitError when the
    training loss is not finite.
    """
    device = train.device
    scaler = build_scaler(recipe.precision, device)
    shuffling = torch.Generator().manual_seed(shuffle_seed)
    for epoch in range(1, recipe.epochs + 1):
        started = time.perf_counter()
        network.train()
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        order = train[torch.randperm(len(train), generator=shuffling).to(device)]
        with matmul_precision(recipe.precision):
            for positions in torch.split(order, recipe.batch_size):
                batch, labels = images.batch(positions)
                with autocast(recipe.precision, device):
                    logits = network(batch)
                    loss = cross_entropy(logits, labels)
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                scaler.step(optimizer)
                scaler.update()
                loss_sum += loss.detach() * len(labels)
                hits = (logits.detach().argmax(1) == labels).sum()
                correct += hits
        train_loss = loss_sum.item() / len(train)
        trained = time.perf_counter()
        if not math.isfinite(train_loss):
            raise FitError(f"the training loss is {train_loss} in epoch {epoch}; lower the learning rate")
        batch_size = recipe.batch_size if train_mode_validation else None
        validation_loss, predicted = score(network, images, validation, recipe.precision, batch_size)
        yield EpochScores(
            epoch=epoch,
            train_loss=train_loss,
            train_accuracy=correct.item() / len(train),
            validation_loss=validation_loss,
            validation_accuracy=(predicted == images.labels[validation]).sum().item() / len(validation),
            learning_rate=recipe.learning_rate,
            seconds=time.perf_counter() - started,
            samples_per_second=len(train) / (trained - started),
            batches=math.ceil(len(train) / recipe.batch_size),
            last_batch_loss=loss.item(),
            last_batch_accuracy=hits.item() / len(labels),
        )


@torch.inference_mode()
def score(
    network: nn.Module, images: Images, positions: torch.Tensor, precision: str, train_mode_batch: int | None = None
) -> tuple[float, torch.Tensor]:
    """Mean cross-entropy (nats) and predicted labels (N,) of the images at `positions`, in evaluation mode.

    With `train_mode_batch` it is in training mode, on batches of so many images. Raises FitError when the loss is not
    finite.
    """
    network.train(train_mode_batch is not None)
    loss_sum = torch.zeros((), dtype=torch.float64, device=positions.device)
    predicted = []
    with matmul_precision(precision):
        for part in torch.split(positions, train_mode_batch or SCORING_BATCH):
            batch, labels = images.batch(part)
            with autocast(precision, positions.device):
                logits = network(batch)
            loss_sum += cross_entropy(logits.float(), labels, reduction="sum")
            predicted.append(logits.argmax(1))
    loss = loss_sum.item() / len(positions)
    if not math.isfinite(loss):
        raise FitError(f"the loss of the images scored is {loss}; lower the learning rate, or use another precision")
    return loss, torch.cat(predicted)
