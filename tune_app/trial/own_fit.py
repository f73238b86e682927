"""Whatever fits and predicts by itself: scikit-learn's estimators, and users' own generators."""

import inspect
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tune_app.engine.memory import reset_peak_memory
from tune_app.engine.randomness import seed_everything
from tune_app.errors import FitError
from tune_app.parts.signatures import bind_part
from tune_app.records import EpochRecord, Record
from tune_app.trial.fold import Fold
from tune_app.trial.setup import TrialSetup

SMALLEST = 1e-7  # of a probability whose logarithm is taken
Predict = Callable[[Any], Any]  # (B, …) inputs → (B, outputs) raw scores


@dataclass(frozen=True)
class Part:
    """Samples that a fit may see: inputs (N, …) as they are prepared, targets (N, …), groups by name, each (N,)."""

    inputs: NDArray[Any]
    targets: NDArray[Any]
    groups: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """What a user's own fit is given: the training part, a part to stop by (None without `patience`), device and seed.

    `levels` are the trial's levels of the arguments of the fit; `outputs` is how many scores a prediction has.
    """

    train: Part
    stop: Part | None
    device: torch.device
    seed: int
    levels: Mapping[str, Any]
    outputs: int


def run_own_fit(trial: TrialSetup, number: int) -> Iterator[Record]:
    """One fold of a condition that is no network: fitted by itself, tested by the tool on what it has not seen."""
    reset_peak_memory(trial.device)
    fold = Fold(trial, trial.splits[number], "own fit")
    try:
        fold.place()
        stop = fold.carve().holdout if trial.spec.recipe.patience else None
        train = _gather(fold, fold.train)
        seed = fold.seed("weights")
        seed_everything(seed)
        built = trial.network.build()
        if inspect.isgeneratorfunction(built):
            task = Task(
                train=train,
                stop=None if stop is None else _gather(fold, stop),
                device=trial.device,
                seed=seed,
                levels=trial.network.keywords,
                outputs=trial.network.outputs,
            )
            bound = bind_part(built, "model", trial.network.keywords)
            predict: Predict = yield from _follow(fold, built(**bound, task=task))
            has_scores = True
        else:
            predict, has_scores = _fit_estimator(built, train, fold, seed)
        seconds = time.perf_counter() - fold.clock - fold.paused
        for spec in trial.specs:
            tested, positions = fold.find_tested(spec)
            inputs, targets = tested.batch(positions)
            outputs = _read_outputs(predict(inputs.cpu().numpy()), len(targets), trial.network.outputs)
            outcome = fold.build_outcome(spec, outputs, targets.cpu(), None, has_scores)
            yield fold.build_record(spec, seconds, status="completed", **outcome)
    except Exception as error:  # a failure is a row, never a gap
        yield from fold.record_failure(error)


def _gather(fold: Fold, positions: torch.Tensor) -> Part:
    inputs, targets = fold.images.batch(positions)
    places = fold.trial.positions[positions.cpu().numpy()]
    groups = {name: column[places] for name, column in fold.trial.data.groups.items()}
    return Part(inputs.cpu().contiguous().numpy(), targets.cpu().numpy(), groups)


def _follow(fold: Fold, fit: Generator[Mapping[str, float], None, Predict]) -> Generator[Record, None, Predict]:
    """The records of the epochs that a user's generator yields; what it returns predicts."""
    epoch, started = 0, time.perf_counter()
    while True:
        try:
            scores = next(fit)
        except StopIteration as end:
            if not callable(end.value):
                raise FitError(
                    f"the fit returned {type(end.value).__name__}; return a function that predicts"
                ) from None
            predict: Predict = end.value
            return predict
        epoch += 1
        wrong = {name: value for name, value in scores.items() if not np.isfinite(float(value))}
        if wrong:
            raise FitError(f"epoch {epoch} gave {wrong}; scores are finite numbers")
        now = time.perf_counter()
        yield EpochRecord(
            trial=fold.trial.spec.id,
            replicate=fold.trial.spec.replicate,
            fold=fold.split.fold,
            epoch=epoch,
            scores={name: float(value) for name, value in scores.items()},
            learning_rate=fold.trial.spec.recipe.learning_rate,
            seconds=now - started,
            samples_per_second=len(fold.train) / max(now - started, 1e-9),
        )
        started = time.perf_counter()
        fold.paused += started - now


def is_estimator(built: Any) -> bool:
    """Whether it has scikit-learn's methods: `fit`, and `predict` or `predict_proba`."""
    return hasattr(built, "fit") and (hasattr(built, "predict") or hasattr(built, "predict_proba"))


def _fit_estimator(estimator: Any, train: Part, fold: Fold, seed: int) -> tuple[Predict, bool]:
    """A fitted estimator as a function that predicts, and whether it gives scores or labels alone."""
    if not is_estimator(estimator):
        kind = type(estimator).__name__
        raise FitError(
            f"{fold.trial.spec.model} gave {kind}; a torch Module, or an object with fit and predict, is needed"
        )
    _seed_estimator(estimator, seed)
    estimator.fit(_flatten(train.inputs), train.targets)
    task, outputs = fold.objective.task, fold.trial.network.outputs
    if task == "regression":
        return lambda inputs: estimator.predict(_flatten(inputs)), True
    if hasattr(estimator, "predict_proba"):
        return lambda inputs: _read_probabilities(
            estimator, estimator.predict_proba(_flatten(inputs)), task, outputs
        ), True
    return lambda inputs: _spell_labels(estimator.predict(_flatten(inputs)), task, outputs), False


def _seed_estimator(estimator: Any, seed: int) -> None:
    """Set every `random_state` that is left open, those of the steps of a pipeline included."""
    if hasattr(estimator, "get_params"):
        open_ones = [
            name
            for name, value in estimator.get_params(deep=True).items()
            if name.rpartition("__")[2] == "random_state" and value is None
        ]
        estimator.set_params(**dict.fromkeys(open_ones, seed))


def _flatten(inputs: NDArray[Any]) -> NDArray[Any]:
    return inputs.reshape(len(inputs), -1)


def _read_probabilities(estimator: Any, given: Any, task: str, outputs: int) -> NDArray[np.float64]:
    """Logarithms of probabilities, in the order of all classes: a class that training lacks has next to none."""
    if task == "multilabel":
        columns = (
            [p[:, -1] if np.ndim(p) == 2 else p for p in given] if isinstance(given, list) else np.asarray(given).T
        )
        shares = np.clip(np.stack(list(columns), axis=1), SMALLEST, 1 - SMALLEST)
        return np.asarray(np.log(shares / (1 - shares)))
    every = np.zeros((len(given), outputs))
    every[:, np.asarray(estimator.classes_, dtype=np.int64)] = given
    return np.asarray(np.log(np.clip(every, SMALLEST, None)))


def _spell_labels(labels: Any, task: str, outputs: int) -> NDArray[np.float64]:
    """Labels as outputs that name them; they are no scores."""
    if task == "multilabel":
        return np.where(np.asarray(labels) > 0, 1.0, -1.0)
    return np.asarray(np.eye(outputs)[np.asarray(labels, dtype=np.int64)])


def _read_outputs(given: Any, samples: int, outputs: int) -> torch.Tensor:
    found = given.detach().cpu() if isinstance(given, torch.Tensor) else torch.as_tensor(np.asarray(given))
    if found.dim() == 1:
        found = found[:, None]
    if tuple(found.shape) != (samples, outputs) or not torch.isfinite(found).all():
        raise FitError(
            f"it predicted {tuple(found.shape)} for {samples} samples; finite ({samples}, {outputs}) is needed"
        )
    return found
