"""Losses: factories of functions from outputs and targets to the mean loss of a batch, as a user's own can be.

B is the number of samples in a batch, C that of classes, T that of numbers to predict. `class_weights` (C,) are filled
in from the training part of a fold (see `compute_class_weights`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tune_app.data.model import Task
from tune_app.errors import FitError, StudyError

Loss = Callable[[Tensor, Tensor], Tensor]
_HALVES = (torch.float16, torch.bfloat16)


def cross_entropy(label_smoothing: float = 0.0, *, class_weights: Tensor | None = None) -> Loss:
    """Cross-entropy in nats of scores (B, C) against class indices (B,).

    Under `class_weights` the mean is a weighted one: the sum over the batch by the sum of its targets' weights.
    """
    if not 0 <= label_smoothing <= 1:
        raise StudyError(f"loss cross_entropy: label_smoothing {label_smoothing} is no share; choose from 0 to 1")
    if label_smoothing == 0 and class_weights is None:
        return functional.cross_entropy

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        weights = _move(class_weights, outputs)
        return functional.cross_entropy(outputs, targets, weight=weights, label_smoothing=label_smoothing)

    return loss


def binary_cross_entropy(*, class_weights: Tensor | None = None) -> Loss:
    """Mean binary cross-entropy in nats of scores (B, C), before the sigmoid, against labels 0 or 1 (B, C).

    `class_weights` weigh the labels that hold against those that do not.
    """

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        outputs, targets = _align(outputs, targets)
        weights = _move(class_weights, outputs)
        return functional.binary_cross_entropy_with_logits(outputs, targets, pos_weight=weights)

    return loss


def focal(gamma: float = 2.0, *, class_weights: Tensor | None = None) -> Loss:
    """Cross-entropy times (1 - p)^gamma, p being the probability of the truth: what is learned already counts less.

    Scores (B, C) against class indices (B,), or against labels 0 or 1 (B, C). With `gamma` 0 it is the cross-entropy
    of the same targets, weights included. Source: Lin et al., Focal loss for dense object detection, ICCV 2017.
    """
    if gamma < 0:
        raise StudyError(f"loss focal: gamma {gamma} is negative; choose 0 (cross-entropy) or more")

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if targets.ndim == 2:
            outputs, targets = _align(outputs, targets)
            log_truth = functional.logsigmoid(torch.where(targets > 0, outputs, -outputs))
            weighted = functional.binary_cross_entropy_with_logits(
                outputs, targets, pos_weight=_move(class_weights, outputs), reduction="none"
            )
            return (_compute_doubt(log_truth) ** gamma * weighted).mean()
        log_truth = _widen(outputs).log_softmax(1).gather(1, targets[:, None])[:, 0]
        losses = _compute_doubt(log_truth) ** gamma * -log_truth
        if class_weights is None:
            return losses.mean()
        weights = class_weights.to(outputs.device)[targets]
        return (weights * losses).sum() / weights.sum()

    return loss


def _compute_doubt(log_truth: Tensor) -> Tensor:
    """1 - p from log p. It never is 0, where the gradient of a root is infinite."""
    return (-torch.expm1(log_truth)).clamp_min(torch.finfo(log_truth.dtype).tiny)


def mse() -> Loss:
    """Mean squared error of numbers (B, T), or (B,) and (B, 1), in the targets' unit squared."""
    return lambda outputs, targets: functional.mse_loss(*_align(outputs, targets))


def mae() -> Loss:
    """Mean absolute error of numbers (B, T), or (B,) and (B, 1), in the targets' unit."""
    return lambda outputs, targets: functional.l1_loss(*_align(outputs, targets))


def huber(delta: float = 1.0) -> Loss:
    """Half the squared error up to `delta`, in the targets' unit, and linear beyond; shapes as in `mse`."""
    if delta <= 0:
        raise StudyError(f"loss huber: delta {delta} is not above 0; choose the error from which on it is linear")
    return lambda outputs, targets: functional.huber_loss(*_align(outputs, targets), delta=delta)


def _align(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the targets' shape and one type. Broadcasting (B, 1) against (B,) would compare all with all.

    Raises FitError unless the shapes are equal but for axes of length 1 behind the first.
    """
    if outputs.shape != targets.shape:
        inner = [[length for length in tensor.shape[1:] if length != 1] for tensor in (outputs, targets)]
        if len(outputs) != len(targets) or inner[0] != inner[1]:
            raise FitError(
                f"the loss compares outputs {tuple(outputs.shape)} with targets {tuple(targets.shape)}; one number is "
                "needed for each target; change the network's last layer, or choose a loss for such targets"
            )
        outputs = outputs.reshape(targets.shape)
    outputs = _widen(outputs)
    return outputs, targets.to(outputs.dtype)


def _widen(outputs: Tensor) -> Tensor:
    """Outputs of half precision in single precision: a mean of errors in halves has three digits at most."""
    return outputs.float() if outputs.dtype in _HALVES else outputs


def _move(weights: Tensor | None, outputs: Tensor) -> Tensor | None:
    return None if weights is None else weights.to(outputs.device)


def compute_class_weights(targets: NDArray[Any], classes: int, task: Task) -> NDArray[np.float32]:
    """Balanced weights (classes,) from the targets of a training part.

    Of classes, as scikit-learn's `balanced`: samples / (classes that occur · samples of the class), mean 1 over the
    samples. Of labels (N, classes): samples without the label / samples with it, which is `balanced` for the presence
    of the label by that for its absence. A class or a label that all or none of the samples have gets 1.
    Raises StudyError for a regression.
    """
    if task == "regression":
        raise StudyError("class_weights: balanced weighs classes, and a regression has none; leave class_weights out")
    if task == "multilabel":
        having = (targets != 0).sum(axis=0)
        lacking = len(targets) - having
        weights = np.where((having > 0) & (lacking > 0), lacking / np.maximum(having, 1), 1.0)
    else:
        having = np.bincount(targets, minlength=classes)
        weights = np.where(having > 0, len(targets) / (np.count_nonzero(having) * np.maximum(having, 1)), 1.0)
    return weights.astype(np.float32)
