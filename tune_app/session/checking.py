"""What users' parts do with two real samples, before anything starts. Importing this takes torch along."""

import inspect
import traceback
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import nn

from tune_app.data import Data
from tune_app.engine.randomness import GlobalRandomness, seed_everything
from tune_app.errors import TuneAppError
from tune_app.parts.networks import Network
from tune_app.parts.references import Scope, describe_refusal, describe_with_traceback
from tune_app.parts.scoring import build_scoring
from tune_app.parts.splitters import find_absent_classes
from tune_app.session.design_probes import find_idle_components
from tune_app.session.planning import Plan
from tune_app.session.recipe_probes import find_optimizer_problems, find_recipe_problems
from tune_app.study import Study, TrialSpec
from tune_app.trial.fold import build_network
from tune_app.trial.own_fit import is_estimator
from tune_app.trial.setup import TrialSetup

ORDER_TOLERANCE = 1e-4  # of outputs whose batch is turned round, in units of their largest
PROBED = 2  # samples


def find_part_problems(
    study: Study, specs: Iterable[TrialSpec], datasets: Mapping[str, Data], scope: Scope, *, has_all: bool = True
) -> list[str]:
    """A sentence for each thing that the study's own parts do wrong; nothing is written, no record is made.

    Each network is built once with its arguments, and shown two samples: the shape of its outputs, a finite first loss,
    outputs that depend on the order of a batch, an input that it changes. Metrics are tried on the first split. Designs
    are looked at where the study `has_all` that its user wrote.
    """
    problems = [p for name, data in datasets.items() for p in _find_metric_problems(study, name, data, scope)]
    problems += [
        f"data {name}: there is no test part; write test: none, and the held-out folds are scored"
        for name, data in datasets.items()
        if study.test == "auto" and data.test is None
    ]
    randomness = GlobalRandomness()
    seen: set[str] = set()
    for spec in specs:
        if not spec.definitions or (key := _spell_parts(spec)) in seen:
            continue
        seen.add(key)
        problems += _probe(spec, datasets[spec.dataset], scope)
    if has_all and not problems:  # whatever could not be built has been named
        problems += find_idle_components(study, datasets)
    randomness.restore()
    return list(dict.fromkeys(problems))


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


def _spell_parts(spec: TrialSpec) -> str:
    recipe = spec.recipe
    return f"{spec.dataset} {spec.model} {spec.arguments} {recipe.parts} {recipe.compile} {recipe.class_weights}"


def _probe(spec: TrialSpec, data: Data, scope: Scope) -> Iterator[str]:
    trial = None
    for split in (spec, split_plainly(spec, folds=2)):  # a network is probed even where the splits are refused
        try:
            trial = TrialSetup(split, data, torch.device("cpu"), root=scope.root)
            break
        except TuneAppError as error:
            yield describe_refusal(error, scope)
    if trial is None:
        return
    asked = trial.network
    samples = trial.find_train(trial.splits[0]).batch(torch.arange(min(PROBED, len(trial.train))))
    yield from (recipes := find_recipe_problems(trial, *samples, scope))
    place = f"define.{spec.model}" if spec.model in spec.definitions else spec.model
    called = f"{spec.model}({_spell_call(asked)})"
    try:
        seed_everything(0)
        built = asked.build()
        if inspect.isgeneratorfunction(built):
            return
        if not isinstance(built, nn.Module):
            if not is_estimator(built):
                kind = type(built).__name__
                needed = "a torch Module, or an object with fit and predict, is needed"
                yield f"{place}: {called} gave {kind}; {needed}; return one"
            return
        build_network(asked, scope.root)
        found = _find_network_problems(trial, built, *samples, with_loss=not recipes)
        if problems := [f"{place}: {called} {problem}" for problem in found]:
            yield from problems
            return
        yield from find_optimizer_problems(trial, *samples, scope)
    except TuneAppError as error:
        yield from (f"{place}: {line}" for line in str(error).splitlines())
    except Exception as error:  # whatever the user's code raises
        yield f"{place}: {called} failed{_spell_samples(error, trial)}: {describe_with_traceback(error, scope)}"


def split_plainly(spec: TrialSpec, folds: int) -> TrialSpec:
    """The trial on splits that any data can give."""
    plain = {"splitter": "kfold", "groups": None, "folds": folds, "train_images": None, "test": "none"}
    return spec.model_copy(update=plain)


def _spell_samples(error: Exception, trial: TrialSetup) -> str:
    """Where a network fails on samples, their shape: layers of torch name none that a user would know."""
    is_forward = any(frame.name == "_call_impl" for frame in traceback.extract_tb(error.__traceback__))
    if not is_forward:
        return ""
    return f" on {PROBED} samples of shape {trial.network.shape}, for outputs of {(PROBED, trial.network.outputs)}"


def _spell_call(asked: Network) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in asked.keywords.items())


def _find_network_problems(
    trial: TrialSetup, network: nn.Module, batch: torch.Tensor, targets: torch.Tensor, *, with_loss: bool
) -> Iterator[str]:
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
            remedy = f"end it with {shape[1]} numbers a sample, as outputs says"
            yield f"gave {tuple(outputs.shape)} for {len(batch)} samples; {shape} is needed; {remedy}"
            return
        if torch.isfinite(outputs).all() and (problem := _find_company_problem(network, before, outputs)):
            yield problem
    if not with_loss:
        return
    loss = trial.build_objective(trial.splits[0]).compute(outputs.float(), targets).item()
    if not np.isfinite(loss):
        yield f"has a first loss of {loss} on two samples of {trial.data.task}; check its outputs and the inputs"


def _find_company_problem(network: nn.Module, batch: torch.Tensor, outputs: torch.Tensor) -> str:
    """What is wrong if a sample's outputs depend on the order of its batch, or on the other samples in it."""

    def differ(one: torch.Tensor, other: torch.Tensor) -> bool:
        return (one - other).abs().max().item() > ORDER_TOLERANCE * max(1.0, one.abs().max().item())

    if differ(outputs, network(batch.clone())):
        return "gives the same samples other outputs each time in eval(); let random numbers depend on self.training"
    first = torch.zeros(len(batch), dtype=torch.int64)  # the first sample beside itself: a mean would be its own
    if differ(outputs, network(batch.flip(0)).flip(0)) or differ(outputs[:1], network(batch[first])[:1]):
        return (
            "gives a sample another output in eval() where the batch has another order or other samples; let samples "
            "not see each other: no statistics of the batch, nothing over dimension 0"
        )
    return ""


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
        except Exception as error:  # whatever the user's metric raises
            place = f"define.{name}" if name in study.define else "metrics"
            cause = error.__cause__ if isinstance(error, TuneAppError) else error
            if cause is None:
                yield f"{place}: {error}"
            else:
                yield f"{place}: {name} failed: {describe_with_traceback(cause, scope)}"
