"""The parts of a recipe that act while a network is trained: schedule, augmentation, scores, early stopping."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from tune_app.engine import Images
from tune_app.engine.fit import Course, build_optimizer, predict
from tune_app.engine.objective import Objective
from tune_app.parts.catalog import build_part, locate
from tune_app.parts.scoring import Scoring
from tune_app.parts.signatures import bind_part
from tune_app.study import Recipe
from tune_app.study.define import Definition
from tune_app.trial.outputs import round_outputs

ENGINES_OWN = ("adam", "adamw", "sgd")  # optimizers that the engine builds by itself where they have no arguments


def build_fold_optimizer(
    network: nn.Module, recipe: Recipe, definitions: Mapping[str, Definition]
) -> torch.optim.Optimizer:
    """The recipe's optimizer of the network's weights."""
    if recipe.optimizer in ENGINES_OWN and recipe.optimizer not in definitions:
        return build_optimizer(network, recipe)
    optimizer: torch.optim.Optimizer = build_part(
        "optimizer",
        recipe.optimizer,
        definitions,
        parameters=list(network.parameters()),
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
    )
    return optimizer


class EarlyStop:
    """Ends a fit once the holdout's score has not improved for `patience` epochs, and puts the best weights back.

    The holdout is carved from the training part: the validation fold has no say. `best_epoch` is the first one with the
    best score, 0 where there is none yet: weights are then left as they are.
    """

    def __init__(self, images: Images, holdout: torch.Tensor, recipe: Recipe, objective: Objective, scoring: Scoring):
        self.images, self.holdout, self.recipe, self.objective, self.scoring = (
            images,
            holdout,
            recipe,
            objective,
            scoring,
        )
        self.best_epoch, self._best = 0, -np.inf
        self._state: dict[str, torch.Tensor] = {}

    def watch(self, network: nn.Module, epoch: int) -> tuple[Mapping[str, float], bool]:
        """The holdout's scores after an epoch, and whether the fit ends."""
        order = self.images, self.holdout, self.recipe.precision, None, self.objective
        loss, outputs = predict(network, *order)
        scores = {"holdout_loss": loss}
        merit = -loss
        if self.recipe.stop_metric != "loss":
            name = self.recipe.stop_metric
            targets = self.images.labels[self.holdout].cpu().numpy()
            recorded = round_outputs(outputs.float().cpu().numpy(), self.objective.task)
            scores |= {
                f"holdout_{key}": value
                for key, value in self.scoring.compute((name,), recorded, targets, self.objective.task).items()
            }
            value = scores.get(f"holdout_{name}", float("nan"))
            merit = self.scoring.find(name).sign * value
        if merit > self._best:
            self._best, self.best_epoch = merit, epoch
            self._state = copy.deepcopy(network.state_dict())
        ends = epoch - self.best_epoch >= self.recipe.patience or epoch == self.recipe.epochs
        return scores, ends

    def state(self) -> dict[str, Any]:
        """The best epoch so far, its merit and its weights."""
        return {"best_epoch": self.best_epoch, "best": float(self._best), "weights": self._state}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the weights are put on the samples' device."""
        self.best_epoch, self._best = state["best_epoch"], state["best"]
        self._state = {name: tensor.to(self.images.device) for name, tensor in state["weights"].items()}

    def settle(self, network: nn.Module) -> None:
        """Put the best weights back."""
        if self._state:
            network.load_state_dict(self._state)


def build_course(
    recipe: Recipe,
    definitions: Mapping[str, Definition],
    scoring: Scoring,
    objective: Objective,
    generator: torch.Generator,
    stop: EarlyStop | None,
) -> Course:
    """What the recipe's parts do in a fit; nothing is built for a recipe that names none."""
    factor = None
    if recipe.schedule != "constant":
        definition = definitions.get(recipe.schedule)
        function = locate("schedule", definition.reference if definition else recipe.schedule)
        told = dict(definition.arguments) if definition else {}

        def factor(step: int, steps: int, losses: list[float]) -> float:
            filled = {"step": step, "steps": steps, "epochs": recipe.epochs, "losses": losses}
            return float(function(**bind_part(function, "schedule", told, filled)))

    augment = None if recipe.augment == "none" else build_part("augment", recipe.augment, definitions)
    primary = scoring.choose_primary(objective.task)

    def validate(outputs: torch.Tensor, targets: torch.Tensor) -> Mapping[str, float]:
        recorded = round_outputs(outputs.float().cpu().numpy(), objective.task)
        found = scoring.compute((primary,), recorded, targets.cpu().numpy(), objective.task)
        return {f"validation_{name}": value for name, value in found.items()}

    return Course(
        factor=factor,
        augment=augment,
        generator=generator,
        validate=None if primary == "accuracy" else validate,
        watch=stop.watch if stop else None,
        settle=stop.settle if stop else None,
    )
