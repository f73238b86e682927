"""What the parts of a recipe do with two real samples: the loss, the augmentation, the schedule, the optimizer."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from tune_app.engine.fit import Course
from tune_app.errors import TuneAppError
from tune_app.parts.references import Scope, describe_with_traceback
from tune_app.study import Recipe
from tune_app.trial.course import build_course
from tune_app.trial.fold import Fold
from tune_app.trial.setup import TrialSetup

STEPS = 100  # that a schedule is asked for the first and the last of
Probe = Callable[[TrialSetup, torch.Tensor, torch.Tensor], Iterator[str]]  # of a batch and its targets


def find_recipe_problems(trial: TrialSetup, batch: torch.Tensor, targets: torch.Tensor, scope: Scope) -> list[str]:
    """What is wrong with the loss, the augmentation and the schedule; no network has a part in it."""
    found: list[str] = []
    for kind, probe in (("loss", _probe_loss), ("augment", _probe_augment), ("schedule", _probe_schedule)):
        found += _probe_part(trial, kind, probe, batch, targets, scope)
    return found


def find_optimizer_problems(trial: TrialSetup, batch: torch.Tensor, targets: torch.Tensor, scope: Scope) -> list[str]:
    """What is wrong with the optimizer of a network that can be built."""
    return _probe_part(trial, "optimizer", _probe_optimizer, batch, targets, scope)


def _probe_part(
    trial: TrialSetup, kind: str, probe: Probe, batch: torch.Tensor, targets: torch.Tensor, scope: Scope
) -> list[str]:
    name = getattr(trial.spec.recipe, kind)
    place = f"define.{name}" if name in trial.spec.definitions else f"{kind} {name}"
    try:
        return [f"{place}: {problem}" for problem in probe(trial, batch.clone(), targets.clone())]
    except TuneAppError as error:
        return [f"{place}: {error}"]
    except Exception as error:  # whatever the user's code raises
        return [f"{place}: {name} failed: {describe_with_traceback(error, scope)}"]


def _probe_loss(trial: TrialSetup, batch: torch.Tensor, targets: torch.Tensor) -> Iterator[str]:
    outputs = torch.randn(len(batch), trial.network.outputs, generator=torch.Generator().manual_seed(0))
    loss = trial.build_objective(trial.splits[0]).compute(outputs, targets)
    if not isinstance(loss, torch.Tensor) or loss.dim() != 0:
        given = f"{tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else type(loss).__name__
        yield f"it gave {given}; the mean over the batch, a scalar tensor, is needed"


def _build_course(trial: TrialSetup, recipe: Recipe) -> Course:
    generator = torch.Generator(trial.device).manual_seed(0)
    objective = trial.build_objective(trial.splits[0])
    return build_course(recipe, trial.spec.definitions, trial.scoring, objective, generator, None)


def _probe_augment(trial: TrialSetup, batch: torch.Tensor, targets: torch.Tensor) -> Iterator[str]:
    course = _build_course(trial, trial.spec.recipe.model_copy(update={"schedule": "constant"}))
    if course.augment is None or course.generator is None:
        return
    augment, problems = course.augment, list[str]()

    def compare(
        inputs: torch.Tensor, given: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        changed, kept = augment(inputs.clone(), given.clone(), generator)
        if changed.shape != inputs.shape or changed.dtype != inputs.dtype or kept.shape != given.shape:
            problems.append(
                f"it made {tuple(changed.shape)} {changed.dtype} of {tuple(inputs.shape)} {inputs.dtype}; shape and "
                "type stay"
            )
        return inputs, given

    trial.find_train(trial.splits[0]).augmented_batch(torch.arange(len(targets)), compare, course.generator)
    yield from problems


def _probe_schedule(trial: TrialSetup, batch: torch.Tensor, targets: torch.Tensor) -> Iterator[str]:
    course = _build_course(trial, trial.spec.recipe.model_copy(update={"augment": "none"}))
    if course.factor is None:
        return
    for step in (0, STEPS - 1):
        factor = course.factor(step, STEPS, [])
        if not np.isfinite(factor) or factor < 0:
            yield f"it gave {factor} at step {step} of {STEPS}; 0 or more is needed"


def _probe_optimizer(trial: TrialSetup, batch: torch.Tensor, targets: torch.Tensor) -> Iterator[str]:
    fold = Fold(trial, trial.splits[0], "eager")
    fold.build()
    if not isinstance(fold.optimizer, torch.optim.Optimizer):
        yield f"it gave {type(fold.optimizer).__name__}; a torch.optim.Optimizer is needed"
