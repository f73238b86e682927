"""What an analysis needs of the test images: all labels, and the pictures that some condition gets wrong most often."""

import numpy as np

from tune_app.analysis.confusion import build_confused
from tune_app.data import Data
from tune_app.parts.splits import build_limit
from tune_app.records.results import Results, TestSet
from tune_app.study.seeds import build_seed


def build_test_set(results: Results, dataset: Data) -> TestSet | None:
    """The test images that the study's trials were tested on, in the order of their predictions.

    Pictures of several channels become grey by their mean. None where no classes of a test part are predicted.
    """
    study = results.study
    if dataset.task != "classification" or dataset.test is None or study.test == "none":
        return None
    positions = build_limit(dataset.test_part.targets, study.data.test_images, build_seed(study.seed, "limit"))
    labels = dataset.test_part.targets[positions]
    rows = np.unique(build_confused(results, labels)["image"].to_numpy(dtype=np.int64))
    if dataset.inputs.ndim != 4:  # there is nothing to look at
        return TestSet(labels, positions, np.empty((0, 1, 1), np.uint8), np.empty(0, np.int64))
    images = dataset.test_part.inputs[positions[rows]].mean(axis=1).round().astype(np.uint8)
    return TestSet(labels, positions, images, rows)
