"""One fold of a trial: its network, its clock, its records."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tune_app.engine import EpochScores, Images
from tune_app.engine.defects import prepare_test, prepare_training, report_scores
from tune_app.engine.distributed import prepare_replica
from tune_app.engine.fit import predict
from tune_app.engine.memory import describe_device, read_peak_memory
from tune_app.engine.randomness import GlobalRandomness, describe_determinism, seed_everything
from tune_app.engine.rewrite import build_rewritten
from tune_app.engine.synchronised import Replica
from tune_app.errors import FitError, describe_error
from tune_app.parts.networks import Network
from tune_app.parts.splits import Split
from tune_app.parts.splitters import carve_holdout
from tune_app.records import EpochRecord, FoldRecord, pack_labels
from tune_app.study import TrialSpec
from tune_app.study.seeds import Role, build_seed
from tune_app.trial.carry import BestNetwork, Carried
from tune_app.trial.compilation import compile_network, describe_gaps, try_out
from tune_app.trial.course import EarlyStop, build_course, build_fold_optimizer
from tune_app.trial.outputs import pack_outputs, round_outputs
from tune_app.trial.setup import TrialSetup

_SCORES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
_LOSSES = ("train_loss", "validation_loss")
EVEN = ("kfold", "stratified")  # splitters whose folds are as large as each other, but for a sample


def build_network(asked: Network, root: Path | None = None) -> nn.Module:
    """The network asked for, its weights drawn from torch's global random state or read from the file that it names.

    Raises FitError for weights that do not fit.
    """
    network: nn.Module = asked.build()
    if asked.weights is None:
        return network
    path = (root or Path.cwd()) / asked.weights
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state.get("state", state))
    except Exception as error:  # of many kinds, whichever it is
        raise FitError(f"the weights {path} cannot be used: {describe_error(error)}") from error
    return network


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

    def seed(self, role: Role, rank: int = 0) -> int:
        return build_seed(self.trial.spec.seed, role, self.trial.spec.replicate, self.split.fold, rank)

    def build(self, carried: Carried | None = None, replica: Replica | None = None) -> None:
        """Draw the network's weights, or take those carried over; from here on random numbers are the fold's own.

        A replica's dropout is its own as well: each of the devices that train the network has other samples.
        """
        trial, spec = self.trial, self.trial.spec
        self.place()
        seed_everything(self.seed("weights"))
        self.network = build_network(trial.network, trial.root).to(trial.device)
        network = prepare_training(self.network, spec.protocol, spec.batch_slices)
        if replica:
            network = prepare_replica(network, replica, spec.recipe.batchnorm_sync)
        dropout = self.seed("dropout", replica.rank if replica else 0)
        self.masks = torch.Generator(trial.device).manual_seed(dropout)
        self.rewritten = build_rewritten(network, self.masks)
        self.optimizer = build_fold_optimizer(self.rewritten, spec.recipe, spec.definitions)
        augmentation = torch.Generator(trial.device).manual_seed(self.seed("augment"))
        self.stop = self.carve() if spec.recipe.patience else None
        parts = spec.recipe, spec.definitions, trial.scoring, self.objective
        self.course = build_course(*parts, augmentation, self.stop)
        if carried is not None:
            carried.restore(self.network, self.optimizer)
        if spec.recipe.compile:
            self._compile()
        seed_everything(dropout)

    def place(self) -> None:
        """The fold's samples, as it prepares them, and its objective."""
        trial = self.trial
        self.images = trial.find_train(self.split)
        self.train = torch.from_numpy(self.split.train).to(self.images.place)
        self.validation = torch.from_numpy(self.split.validation).to(self.images.place)
        self.objective = trial.build_objective(self.split)

    def carve(self) -> EarlyStop:
        """Take the part that early stopping goes by from the training part."""
        trial, recipe = self.trial, self.trial.spec.recipe
        seed = build_seed(trial.spec.seed, "holdout", trial.spec.replicate, self.split.fold)
        groups = trial.spec.groups
        if groups is None and "group" in trial.spec.splitter and len(trial.data.groups) == 1:
            groups = next(iter(trial.data.groups))  # the column that the splits keep together
        order = trial.data, trial.positions, self.split.train, recipe.holdout, groups, seed
        rest, holdout = carve_holdout(*order)
        self.train = torch.from_numpy(rest).to(self.images.place)
        held = torch.from_numpy(holdout).to(self.images.place)
        return EarlyStop(self.images, held, recipe, self.objective, trial.scoring)

    def _compile(self) -> None:
        """Compile the network; one that cannot be compiled trains as it is, and its record says why."""
        trial, spec = self.trial, self.trial.spec
        key = trial.network, spec.protocol, spec.batch_slices, spec.recipe.precision, trial.device
        work = self.images, self.train, self.validation, spec.recipe, self.objective
        self.rewritten, problem = compile_network(self.rewritten, key, lambda copied: try_out(copied, *work))
        self.add_reason(problem)

    def add_reason(self, reason: str) -> None:
        """Say in the record what is particular about how it was made."""
        self.reason = "; ".join(filter(None, (self.reason, reason))) or None

    def record_epoch(self, scores: EpochScores) -> Iterator[EpochRecord]:
        """The epoch as each trial's protocol reports it."""
        self.epochs.append(scores)
        if self.trial.keep and self._best() is scores:
            self.best_state = {name: tensor.cpu().clone() for name, tensor in self.network.state_dict().items()}
        yield from self.tell_epoch(scores)

    def tell_epoch(self, scores: EpochScores) -> Iterator[EpochRecord]:
        """Its records alone: of an epoch that was trained before an interruption, say."""
        for spec in self.trial.specs:
            seen = report_scores(scores, spec.protocol)
            handed_over = time.perf_counter()
            yield EpochRecord(
                trial=spec.id,
                replicate=spec.replicate,
                fold=self.split.fold,
                epoch=seen.epoch,
                scores=self._spell_scores(seen),
                learning_rate=seen.learning_rate,
                seconds=seen.seconds,
                samples_per_second=seen.samples_per_second,
            )
            self.paused += time.perf_counter() - handed_over

    def _spell_scores(self, seen: EpochScores) -> dict[str, float]:
        names = _SCORES if self.objective.task == "classification" else _LOSSES
        return {name: getattr(seen, name) for name in names} | dict(seen.validation)

    def test(self, fit_seconds: float | None = None) -> Iterator[FoldRecord]:
        """Score the test part, or the held-out fold, by each trial's protocol; a failure there is a row too.

        `fit_seconds` is what training took, by default the time since the fold began.
        """
        if fit_seconds is None:
            fit_seconds = time.perf_counter() - self.clock - self.paused
        if self.trial.spec.recipe.compile:
            self.add_reason(describe_gaps())
        randomness = GlobalRandomness()
        for place, spec in enumerate(self.trial.specs):
            clock = time.perf_counter() - (fit_seconds if place == 0 else 0)  # training counts once, for the first
            randomness.restore()  # a test does not depend on which others there are
            try:
                tested, positions = self.find_tested(spec)
                network = prepare_test(self.network, spec.protocol)
                # Where the test changes nothing, it is the network as it was trained: rewritten once.
                network = self.rewritten if network is self.network else build_rewritten(network, self.masks)
                order = network, tested, positions, spec.recipe.precision, None, self.objective
                loss, outputs = predict(*order)
                outcome = self.build_outcome(spec, outputs, tested.labels[positions], loss)
                if self.trial.keep:
                    self.trial.keep(self._best_network(spec))
            except Exception as error:
                yield self._build_failure(spec, error, time.perf_counter() - clock)
                continue
            # Without early stopping it is the last one, which goes unsaid.
            outcome["tested_epoch"] = self.stop.best_epoch or len(self.epochs) if self.stop else None
            yield self.build_record(spec, time.perf_counter() - clock, status="completed", **outcome)

    def find_tested(self, spec: TrialSpec) -> tuple[Images, torch.Tensor]:
        """What scores are taken on: the test part, or without one the held-out fold."""
        test = self.trial.find_test(spec.protocol, self.images.normalisation)
        if test is None:
            return self.images, self.validation
        return test, torch.arange(len(test), device=test.place)

    def build_outcome(
        self,
        spec: TrialSpec,
        outputs: torch.Tensor,
        targets: torch.Tensor,
        loss: float | None,
        has_scores: bool = True,
    ) -> dict[str, Any]:
        """The scores, the predictions and the side file of what was tested, as fields of a record."""
        trial, task, scoring = self.trial, self.objective.task, self.trial.scoring
        scores = {} if loss is None else {"test_loss": loss}
        labels = None
        if task == "classification":
            predicted = outputs.argmax(1)
            scores["test_accuracy"] = (predicted == targets).sum().item() / len(targets)
            labels = predicted.cpu().numpy()
        names = tuple(name for name in scoring.names or (scoring.choose_primary(task),) if name != "accuracy")
        truth = targets.cpu().numpy()
        given = outputs.float().cpu().numpy()
        rounded = round_outputs(given, task)
        found, reasons = scoring.explain(names, rounded, truth, task, labels=labels, has_scores=has_scores)
        scores |= {f"test_{name}": value for name, value in found.items()}
        outcome: dict[str, Any] = {"scores": scores, "predictions": None if labels is None else pack_labels(labels)}
        outcome["undefined"] = {f"test_{name}": reason for name, reason in reasons.items()}
        if trial.keep_outputs and scoring.keeps_outputs(task, trial.has_test_part):
            places = np.arange(len(truth)) if trial.has_test_part else trial.positions[self.split.validation]
            content = pack_outputs(given, truth, places, task, has_scores)
            outcome["outputs"] = trial.keep_outputs(spec.id, self.split.fold, content)
        return outcome

    def record_failure(self, error: Exception) -> Iterator[FoldRecord]:
        """A failed row for each trial; the time spent counts once, for the first."""
        seconds = (time.perf_counter() - self.clock - self.paused) / self.share
        for place, spec in enumerate(self.trial.specs):
            yield self._build_failure(spec, error, seconds if place == 0 else 0.0)

    def _build_failure(self, spec: TrialSpec, error: Exception, seconds: float) -> FoldRecord:
        return self.build_record(
            spec, seconds, status="failed", error_type=type(error).__name__, error_message=str(error)[:2000]
        )

    def build_record(self, spec: TrialSpec, fit_seconds: float, **outcome: Any) -> FoldRecord:
        """The fold's record for one trial; `outcome` are its fields that say how it went."""
        blank: dict[str, Any] = {"scores": {}, "predictions": None}
        device = self.trial.device
        return FoldRecord(
            trial=spec.id,
            replicate=spec.replicate,
            fold=self.split.fold,
            epochs=len(self.epochs),
            best_epoch=self._best().epoch if self.epochs else None,
            started=self.started,
            fit_seconds=fit_seconds,
            peak_memory_bytes=read_peak_memory(device) // self.share,
            device=describe_device(device),
            host=socket.gethostname(),
            engine=self.engine,
            engine_reason=self.reason,
            determinism=describe_determinism(device),
            fingerprints=self.trial.fingerprints,
            **(blank | self._sizes() | outcome),
        )

    def _sizes(self) -> dict[str, int]:
        """The samples of training and held-out part, where they do not follow from the number of folds."""
        if self.trial.spec.splitter in EVEN and self.trial.has_test_part:
            return {}
        return {"n_train": len(self.split.train), "n_test": len(self.split.validation)}

    def _best(self) -> EpochScores:
        """The first epoch with the best validation score by the primary metric; of equal or undefined ones by loss."""
        scoring, task = self.trial.scoring, self.objective.task
        primary = scoring.choose_primary(task)
        if primary == "accuracy":
            return max(self.epochs, key=lambda scores: (scores.validation_accuracy, -scores.epoch))
        sign = scoring.find(primary).sign
        name, worst = f"validation_{primary}", float("-inf")
        return max(
            self.epochs,
            key=lambda scores: (sign * scores.validation[name] if name in scores.validation else worst, -scores.epoch),
        )

    def _best_network(self, spec: TrialSpec) -> BestNetwork:
        trial, best = self.trial, self._best()
        facts = {"trial": spec.id, "fold": self.split.fold, "epoch": best.epoch}
        constants = self.images.normalisation
        facts |= {"mean": constants.mean, "std": constants.std}
        primary = trial.scoring.choose_primary(self.objective.task)
        metric = f"validation_{primary}"
        if primary == "accuracy":
            facts |= {metric: best.validation_accuracy}
        elif metric in best.validation:
            facts |= {"metric": metric, "sign": trial.scoring.find(primary).sign, metric: best.validation[metric]}
        else:  # the metric is undefined on this fold: by its loss
            facts |= {"metric": "validation_loss", "sign": -1, "validation_loss": best.validation_loss}
        asked = trial.network
        own = spec.definitions.get(spec.model)
        build = {"model": spec.model, "image_shape": asked.shape, "classes": asked.outputs, **asked.keywords}
        if own:
            build = {"model": spec.model, "reference": own.reference, "arguments": asked.keywords}
            build |= {"inputs": asked.shape, "outputs": asked.outputs}
        return BestNetwork(spec.id, build, facts, self.best_state)
