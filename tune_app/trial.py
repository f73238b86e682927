"""The K-fold loop of one trial: a spec and a data set in, records out."""

import copy
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from data import Dataset
from models import MODELS
from tune_app.engine import EpochScores, Images, Normalisation, build_normalisation, fit, score
from tune_app.engine.memory import read_peak_memory, reset_peak_memory
from tune_app.folds import Split, build_limit, build_splits
from tune_app.records import EpochRecord, FoldRecord, Record, pack_labels
from tune_app.seeds import build_seed
from tune_app.study import TrialSpec


@dataclass(frozen=True)
class BestNetwork:
    """The weights of a fold's best epoch, on the CPU, with what is needed to build and use the network."""

    trial: str
    build: dict[str, Any]
    facts: dict[str, Any]
    state: dict[str, torch.Tensor]


Keep = Callable[[BestNetwork], None]
RunTrial = Callable[..., Iterator[Record]]


def build_network(spec: TrialSpec, image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A network of the trial's kind, its weights drawn from torch's global random state."""
    return MODELS[spec.model](**_build_arguments(spec, image_shape, classes))


def _build_arguments(spec: TrialSpec, image_shape: tuple[int, int, int], classes: int) -> dict[str, Any]:
    return {"image_shape": image_shape, "classes": classes, "regularizer": spec.regularizer, "width": spec.width}


def run_trial(
    spec: TrialSpec,
    data: Dataset,
    *,
    folds: Sequence[int],
    device: torch.device,
    threads: int = 1,
    keep: Keep | None = None,
) -> Iterator[Record]:
    """Run the given folds of a trial, each with a fresh network and optimizer, and yield records as they come.

    A fold that raises becomes a failed FoldRecord and the next fold goes on. `threads` bounds torch's CPU threads:
    records are the same bit for bit only at the same number. `keep` is handed the best network of each fold.
    """
    torch.set_num_threads(threads)
    labels = data.train_labels
    limit = build_limit(labels, spec.train_images, build_seed(spec.seed, "limit"))
    test_limit = build_limit(data.test_labels, spec.test_images, build_seed(spec.seed, "limit"))
    normalisation = build_normalisation(data.train_images, limit)
    train = Images(data.train_images, labels, limit, normalisation, device)
    test = Images(data.test_images, data.test_labels, test_limit, normalisation, device)
    splits = build_splits(labels[limit], spec.folds, spec.splitter, build_seed(spec.seed, "split", spec.replicate))
    shape = (data.train_images.shape[1], data.train_images.shape[2], data.train_images.shape[3])
    for fold in folds:
        yield from _run_fold(spec, splits[fold], train, test, normalisation, shape, data.classes, device, keep)


def _run_fold(
    spec: TrialSpec,
    split: Split,
    train: Images,
    test: Images,
    normalisation: Normalisation,
    image_shape: tuple[int, int, int],
    classes: int,
    device: torch.device,
    keep: Keep | None,
) -> Iterator[Record]:
    started, clock = time.time(), time.perf_counter()
    reset_peak_memory(device)
    epochs: list[EpochScores] = []
    best_state: dict[str, torch.Tensor] = {}

    def seed(role: Any) -> int:
        return build_seed(spec.seed, role, spec.replicate, split.fold)

    def fold_record(**outcome: Any) -> FoldRecord:
        blank: dict[str, Any] = dict.fromkeys(("test_loss", "test_accuracy", "test_predictions"))
        return FoldRecord(
            trial=spec.id,
            replicate=spec.replicate,
            fold=split.fold,
            epochs=len(epochs),
            best_epoch=_best(epochs).epoch if epochs else None,
            started=started,
            fit_seconds=time.perf_counter() - clock,
            peak_memory_bytes=read_peak_memory(device),
            device=describe_device(device),
            host=socket.gethostname(),
            **(blank | outcome),
        )

    try:
        torch.manual_seed(seed("weights"))
        network = build_network(spec, image_shape, classes).to(device)
        epochs_scores = fit(
            network,
            train,
            torch.from_numpy(split.train).to(device),
            torch.from_numpy(split.validation).to(device),
            spec.recipe,
            shuffle_seed=seed("shuffle"),
            dropout_seed=seed("dropout"),
        )
        for scores in epochs_scores:
            epochs.append(scores)
            if keep and _best(epochs) is scores:
                best_state = {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
            yield EpochRecord(trial=spec.id, replicate=spec.replicate, fold=split.fold, **vars(scores))
        everything = torch.arange(len(test), device=device)
        test_loss, predicted = score(network, test, everything, spec.recipe.precision)
        if keep:
            best = _best(epochs)
            facts = {"trial": spec.id, "fold": split.fold, "epoch": best.epoch, **copy.deepcopy(vars(normalisation))}
            facts["validation_accuracy"] = best.validation_accuracy
            build = {"model": spec.model, **_build_arguments(spec, image_shape, classes)}
            keep(BestNetwork(spec.id, build, facts, best_state))
        yield fold_record(
            status="completed",
            test_loss=test_loss,
            test_accuracy=(predicted == test.labels).sum().item() / len(test),
            test_predictions=pack_labels(predicted.to(torch.uint8).cpu().numpy()),
        )
    except Exception as error:  # a failure is a row, never a gap; the rest of the study goes on
        yield fold_record(status="failed", error_type=type(error).__name__, error_message=str(error)[:2000])


def _best(epochs: list[EpochScores]) -> EpochScores:
    """The first epoch with the highest validation accuracy."""
    return max(epochs, key=lambda scores: (scores.validation_accuracy, -scores.epoch))


def describe_device(device: torch.device) -> str:
    """`cpu`, or `cuda:0 NVIDIA H200`."""
    return str(device) if device.type == "cpu" else f"{device} {torch.cuda.get_device_name(device)}"
