"""What a network is trained for: its loss, and how its outputs are read, by the kind of task."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from tune_app.data import Task

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # outputs (B, …), targets (B, …) → their mean, a scalar


@dataclass(frozen=True)
class Objective:
    """The task, and the loss that is minimised; `loss` None is the task's own."""

    task: Task = "classification"
    loss: Loss | None = None

    def compute(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""
        if self.loss is not None:
            return self.loss(outputs, targets)
        if self.task == "classification":
            return cross_entropy(outputs, targets)
        if self.task == "multilabel":
            return binary_cross_entropy_with_logits(outputs, targets)
        return mse_loss(outputs.view(targets.shape), targets)

    def sum(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a batch summed over its samples, for a mean over many batches."""
        if self.loss is None and self.task == "classification":
            return cross_entropy(outputs, targets, reduction="sum")
        return self.compute(outputs, targets) * len(targets)

    def count_hits(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """How many samples are named rightly, all labels of several; 0 for numbers."""
        if self.task == "classification":
            return (outputs.argmax(1) == targets).sum()
        if self.task == "multilabel":
            return ((outputs > 0) == (targets > 0.5)).all(dim=1).sum()
        return torch.zeros((), dtype=torch.int64, device=outputs.device)


CLASSIFICATION = Objective()
