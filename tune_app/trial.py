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
from tune_app.cost import build_network_cost
from tune_app.engine import EpochScores, Images, build_normalisation, fit, score
from tune_app.engine.fit import build_optimizer
from tune_app.engine.memory import read_peak_memory, reset_peak_memory
from tune_app.engine.rewrite import build_rewritten
from tune_app.engine.stacked import StackedFold, fit_stacked
from tune_app.errors import FitError
from tune_app.folds import Split, build_limit, build_splits
from tune_app.records import EpochRecord, FoldRecord, Record, pack_labels
from tune_app.seeds import Role, build_seed
from tune_app.study import TrialSpec


@dataclass(frozen=True)
class BestNetwork:
    """The weights of a fold's best epoch, on the CPU, with what is needed to build and use the network."""

    trial: str
    build: dict[str, Any]
    facts: dict[str, Any]
    state: dict[str, torch.Tensor]


# Floating-point operations of a training step below which a GPU waits for launches: some fifty of them take about as
# long as this arithmetic does at the fp32 rate of a current card. Estimated; `benchmarks.engines` measures it.
STACK_BELOW_FLOPS = 2e10

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
    trial = _Trial(spec, data, device, keep)
    if choose_engine(spec, trial.image_shape, data.classes, device) == "stacked":
        yield from trial.run_stacked(list(folds))
    else:
        for fold in folds:
            yield from trial.run_eager(fold)


def choose_engine(spec: TrialSpec, image_shape: tuple[int, int, int], classes: int, device: torch.device) -> str:
    """`eager` or `stacked`: what the recipe says, and for `auto` what pays on the device.

    A CPU core is busy with the arithmetic of one fold, and stacking only makes its tensors outgrow the cache
    (`benchmarks.engines` measures it). A GPU waits for launches as long as a step's arithmetic is small.
    """
    if spec.recipe.engine != "auto":
        return spec.recipe.engine
    if device.type == "cpu":
        return "eager"
    cost = build_network_cost(spec.model, image_shape, classes, spec.regularizer, spec.width)
    return "stacked" if 3 * cost.forward_flops * spec.recipe.batch_size < STACK_BELOW_FLOPS else "eager"


class _Trial:
    """What the folds of a trial share."""

    def __init__(self, spec: TrialSpec, data: Dataset, device: torch.device, keep: Keep | None) -> None:
        self.spec, self.classes, self.device, self.keep = spec, data.classes, device, keep
        labels = data.train_labels
        limit = build_limit(labels, spec.train_images, build_seed(spec.seed, "limit"))
        test_limit = build_limit(data.test_labels, spec.test_images, build_seed(spec.seed, "limit"))
        self.normalisation = build_normalisation(data.train_images, limit)
        self.train = Images(data.train_images, labels, limit, self.normalisation, device)
        self.test = Images(data.test_images, data.test_labels, test_limit, self.normalisation, device)
        seed = build_seed(spec.seed, "split", spec.replicate)
        self.splits = build_splits(labels[limit], spec.folds, spec.splitter, seed)
        self.image_shape = (data.train_images.shape[1], data.train_images.shape[2], data.train_images.shape[3])

    def run_eager(self, number: int) -> Iterator[Record]:
        """One fold by itself."""
        reset_peak_memory(self.device)
        fold = _Fold(self, self.splits[number], "eager")
        try:
            fold.build()
            scores = fit(
                fold.rewritten,
                fold.optimizer,
                self.train,
                fold.train,
                fold.validation,
                self.spec.recipe,
                shuffle_seed=fold.seed("shuffle"),
            )
            for epoch in scores:
                yield fold.record_epoch(epoch)
            yield fold.test()
        except Exception as error:  # a failure is a row, never a gap; the rest of the study goes on
            yield fold.record_failure(error)

    def run_stacked(self, numbers: list[int]) -> Iterator[Record]:
        """The folds together, or in two halves where the device's memory does not hold them all."""
        records = self._run_stack(numbers)
        try:
            first = next(records)
        except torch.OutOfMemoryError:
            if len(numbers) == 1:
                yield from self.run_eager(numbers[0])
                return
            half = len(numbers) // 2
            torch.cuda.empty_cache()
            yield from self.run_stacked(numbers[:half])
            yield from self.run_stacked(numbers[half:])
            return
        yield first
        yield from records

    def _run_stack(self, numbers: list[int]) -> Iterator[Record]:
        reset_peak_memory(self.device)
        folds = [_Fold(self, self.splits[number], "stacked", share=len(numbers)) for number in numbers]
        failed: set[int] = set()
        try:
            for fold in folds:
                fold.build()
            stacked = [
                StackedFold(fold.rewritten, fold.optimizer, fold.train, fold.validation, fold.seed("shuffle"))
                for fold in folds
            ]
            for index, outcome in fit_stacked(stacked, self.train, self.spec.recipe):
                if isinstance(outcome, FitError):
                    failed.add(index)
                    yield folds[index].record_failure(outcome)
                else:
                    yield folds[index].record_epoch(outcome)
        except Exception as error:
            if isinstance(error, torch.OutOfMemoryError) and not any(fold.epochs for fold in folds):
                raise
            # As above: rows, one for each fold that the stack took with it.
            yield from (fold.record_failure(error) for index, fold in enumerate(folds) if index not in failed)
            return
        for index, fold in enumerate(folds):
            if index not in failed:
                yield fold.test()


