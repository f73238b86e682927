"""The set-up of one trial: what its folds share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tune_app.data import Data
from tune_app.engine import Images, build_normalisation
from tune_app.engine.defects import normalise_test
from tune_app.engine.images import Normalisation, build_identity
from tune_app.engine.objective import Objective
from tune_app.errors import StudyError
from tune_app.parts.catalog import build_part
from tune_app.parts.fingerprints import build_fingerprints, fingerprint_metrics
from tune_app.parts.losses import compute_class_weights
from tune_app.parts.networks import choose_network
from tune_app.parts.scoring import Scoring
from tune_app.parts.sources import describe_data
from tune_app.parts.splits import Split, build_limit
from tune_app.parts.splitters import Positions
from tune_app.parts.trial_splits import build_trial_splits
from tune_app.study import Recipe, TrialSpec
from tune_app.study.protocol import Protocol
from tune_app.study.seeds import build_seed
from tune_app.trial.carry import Keep
from tune_app.trial.checkpoint import Checkpointer
from tune_app.trial.outputs import KeepOutputs

ACCURACY = Scoring()


class TrialSetup:
    """What the folds of a trial share: its samples on the device, its splits, the trials that share its training.

    `known` are fingerprints of the code where the study was started.
    """

    def __init__(
        self,
        spec: TrialSpec,
        data: Data,
        device: torch.device,
        also: Sequence[TrialSpec] = (),
        keep: Keep | None = None,
        keep_outputs: KeepOutputs | None = None,
        scoring: Scoring = ACCURACY,
        root: Path | None = None,
        known: Mapping[str, str] | None = None,
        data_on_host: bool = False,
        checkpointer: Checkpointer | None = None,
    ) -> None:
        self.spec, self.data, self.device, self.keep, self.keep_outputs = spec, data, device, keep, keep_outputs
        self.scoring, self.root, self.checkpointer = scoring, root, checkpointer
        self.specs = (spec, *also)
        self.fingerprints = build_fingerprints(spec, data, root, known) | fingerprint_metrics(scoring.definitions, root)
        self.positions = build_limit(data.targets, spec.train_images, build_seed(spec.seed, "limit"))
        self.way = spec.normalise or data.normalise
        self.normalisation = self._normalise(self.positions)
        how: dict[str, Any] = {"classes": data.task == "classification", "on_host": data_on_host}
        self.train = Images(data.inputs, data.targets, self.positions, self.normalisation, device, **how)
        self._test: Images | None = None
        if spec.test == "auto" and data.test is not None:
            limit = build_limit(data.test.targets, spec.test_images, build_seed(spec.seed, "limit"))
            tested = data.test.inputs, data.test.targets, limit
            self._test = Images(*tested, self.normalisation, device, **how)
        self.splits = build_trial_splits(spec, data, self.positions)
        self.network = choose_network(spec, describe_data(data))

    @property
    def has_own_normalisation(self) -> bool:
        """Whether each fold has constants of its own."""
        return self.way == "fold"

    @property
    def has_test_part(self) -> bool:
        """Whether the scores are those of a test part, and not of the held-out folds."""
        return self._test is not None

    def find_stacking_obstacle(self) -> str:
        """Why the folds cannot share a step, empty if nothing that the recipe names stands in the way."""
        recipe, plain = self.spec.recipe, Recipe()
        if self.has_own_normalisation:
            return "each fold has its own normalisation"
        if self.data.task != "classification":
            return f"the task is a {self.data.task}"
        names = ("loss", "class_weights", "schedule", "augment", "clip_norm", "last_batch", "patience", "compile")
        named = [name for name in names if getattr(recipe, name) != getattr(plain, name)]
        if recipe.optimizer in self.spec.definitions:
            named.append("optimizer")
        if named:
            return f"its recipe names {', '.join(named)}"
        return "" if self.scoring.choose_primary(self.data.task) == "accuracy" else "its primary metric is not accuracy"

    def _normalise(self, positions: Positions) -> Normalisation:
        if isinstance(self.way, tuple):
            mean, std = (tuple(map(float, np.atleast_1d(constants))) for constants in self.way)
            return Normalisation(mean, std)
        if self.way == "none":
            return build_identity(self.data.inputs, self.data.categorical)
        return build_normalisation(self.data.inputs, positions, self.data.categorical)

    def find_train(self, split: Split) -> Images:
        """The samples of the cross-validation as the fold prepares them."""
        if not self.has_own_normalisation:
            return self.train
        return self.train.renormalised(self._normalise(self.positions[split.train]))

    def find_test(self, protocol: Protocol, normalisation: Normalisation) -> Images | None:
        """The test part as the protocol normalises it, None if there is none."""
        return self._test.renormalised(normalise_test(normalisation, protocol)) if self._test else None

    def build_objective(self, split: Split) -> Objective:
        """What the fold is trained for; class weights come from its training part."""
        recipe, task = self.spec.recipe, self.data.task
        name = recipe.loss
        if name == "auto" and recipe.class_weights == "none":
            return Objective(task)
        weights = None
        if recipe.class_weights == "balanced":
            if task == "regression":
                raise StudyError("class_weights: balanced needs classes; leave it out for a regression")
            targets = self.data.targets[self.positions[split.train]]
            found = compute_class_weights(targets, len(self.data.classes), task)
            weights = torch.as_tensor(found, dtype=torch.float32, device=self.device)
        if name == "auto":
            name = {"classification": "cross_entropy", "multilabel": "binary_cross_entropy", "regression": "mse"}[task]
        loss = build_part("loss", name, self.spec.definitions, class_weights=weights, task=task)
        return Objective(task, loss)
