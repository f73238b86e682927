"""One fold of a trial: its network, its clock, its records."""

import copy
import socket
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from tune_app.engine import EpochScores, score
from tune_app.engine.defects import prepare_test, prepare_training, report_scores
from tune_app.engine.fit import build_optimizer
from tune_app.engine.memory import read_peak_memory
from tune_app.engine.randomness import GlobalRandomness, seed_everything
from tune_app.engine.rewrite import build_rewritten
from tune_app.models import MODELS
from tune_app.parts.splits import Split
from tune_app.records import EpochRecord, FoldRecord, pack_labels
from tune_app.study import TrialSpec
from tune_app.study.seeds import Role, build_seed
from tune_app.trial.carry import BestNetwork, Carried
from tune_app.trial.setup import TrialSetup

_SCORES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def build_network(spec: TrialSpec, image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A network of the trial's kind, its weights drawn from torch's global random state."""
    return MODELS[spec.model](**_build_arguments(spec, image_shape, classes))


def _build_arguments(spec: TrialSpec, image_shape: tuple[int, int, int], classes: int) -> dict[str, Any]:
    return {"image_shape": image_shape, "classes": classes, "regularizer": spec.regularizer, "width": spec.width}


class Fold:
    """One fit and its records. `share`: how many folds take the device's time and memory together. `reason`: why this
    engine, where that needs one.

    Its clock stands still (`paused`, seconds) while a record is with whoever reads the records: that is no training.
    """

    def __init__(self, trial: TrialSetup, split: Split, engine: str, share: int = 1, reason: str | None = None) -> None:
        self.trial, self.split, self.engine, self.share, self.reason = trial, split, engine, share, reason
        self.started, self.clock, self.paused = time.time(), time.perf_counter(), 0.0
        self.epochs: list[EpochScores] = []
        self.best_state: dict[str, torch.Tensor] = {}

    def seed(self, role: Role) -> int:
        return build_seed(self.trial.spec.seed, role, self.trial.spec.replicate, self.split.fold)

    def build(self, carried: Carried | None = None) -> None:
        """Draw the network's weights, or take those carried over; from here on random numbers are the fold's own."""
        trial, spec = self.trial, self.trial.spec
        self.train = torch.from_numpy(self.split.train).to(trial.device)
        self.validation = torch.from_numpy(self.split.validation).to(trial.device)
        seed_everything(self.seed("weights"))
        self.network = build_network(spec, trial.image_shape, trial.classes).to(trial.device)
        network = prepare_training(self.network, spec.protocol, spec.batch_slices)
        self.masks = torch.Generator(trial.device).manual_seed(self.seed("dropout"))
        self.rewritten = build_rewritten(network, self.masks)
        self.optimizer = build_optimizer(self.rewritten, spec.recipe)
        if carried is not None:
            carried.restore(self.network, self.optimizer)
        seed_everything(self.seed("dropout"))

    def record_epoch(self, scores: EpochScores) -> Iterator[EpochRecord]:
        """The epoch as each trial's protocol reports it."""
        self.epochs.append(scores)
        if self.trial.keep and _best(self.epochs) is scores:
            self.best_state = {name: tensor.cpu().clone() for name, tensor in self.network.state_dict().items()}
        for spec in self.trial.specs:
            seen = report_scores(scores, spec.protocol)
            handed_over = time.perf_counter()
            yield EpochRecord(
                trial=spec.id,
                replicate=spec.replicate,
                fold=self.split.fold,
                epoch=seen.epoch,
                scores={name: getattr(seen, name) for name in _SCORES},
                learning_rate=seen.learning_rate,
                seconds=seen.seconds,
                samples_per_second=seen.samples_per_second,
            )
            self.paused += time.perf_counter() - handed_over

    def test(self, fit_seconds: float | None = None) -> Iterator[FoldRecord]:
        """Score the test images by each trial's protocol; a failure there is a row too.

        `fit_seconds` is what training took, by default the time since the fold began.
        """
        if fit_seconds is None:
            fit_seconds = time.perf_counter() - self.clock - self.paused
        randomness = GlobalRandomness()
        for place, spec in enumerate(self.trial.specs):
            clock = time.perf_counter() - (fit_seconds if place == 0 else 0)  # training counts once, for the first
            randomness.restore()  # a test does not depend on which others there are
            try:
                test = self.trial.find_test(spec.protocol)
                network = prepare_test(self.network, spec.protocol)
                # Where the test changes nothing, it is the network as it was trained: rewritten once.
                network = self.rewritten if network is self.network else build_rewritten(network, self.masks)
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
                scores={"test_loss": loss, "test_accuracy": (predicted == test.labels).sum().item() / len(test)},
                predictions=pack_labels(predicted.cpu().numpy()),
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
        blank: dict[str, Any] = {"scores": {}, "predictions": None}
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
            engine_reason=self.reason,
            fingerprints=self.trial.fingerprints,
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
