"""What users' parts do with two real samples, before anything starts. Importing this takes torch along."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from tune_app.data import Data
from tune_app.engine.randomness import GlobalRandomness, seed_everything
from tune_app.errors import FitError, StudyError, TuneAppError
from tune_app.parts.networks import Network
from tune_app.parts.references import Scope, describe_users_error, format_users_traceback
from tune_app.parts.scoring import build_scoring
from tune_app.parts.splitters import find_absent_classes
from tune_app.plan import PlannedTrial
from tune_app.session.planning import Plan
from tune_app.study import Study, TrialSpec
from tune_app.trial.fold import Fold, build_network
from tune_app.trial.setup import TrialSetup

ORDER_TOLERANCE = 1e-4  # of outputs whose batch is turned round, in units of their largest
PROBED = 2  # samples


def check_parts(plan: Plan, datasets: Mapping[str, Data], scope: Scope) -> None:
    """Raise StudyError with everything that the study's own parts do wrong; nothing is written, no record is made.

    Each network is built once with its arguments, and shown two samples: the shape of its outputs, a finite first loss,
    outputs that depend on the order of a batch, an input that it changes. Metrics are tried on the first split.
    """
    problems = [p for name, data in datasets.items() for p in _find_metric_problems(plan.study, name, data, scope)]
    randomness = GlobalRandomness()
    seen: set[str] = set()
    for trial in plan:
        if not trial.spec.definitions or (key := _spell_parts(trial)) in seen:
            continue
        seen.add(key)
        problems += _probe(trial.spec, datasets[trial.spec.dataset], scope)
    randomness.restore()
    if problems:
        raise StudyError(dict.fromkeys(problems))


def find_warnings(study: Study, datasets: Mapping[str, Data], plan: Plan) -> list[str]:
    """Sentences on what will run, though some of it may not be what was meant."""
    used = {name for trial in study.grid_trials() for name in trial.spec.definitions}
    used |= set(study.metrics.named) | set(study.data.names)
    found = [f"define.{name}: nothing uses it; leave it out, or name it" for name in study.define if name not in used]
    spec = next(iter(plan)).spec
    data = datasets[spec.dataset]
    trial = TrialSetup(spec, data, torch.device("cpu"))
    if not trial.has_test_part:
        found += find_absent_classes(data, trial.positions, trial.splits)
    return found


def _spell_parts(trial: PlannedTrial) -> str:
    spec = trial.spec
    recipe = spec.recipe
    return f"{spec.dataset} {spec.model} {spec.arguments} {recipe.parts} {recipe.compile} {recipe.class_weights}"


def _probe(spec: TrialSpec, data: Data, scope: Scope) -> Iterator[str]:
    try:
        trial = TrialSetup(spec, data, torch.device("cpu"), scoring=build_scoring_of(spec), root=scope.root)
    except TuneAppError as error:
        yield str(error)
        return
    asked = trial.network
    place = f"define.{spec.model}" if spec.model in spec.definitions else spec.model
    called = f"{spec.model}({_spell_call(asked)})"
    try:
        seed_everything(0)
        built = asked.build()
        if inspect.isgeneratorfunction(built):
            return
        if not isinstance(built, nn.Module):
            if not (hasattr(built, "fit") and (hasattr(built, "predict") or hasattr(built, "predict_proba"))):
                kind = type(built).__name__
                yield f"{place}: {called} gave {kind}; a torch Module, or an object with fit and predict, is needed"
            return
        build_network(asked, scope.root)
        yield from (f"{place}: {called} {problem}" for problem in _find_network_problems(trial, built))
        fold = Fold(trial, trial.splits[0], "eager")
        fold.build()
        yield from _find_recipe_problems(fold)
    except TuneAppError as error:
        yield from (f"{place}: {line}" for line in str(error).splitlines())
    except Exception as error:  # whatever the user's code raises
        yield f"{place}: {called} failed: {describe_users_error(error, scope)}{_append_trace(error, scope)}"


def build_scoring_of(spec: TrialSpec) -> Any:
    """A scoring without metrics: what a probe of a network needs."""
    from tune_app.trial.setup import ACCURACY

    return ACCURACY


def _append_trace(error: BaseException, scope: Scope) -> str:
    trace = format_users_traceback(error, scope)
    return f"\n{trace}" if trace else ""


def _spell_call(asked: Network) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in asked.keywords.items())


def _find_network_problems(trial: TrialSetup, network: nn.Module) -> Iterator[str]:
    data = trial.data
    images = trial.find_train(trial.splits[0])
    positions = torch.arange(min(PROBED, len(images)))
    batch, targets = images.batch(positions)
    before = batch.clone()
    network.eval()
    with torch.no_grad():
        outputs = network(batch)
        if not isinstance(outputs, torch.Tensor):
            yield f"gave {type(outputs).__name__} for {len(batch)} samples; a tensor is needed"
            return
        if not torch.equal(batch, before):
            yield "changes its input in place; copy it first, or leave inplace=True out of the first layer"
        shape = (len(batch), trial.network.outputs)
        if tuple(outputs.shape) != shape and not (shape[1] == 1 and tuple(outputs.shape) == shape[:1]):
            yield f"gave {tuple(outputs.shape)} for {len(batch)} samples; {shape} is needed"
            return
        turned = network(before.flip(0)).flip(0)
        gap = (outputs - turned).abs().max().item()
        if not gap <= ORDER_TOLERANCE * max(1.0, outputs.abs().max().item()):
            yield "gives a sample another output where the batch is in another order; let samples not see each other"
    loss = trial.build_objective(trial.splits[0]).compute(outputs.float(), targets).item()
    if not np.isfinite(loss):
        yield f"has a first loss of {loss} on two samples of {data.task}; check its outputs and the inputs"


def _find_recipe_problems(fold: Fold) -> Iterator[str]:
    """What the recipe's own parts do: the loss a scalar, the schedule a number, the augmentation a batch."""
    recipe = fold.trial.spec.recipe
    batch, targets = fold.images.batch(fold.train[:PROBED])
    if fold.course.factor is not None:
        for step in (0, 99):
            factor = fold.course.factor(step, 100, [])
            if not np.isfinite(factor) or factor < 0:
                yield f"schedule {recipe.schedule}: it gave {factor} at step {step} of 100; 0 or more is needed"
    if fold.course.augment and fold.course.generator:
        changed, kept = fold.course.augment(batch.clone(), targets.clone(), fold.course.generator)
        if changed.shape != batch.shape or changed.dtype != batch.dtype or kept.shape != targets.shape:
            yield (
                f"augment {recipe.augment}: it made {tuple(changed.shape)} {changed.dtype} of {tuple(batch.shape)} "
                f"{batch.dtype}; the shape and the type stay"
            )
    fold.network.eval()
    with torch.no_grad():
        loss = fold.objective.compute(fold.network(batch), targets)
    if not isinstance(loss, torch.Tensor) or loss.dim() != 0:
        shape = tuple(getattr(loss, "shape", ()))
        yield f"loss {recipe.loss}: it gave {shape}; the mean over the batch, a scalar, is needed"


def _find_metric_problems(study: Study, source: str, data: Data, scope: Scope) -> Iterable[str]:
    """Metrics that are not of the task, or that fail on outputs as a network might give them."""
    scoring = build_scoring(study)
    outputs = np.random.default_rng(0).normal(size=(len(data), data.outputs)).astype(np.float32)
    targets = data.targets.astype(np.int64) if data.task == "classification" else data.targets
    for name in scoring.names:
        try:
            metric = scoring.find(name)
            if data.task not in metric.tasks:
                tasks = " and ".join(metric.tasks)
                yield f"metrics: {name} is a metric of {tasks}, and {source} is a {data.task}"
                continue
            scoring.compute((name,), outputs, targets, data.task)
        except (StudyError, FitError) as error:
            yield f"metrics: {error}"
        except Exception as error:  # whatever the user's metric raises
            yield f"metrics: {name} failed: {describe_users_error(error, scope)}{_append_trace(error, scope)}"
