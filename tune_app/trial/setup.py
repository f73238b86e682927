"""The set-up of one trial: what its folds share."""

from collections.abc import Sequence

import torch

from tune_app.data import Dataset
from tune_app.engine import Images, build_normalisation
from tune_app.engine.defects import normalise_test
from tune_app.engine.images import Normalisation
from tune_app.parts.fingerprints import build_fingerprints
from tune_app.parts.splits import build_limit, build_splits
from tune_app.study import TrialSpec
from tune_app.study.protocol import Protocol
from tune_app.study.seeds import build_seed
from tune_app.trial.carry import Keep


class TrialSetup:
    """What the folds of a trial share: its images on the device, its splits, the trials that share its training."""

    def __init__(
        self, spec: TrialSpec, data: Dataset, device: torch.device, also: Sequence[TrialSpec], keep: Keep | None
    ) -> None:
        self.spec, self.classes, self.device, self.keep = spec, data.classes, device, keep
        self.specs = (spec, *also)
        self.fingerprints = build_fingerprints(spec, data)
        labels = data.train_labels
        limit = build_limit(labels, spec.train_images, build_seed(spec.seed, "limit"))
        test_limit = build_limit(data.test_labels, spec.test_images, build_seed(spec.seed, "limit"))
        self.normalisation = build_normalisation(data.train_images, limit)
        self.train = Images(data.train_images, labels, limit, self.normalisation, device)
        test = data.test_images, data.test_labels, test_limit
        self._test_images = *test, device
        self._tests: dict[Normalisation, Images] = {}
        seed = build_seed(spec.seed, "split", spec.replicate)
        self.splits = build_splits(labels[limit], spec.folds, spec.splitter, seed)
        self.image_shape = (data.train_images.shape[1], data.train_images.shape[2], data.train_images.shape[3])

    def find_test(self, protocol: Protocol) -> Images:
        """The test images as the protocol normalises them, on the device; one copy for each normalisation."""
        normalisation = normalise_test(self.normalisation, protocol)
        if normalisation not in self._tests:
            images, labels, positions, device = self._test_images
            self._tests[normalisation] = Images(images, labels, positions, normalisation, device)
        return self._tests[normalisation]
