"""PyTorch Lightning: a `Trainer` for each fold, its own extras (logger, checkpoints, progress bar) switched off."""

import logging
import warnings
from typing import Any

import lightning
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.work import Work, build_loaders, build_seeded_network, read_mnist, tell_outcome
from tune_app.session.environment import count_cpus

Batch = tuple[torch.Tensor, torch.Tensor]


class Classifier(lightning.LightningModule):
    """A network with its loss, its scores and its optimizer, as Lightning wants them."""

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        images, labels = batch
        loss = cross_entropy(self.network(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        self._log_accuracy("validation_accuracy", batch)

    def test_step(self, batch: Batch, index: int) -> None:
        self._log_accuracy("test_accuracy", batch)

    def _log_accuracy(self, name: str, batch: Batch) -> None:
        images, labels = batch
        self.log(name, (self.network(images).argmax(1) == labels).float().mean(), batch_size=len(labels))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


def run(work: Work) -> list[dict[str, Any]]:
    """Every fit in turn, on torch's default number of threads, with as many loader workers as cores (4 at most)."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    mnist = read_mnist(work)
    workers = min(4, count_cpus())
    scores = []
    for regularizer in work.regularizers:
        for fold in range(work.folds):
            loaders = build_loaders(work, mnist, fold, num_workers=workers, persistent_workers=True)
            train, validation, test = loaders
            model = Classifier(build_seeded_network(work, regularizer, fold), work.learning_rate)
            trainer = lightning.Trainer(
                accelerator="gpu" if work.device == "cuda" else "cpu",
                devices=1,
                max_epochs=work.epochs,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
            )
            trainer.fit(model, train, validation)
            (tested,) = trainer.test(model, test, verbose=False)
            scores.append({"regularizer": regularizer, "fold": fold, "test_accuracy": tested["test_accuracy"]})
    return scores


if __name__ == "__main__":
    tell_outcome(run)
