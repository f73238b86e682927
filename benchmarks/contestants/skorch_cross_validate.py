"""scikit-learn's `cross_validate` over a skorch classifier, its folds spread over all cores.

`cross_validate` scores once, after a fit. So that the fold's validation images are scored after every epoch too, they
travel at the tail of its training set, and skorch's `train_split` takes them off there; what `cross_validate` scores
are the test images.
"""

from typing import Any

import numpy as np
import torch
from sklearn.model_selection import cross_validate
from skorch import NeuralNetClassifier
from torch.utils.data import Dataset, Subset

from benchmarks.work import Work, read_mnist, tell_outcome
from tune_app.models import MODELS
from tune_app.session.environment import count_cpus


class ValidationTail:
    """A `train_split` that validates on the last `images` of what it is given."""

    def __init__(self, images: int) -> None:
        self.images = images

    def __call__(self, dataset: Dataset[Any], y: Any = None, **fit_params: Any) -> tuple[Subset[Any], Subset[Any]]:
        total = len(dataset)  # type: ignore[arg-type]
        return Subset(dataset, range(total - self.images)), Subset(dataset, range(total - self.images, total))


def run(work: Work) -> list[dict[str, Any]]:
    """One call of `cross_validate` for each regularizer, on images normalised once and held as float32."""
    train, test, data = read_mnist(work)
    pixels = torch.cat([train.data, test.data]).numpy()[:, None]
    labels = torch.cat([train.targets, test.targets]).numpy()
    taken = np.concatenate([data.train, len(train) + data.test])
    x = (pixels[taken].astype(np.float32) / 255 - np.float32(data.mean)) / np.float32(data.std)
    y = labels[taken]
    tested = np.arange(work.images, len(taken))
    folds = [
        (np.searchsorted(data.train, np.concatenate([split.train, split.validation])), tested) for split in data.splits
    ]
    scores = []
    for regularizer in work.regularizers:
        network = NeuralNetClassifier(
            MODELS["cnn"],
            module__regularizer=regularizer,
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=work.learning_rate,
            max_epochs=work.epochs,
            batch_size=work.batch_size,
            iterator_train__shuffle=True,
            iterator_valid__batch_size=work.evaluation_batch_size,
            train_split=ValidationTail(work.images // work.folds),
            device=work.device,
            verbose=0,
        )
        cores = count_cpus()
        result = cross_validate(network, x, y, cv=folds, scoring="accuracy", n_jobs=cores, error_score="raise")
        scores += [
            {"regularizer": regularizer, "fold": fold, "test_accuracy": float(accuracy)}
            for fold, accuracy in enumerate(result["test_score"])
        ]
    return scores


if __name__ == "__main__":
    # joblib's workers import this file by its name; as `__main__` they could not find ValidationTail.
    from benchmarks.contestants.skorch_cross_validate import run as run_importable

    tell_outcome(run_importable)
