"""The K-fold loop of one trial: a spec and a data set in, records out."""

import contextlib
import copy
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from data import Dataset
from models import MODELS
from tune_app.cost import build_network_cost, choose_engine
from tune_app.engine import EpochScores, Images, build_normalisation, fit, score
from tune_app.engine.defects import (
    build_last_batch_scores,
    build_replicated,
    build_test_normalisation,
    build_without_regularizers,
)
from tune_app.engine.fit import build_optimizer
from tune_app.engine.memory import read_peak_memory, reset_peak_memory
from tune_app.engine.rewrite import build_rewritten
from tune_app.engine.stacked import StackedFold, fit_stacked
from tune_app.errors import FitError
from tune_app.folds import Split, build_limit, build_splits
from tune_app.records import EpochRecord, FoldRecord, Record, build_failed_fold, pack_labels
from tune_app.seeds import Role, build_seed
from tune_app.study import TrialSpec


@dataclass(frozen=True)
class BestNetwork:
    """The weights of a fold's best epoch, on the CPU, with what is needed to build and use the network."""

    trial: str
    build: dict[str, Any]
    facts: dict[str, Any]
    state: dict[str, torch.Tensor]


@dataclass
class Carried:
    """What goes from fold to fold under carry-over: the last fold done, its network's and its optimizer's state."""

    fold: int = -1
    network: dict[str, torch.Tensor] | None = None
    optimizer: dict[str, Any] | None = None

    def update(self, fold: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Take the states as they are after `fold`, on the CPU, where every process can read them."""
        self.fold = fold
        self.network = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
        state = optimizer.state_dict()
        moments = {n: {name: value.cpu() for name, value in each.items()} for n, each in state["state"].items()}
        self.optimizer = state | {"state": moments}

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self.network is not None and self.optimizer is not None:
            network.load_state_dict(self.network)
            optimizer.load_state_dict(self.optimizer)


class Carrier(Protocol):
    """Where carried states are kept, by trial, for a run that is interrupted."""

    def read(self, trial: str) -> Carried | None: ...

    def write(self, trial: str, carried: Carried) -> None: ...


Keep = Callable[[BestNetwork], None]
RunTrial = Callable[..., Iterator[Record]]
_TOLD = [field.name for field in fields(EpochRecord) if field.name not in ("trial", "replicate", "fold")]


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
    also: Sequence[TrialSpec] = (),
    keep: Keep | None = None,
    carrier: Carrier | None = None,
) -> Iterator[Record]:
    """Run the given folds of a trial, each with a fresh network and optimizer, and yield records as they come.

    A fold that raises becomes a failed FoldRecord and the next fold goes on. `threads` bounds torch's CPU threads:
    records are the same bit for bit only at the same number. `also` are trials that share this one's training and are
    recorded with it. `keep` is handed the best network of each fold. Under carry-over the folds depend on each other:
    `carrier` holds what goes from one to the next, and without it a trial starts at its first fold again.
    """
    torch.set_num_threads(threads)
    started = time.time()
    try:
        trial = _Trial(spec, data, device, also, keep)
        network = spec.model, trial.image_shape, data.classes, spec.regularizer, spec.width
        engine = choose_engine(spec, partial(build_network_cost, *network), device.type)
    except Exception as error:  # a device without memory for the images, say: rows, as for a fold that fails
        for fold in folds:
            for each in (spec, *also):
                yield build_failed_fold(each.id, each.replicate, fold, type(error).__name__, str(error), started)
        return
    if spec.has_dependent_folds:
        yield from trial.run_carried(list(folds), carrier)
    elif engine == "stacked":
        yield from trial.run_stacked(list(folds))
    else:
        for fold in folds:
            yield from trial.run_eager(fold)


class _Trial:
    """What the folds of a trial share."""

    def __init__(
        self, spec: TrialSpec, data: Dataset, device: torch.device, also: Sequence[TrialSpec], keep: Keep | None
    ) -> None:
        self.spec, self.classes, self.device, self.keep = spec, data.classes, device, keep
        self.specs = (spec, *also)
        labels = data.train_labels
        limit = build_limit(labels, spec.train_images, build_seed(spec.seed, "limit"))
        test_limit = build_limit(data.test_labels, spec.test_images, build_seed(spec.seed, "limit"))
        self.normalisation = build_normalisation(data.train_images, limit)
        self.train = Images(data.train_images, labels, limit, self.normalisation, device)
        test = data.test_images, data.test_labels, test_limit
        self.test = Images(*test, self.normalisation, device)
        self.mistaken_test = Images(*test, build_test_normalisation(self.normalisation), device)
        seed = build_seed(spec.seed, "split", spec.replicate)
        self.splits = build_splits(labels[limit], spec.folds, spec.splitter, seed)
        self.image_shape = (data.train_images.shape[1], data.train_images.shape[2], data.train_images.shape[3])

    def run_eager(self, number: int, carried: "Carried | None" = None) -> Iterator[Record]:
        """One fold by itself, with a fresh network and optimizer or the ones carried over."""
        reset_peak_memory(self.device)
        fold = _Fold(self, self.splits[number], "eager")
        try:
            fold.build(carried)
            scores = fit(
                fold.rewritten,
                fold.optimizer,
                self.train,
                fold.train,
                fold.validation,
                self.spec.recipe,
                shuffle_seed=fold.seed("shuffle"),
                train_mode_validation="train-mode-validation" in self.spec.protocol,
            )
            for epoch in scores:
                yield from fold.record_epoch(epoch)
        except Exception as error:  # a failure is a row, never a gap; the rest of the study goes on
            yield from fold.record_failure(error)
            return
        if carried is not None:
            carried.update(number, fold.network, fold.optimizer)
        yield from fold.test()

    def run_carried(self, numbers: list[int], carrier: Carrier | None) -> Iterator[Record]:
        """`carry-over`: one network and one optimizer go through the folds in turn.

        A trial goes on after the last fold that `carrier` knows, if no fold before that is asked for. A fold that fails
        takes those after it with it.
        """
        trial = self.spec.id
        carried = (carrier.read(trial) if carrier else None) or Carried()
        if carried.fold + 1 > min(numbers):
            carried = Carried()
        failure: FoldRecord | None = None
        for number in range(carried.fold + 1, self.spec.folds):
            if failure:
                error = FitError(f"the network comes from fold {failure.fold + 1}, which failed")
                yield from _Fold(self, self.splits[number], "eager").record_failure(error)
                continue
            written = False
            for record in self.run_eager(number, carried):
                if isinstance(record, FoldRecord) and carried.fold != number:
                    failure = record  # the training failed; a test that fails leaves a network to go on with
                elif isinstance(record, FoldRecord) and carrier and not written:
                    carrier.write(trial, carried)  # before the record: a recorded fold can always be gone on from
                    written = True
                yield record

    def run_stacked(self, numbers: list[int]) -> Iterator[Record]:
        """The folds together, or in two halves where the device's memory does not hold them all."""
        records = self._run_stack(numbers)
        first: Record | None = None
        with contextlib.suppress(torch.OutOfMemoryError):
            first = next(records)
        if first is not None:
            yield first
            yield from records
            return
        # Not where the error is caught: it holds the stack that was too large, and with it the memory.
        torch.cuda.empty_cache()
        if len(numbers) == 1:
            yield from self.run_eager(numbers[0])
            return
        half = len(numbers) // 2
        yield from self.run_stacked(numbers[:half])
        yield from self.run_stacked(numbers[half:])

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
                    yield from folds[index].record_failure(outcome)
                else:
                    yield from folds[index].record_epoch(outcome)
        except Exception as error:
            if isinstance(error, torch.OutOfMemoryError) and not any(fold.epochs for fold in folds):
                raise
            # As above: rows, one for each fold that the stack took with it.
            for index, fold in enumerate(folds):
                if index not in failed:
                    yield from fold.record_failure(error)
            return
        share = (time.perf_counter() - folds[0].clock - sum(fold.paused for fold in folds)) / len(folds)
        started = folds[0].started
        for index, fold in enumerate(folds):
            if index in failed:
                continue
            fold.started = started  # the shares are told one after the other, for they are no parallel fits
            for record in fold.test(share):
                started += record.fit_seconds
                yield record


class _Fold:
    """One fit and its records. `share`: how many folds take the device's time and memory together.

    Its clock stands still (`paused`, seconds) while a record is with whoever reads the records: that is no training.
    """

    def __init__(self, trial: _Trial, split: Split, engine: str, share: int = 1) -> None:
        self.trial, self.split, self.engine, self.share = trial, split, engine, share
        self.started, self.clock, self.paused = time.time(), time.perf_counter(), 0.0
        self.epochs: list[EpochScores] = []
        self.best_state: dict[str, torch.Tensor] = {}

    def seed(self, role: Role) -> int:
        return build_seed(self.trial.spec.seed, role, self.trial.spec.replicate, self.split.fold)

    def build(self, carried: "Carried | None" = None) -> None:
        """Draw the network's weights, or take those carried over; from here on random numbers are the fold's own."""
        trial, spec = self.trial, self.trial.spec
        self.train = torch.from_numpy(self.split.train).to(trial.device)
        self.validation = torch.from_numpy(self.split.validation).to(trial.device)
        torch.manual_seed(self.seed("weights"))
        self.network = build_network(spec, trial.image_shape, trial.classes).to(trial.device)
        network = self.network
        if "replica-statistics" in spec.protocol:
            network = build_replicated(network, spec.replicas)
        self.masks = torch.Generator(trial.device).manual_seed(self.seed("dropout"))
        self.rewritten = build_rewritten(network, self.masks)
        self.optimizer = build_optimizer(self.rewritten, spec.recipe)
        if carried is not None:
            carried.restore(self.network, self.optimizer)
        torch.manual_seed(self.seed("dropout"))

    def record_epoch(self, scores: EpochScores) -> Iterator[EpochRecord]:
        """The epoch as each trial's protocol tells it."""
        self.epochs.append(scores)
        if self.trial.keep and _best(self.epochs) is scores:
            self.best_state = {name: tensor.cpu().clone() for name, tensor in self.network.state_dict().items()}
        for spec in self.trial.specs:
            told = build_last_batch_scores(scores) if "last-batch-accuracy" in spec.protocol else scores
            content = {name: getattr(told, name) for name in _TOLD}
            handed_over = time.perf_counter()
            yield EpochRecord(trial=spec.id, replicate=spec.replicate, fold=self.split.fold, **content)
            self.paused += time.perf_counter() - handed_over

    def test(self, fit_seconds: float | None = None) -> Iterator[FoldRecord]:
        """Score the test images by each trial's protocol; a failure there is a row too.

        `fit_seconds` is what training took, by default the time since the fold began.
        """
        if fit_seconds is None:
            fit_seconds = time.perf_counter() - self.clock - self.paused
        for place, spec in enumerate(self.trial.specs):
            clock = time.perf_counter() - (fit_seconds if place == 0 else 0)  # training counts once, for the first
            try:
                test = self.trial.mistaken_test if "test-normalisation" in spec.protocol else self.trial.test
                network = self.rewritten
                if "test-skips-layers" in spec.protocol:
                    network = build_rewritten(build_without_regularizers(self.network), self.masks)
                everything = torch.arange(len(test), device=self.trial.device)
                loss, predicted = score(network, test, everything, spec.recipe.precision)
                if self.trial.keep:
                    self.trial.keep(self._best_network(spec))
            except Exception as error:
                yield self._build_failure(spec, error, time.perf_counter() - clock)
                continue
            yield self._build_record(
                spec,
                time.perf_counter() - clock,
                status="completed",
                test_loss=loss,
                test_accuracy=(predicted == test.labels).sum().item() / len(test),
                test_predictions=pack_labels(predicted.to(torch.uint8).cpu().numpy()),
            )

    def record_failure(self, error: Exception) -> Iterator[FoldRecord]:
        """A failed row for each trial; the time spent counts once, for the first."""
        seconds = (time.perf_counter() - self.clock - self.paused) / self.share
        for place, spec in enumerate(self.trial.specs):
            yield self._build_failure(spec, error, seconds if place == 0 else 0.0)

    def _build_failure(self, spec: TrialSpec, error: Exception, seconds: float) -> FoldRecord:
        return self._build_record(
            spec, seconds, status="failed", error_type=type(error).__name__, error_message=str(error)[:2000]
        )

    def _build_record(self, spec: TrialSpec, fit_seconds: float, **outcome: Any) -> FoldRecord:
        blank: dict[str, Any] = dict.fromkeys(("test_loss", "test_accuracy", "test_predictions"))
        device = self.trial.device
        return FoldRecord(
            trial=spec.id,
            replicate=spec.replicate,
            fold=self.split.fold,
            epochs=len(self.epochs),
            best_epoch=_best(self.epochs).epoch if self.epochs else None,
            started=self.started,
            fit_seconds=fit_seconds,
            peak_memory_bytes=read_peak_memory(device) // self.share,
            device=describe_device(device),
            host=socket.gethostname(),
            engine=self.engine,
            **(blank | outcome),
        )

    def _best_network(self, spec: TrialSpec) -> BestNetwork:
        trial, best = self.trial, _best(self.epochs)
        facts = {"trial": spec.id, "fold": self.split.fold, "epoch": best.epoch}
        facts |= {**copy.deepcopy(vars(trial.normalisation)), "validation_accuracy": best.validation_accuracy}
        build = {"model": spec.model, **_build_arguments(spec, trial.image_shape, trial.classes)}
        return BestNetwork(spec.id, build, facts, self.best_state)


def _best(epochs: list[EpochScores]) -> EpochScores:
    """The first epoch with the highest validation accuracy."""
    return max(epochs, key=lambda scores: (scores.validation_accuracy, -scores.epoch))


def describe_device(device: torch.device) -> str:
    """`cpu`, or `cuda:0 NVIDIA H200`."""
    return str(device) if device.type == "cpu" else f"{device} {torch.cuda.get_device_name(device)}"