class _Fold:
    """One fit and its records. `share`: how many folds take the device's time and memory together."""

    def __init__(self, trial: _Trial, split: Split, engine: str, share: int = 1) -> None:
        self.trial, self.split, self.engine, self.share = trial, split, engine, share
        self.started, self.clock = time.time(), time.perf_counter()
        self.epochs: list[EpochScores] = []
        self.best_state: dict[str, torch.Tensor] = {}
        self.train = torch.from_numpy(split.train).to(trial.device)
        self.validation = torch.from_numpy(split.validation).to(trial.device)

    def seed(self, role: Role) -> int:
        return build_seed(self.trial.spec.seed, role, self.trial.spec.replicate, self.split.fold)

    def build(self) -> None:
        """Draw the network's weights; from here on random numbers are the fold's own."""
        trial = self.trial
        torch.manual_seed(self.seed("weights"))
        self.network = build_network(trial.spec, trial.image_shape, trial.classes).to(trial.device)
        masks = torch.Generator(trial.device).manual_seed(self.seed("dropout"))
        self.rewritten = build_rewritten(self.network, masks)
        self.optimizer = build_optimizer(self.rewritten, trial.spec.recipe)
        torch.manual_seed(self.seed("dropout"))

    def record_epoch(self, scores: EpochScores) -> EpochRecord:
        self.epochs.append(scores)
        if self.trial.keep and _best(self.epochs) is scores:
            self.best_state = {name: tensor.cpu().clone() for name, tensor in self.network.state_dict().items()}
        spec = self.trial.spec
        return EpochRecord(trial=spec.id, replicate=spec.replicate, fold=self.split.fold, **vars(scores))

    def test(self) -> FoldRecord:
        """Score the test images; a failure there is a row too."""
        trial = self.trial
        try:
            everything = torch.arange(len(trial.test), device=trial.device)
            loss, predicted = score(self.rewritten, trial.test, everything, trial.spec.recipe.precision)
            if trial.keep:
                trial.keep(self._best_network())
        except Exception as error:
            return self.record_failure(error)
        return self._record(
            status="completed",
            test_loss=loss,
            test_accuracy=(predicted == trial.test.labels).sum().item() / len(trial.test),
            test_predictions=pack_labels(predicted.to(torch.uint8).cpu().numpy()),
        )

    def record_failure(self, error: Exception) -> FoldRecord:
        return self._record(status="failed", error_type=type(error).__name__, error_message=str(error)[:2000])

    def _record(self, **outcome: Any) -> FoldRecord:
        blank: dict[str, Any] = dict.fromkeys(("test_loss", "test_accuracy", "test_predictions"))
        spec, device = self.trial.spec, self.trial.device
        return FoldRecord(
            trial=spec.id,
            replicate=spec.replicate,
            fold=self.split.fold,
            epochs=len(self.epochs),
            best_epoch=_best(self.epochs).epoch if self.epochs else None,
            started=self.started,
            fit_seconds=(time.perf_counter() - self.clock) / self.share,
            peak_memory_bytes=read_peak_memory(device) // self.share,
            device=describe_device(device),
            host=socket.gethostname(),
            engine=self.engine,
            **(blank | outcome),
        )

    def _best_network(self) -> BestNetwork:
        trial, best = self.trial, _best(self.epochs)
        facts = {"trial": trial.spec.id, "fold": self.split.fold, "epoch": best.epoch}
        facts |= {**copy.deepcopy(vars(trial.normalisation)), "validation_accuracy": best.validation_accuracy}
        build = {"model": trial.spec.model, **_build_arguments(trial.spec, trial.image_shape, trial.classes)}
        return BestNetwork(trial.spec.id, build, facts, self.best_state)


def _best(epochs: list[EpochScores]) -> EpochScores:
    """The first epoch with the highest validation accuracy."""
    return max(epochs, key=lambda scores: (scores.validation_accuracy, -scores.epoch))


def describe_device(device: torch.device) -> str:
    """`cpu`, or `cuda:0 NVIDIA H200`."""
    return str(device) if device.type == "cpu" else f"{device} {torch.cuda.get_device_name(device)}"
