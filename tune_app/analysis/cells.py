"""What each fit scores on each test image, read from its recorded predictions."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tune_app.analysis.crossed import Cells
from tune_app.records import unpack_labels
from tune_app.records.results import Results, build_pseudo_key
from tune_app.study import Metric, TrialSpec

Counts = NDArray[np.float64]  # (true class, predicted class)


def find_cells(results: Results, specs: Sequence[TrialSpec], metric: Metric) -> Cells | None:
    """The scores (fit, image) whose mean over images is the metric, replicate by replicate; of joined folds the last.

    For accuracy 1 where the label is right. For other metrics they are jackknife pseudo-values, which average to the
    metric but for its bias: of each image, or where the metric needs more than labels of each block of images. None
    where predictions, labels of the test images or pseudo-values are not there.
    """
    if metric not in LABEL_METRICS:
        return _find_blocks(results, specs, metric)
    if results.test is None:
        return None
    labels = np.asarray(results.test.labels, dtype=np.int64)
    rows = []
    for spec in specs:
        for fold in range(spec.folds)[-1:] if spec.has_dependent_folds else range(spec.folds):
            record = results.records.folds.get((spec.id, fold))
            if record is None or record.predictions is None:
                return None
            row = _build_row(record.predictions, labels.tobytes(), metric)
            if row is None:
                return None
            rows.append(row)
    return np.stack(rows)


def _find_blocks(results: Results, specs: Sequence[TrialSpec], metric: Metric) -> Cells | None:
    """The recorded pseudo-values (fit, block of images)."""
    pseudo, rows = results.pseudo or {}, []
    for spec in specs:
        for fold in range(spec.folds)[-1:] if spec.has_dependent_folds else range(spec.folds):
            record = results.records.folds.get((spec.id, fold))
            if record is None or (row := pseudo.get(build_pseudo_key(record, metric))) is None:
                return None
            rows.append(row.astype(np.float64))
    return np.stack(rows) if len({len(row) for row in rows}) == 1 else None


@lru_cache(maxsize=256)  # a baseline is compared with every other condition
def _build_row(packed: str, labels: bytes, metric: Metric) -> Cells | None:
    true, predicted = np.frombuffer(labels, dtype=np.int64), unpack_labels(packed).astype(np.int64)
    if len(true) != len(predicted):
        return None
    if metric == "test_accuracy":
        right: Cells = (true == predicted).astype(np.float64)
        return right
    return build_pseudo_values(true, predicted, LABEL_METRICS[metric])


def build_pseudo_values(true: NDArray[Any], predicted: NDArray[Any], compute: Callable[[Counts], float]) -> Cells:
    """Jackknife pseudo-values (image,) of a metric of the confusion matrix: n·θ − (n − 1)·θ without the image.

    All images of one true and one predicted class have the same.
    """
    classes = 1 + int(max(true.max(), predicted.max()))
    counts = np.zeros((classes, classes))
    np.add.at(counts, (true, predicted), 1)
    images, whole = len(true), compute(counts)
    values = np.zeros_like(counts)
    for cell in np.argwhere(counts):
        fewer = counts.copy()
        fewer[tuple(cell)] -= 1
        values[tuple(cell)] = images * whole - (images - 1) * compute(fewer)
    pseudo: Cells = values[true, predicted]
    return pseudo


def compute_macro_f1(counts: Counts) -> float:
    """The mean over classes of F1, of the classes that are there or named; 0 for one that is never right."""
    right, sizes = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean(2 * right[sizes > 0] / sizes[sizes > 0]))


def compute_balanced_accuracy(counts: Counts) -> float:
    """The mean over classes of the share of their images that are named rightly."""
    sizes = counts.sum(axis=1)
    return float(np.mean(np.diag(counts)[sizes > 0] / sizes[sizes > 0]))


def compute_mcc(counts: Counts) -> float:
    """Matthews's correlation of true and predicted classes (Gorodkin 2004); 0 where one of them is constant."""
    n, right = counts.sum(), np.trace(counts)
    true, predicted = counts.sum(axis=1), counts.sum(axis=0)
    spread = float((n**2 - true @ true) * (n**2 - predicted @ predicted))
    return float((right * n - true @ predicted) / spread**0.5) if spread > 0 else 0.0


def compute_kappa(counts: Counts) -> float:
    """Cohen's kappa, 0 where chance alone agrees wholly."""
    n = counts.sum()
    chance = float(counts.sum(axis=1) @ counts.sum(axis=0) / n**2)
    return float((np.trace(counts) / n - chance) / (1 - chance)) if chance < 1 else 0.0


def _compute_accuracy(counts: Counts) -> float:
    return float(np.trace(counts) / counts.sum())


LABEL_METRICS: dict[Metric, Callable[[Counts], float]] = {
    "test_accuracy": _compute_accuracy,
    "test_macro_f1": compute_macro_f1,
    "test_balanced_accuracy": compute_balanced_accuracy,
    "test_mcc": compute_mcc,
    "test_kappa": compute_kappa,
}
