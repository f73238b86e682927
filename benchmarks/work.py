"""The work that every contestant does: the report's CNN with each regularizer, cross-validated on the same images."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Normalize, ToTensor

from tune_app.data import find_data_folder, load_dataset
from tune_app.engine import build_normalisation
from tune_app.engine.cost import build_network_cost
from tune_app.models import MODELS, REGULARIZERS
from tune_app.parts.networks import ask_network
from tune_app.parts.splits import Split, build_limit, build_splits
from tune_app.study.seeds import build_seed


@dataclass(frozen=True)
class Work:
    """How much to do; `images` must be a multiple of `folds`, so that every fold is of the same size."""

    images: int = 12_000
    test_images: int = 10_000
    epochs: int = 2
    folds: int = 4
    regularizers: tuple[str, ...] = REGULARIZERS
    batch_size: int = 100
    evaluation_batch_size: int = 500
    learning_rate: float = 0.001
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.images % self.folds:
            raise ValueError(f"{self.images} images do not divide into {self.folds} folds; choose a multiple of it")

    @property
    def fits(self) -> int:
        return self.folds * len(self.regularizers)

    @property
    def images_per_fit(self) -> int:
        """Training images that one fit goes through, each as often as there are epochs."""
        return self.images // self.folds * (self.folds - 1) * self.epochs

    @property
    def images_trained(self) -> int:
        return self.images_per_fit * self.fits

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class WorkData:
    """Positions in the 60,000 training and 10,000 test images of MNIST, and the normalisation of grey levels."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    splits: tuple[Split, ...]
    mean: float
    std: float


def read_work(arguments: list[str]) -> Work:
    """The work in a contestant's only argument."""
    content: dict[str, Any] = json.loads(arguments[0])
    return Work(**(content | {"regularizers": tuple(content["regularizers"])}))


def build_work_data(work: Work, train: MNIST, test: MNIST) -> WorkData:
    """What tune_app takes for the same study: limits, splits (as positions in all of MNIST) and constants."""
    labels, test_labels = (part.targets.numpy().astype(np.uint8) for part in (train, test))
    limit = build_limit(labels, work.images, build_seed(work.seed, "limit"))
    test_limit = build_limit(test_labels, work.test_images, build_seed(work.seed, "limit"))
    within = build_splits(labels[limit], work.folds, "kfold", build_seed(work.seed, "split"))
    splits = tuple(Split(split.fold, limit[split.train], limit[split.validation]) for split in within)
    normalisation = build_normalisation(train.data.numpy()[:, None], limit)
    return WorkData(limit, test_limit, splits, normalisation.mean[0], normalisation.std[0])


def read_mnist(work: Work) -> tuple[MNIST, MNIST, WorkData]:
    """torchvision's training and test set, each image transformed as it is read, and which of them the work takes."""
    folder = find_data_folder()
    if not (folder / "MNIST").is_dir():
        load_dataset("mnist")  # unpacks what ships
    train, test = (MNIST(str(folder), train=part, download=False) for part in (True, False))
    data = build_work_data(work, train, test)
    train.transform = test.transform = Compose([ToTensor(), Normalize(data.mean, data.std)])
    return train, test, data


def build_loaders(work: Work, mnist: tuple[MNIST, MNIST, WorkData], fold: int, **options: Any) -> list[DataLoader[Any]]:
    """Loaders of the fold's training and validation images and of the test images; `options` go to `DataLoader`."""
    train, test, data = mnist
    split = data.splits[fold]
    options["pin_memory"] = work.device == "cuda"
    return [
        DataLoader(Subset(train, split.train.tolist()), work.batch_size, shuffle=True, **options),
        DataLoader(Subset(train, split.validation.tolist()), work.evaluation_batch_size, **options),
        DataLoader(Subset(test, data.test.tolist()), work.evaluation_batch_size, **options),
    ]


def build_seeded_network(work: Work, regularizer: str, fold: int) -> nn.Module:
    """The report's CNN with the initial weights that tune_app draws for this fold."""
    torch.manual_seed(build_seed(work.seed, "weights", 0, fold))
    return MODELS["cnn"](regularizer=regularizer)


@dataclass(frozen=True)
class FlopCount:
    """Operations of one fit: in its epochs (training and validation), and with the test pass at its end."""

    epochs: int
    total: int


def count_flops(work: Work, regularizer: str) -> FlopCount:
    """The network's nominal operations; a backward pass counts as two forward ones, evaluation as one."""
    forward = build_network_cost(ask_network("cnn", (1, 28, 28), 10, regularizer=regularizer)).forward_flops
    epochs = forward * (3 * work.images_per_fit + work.images // work.folds * work.epochs)
    return FlopCount(epochs, epochs + forward * work.test_images)


def tell_outcome(run: Callable[[Work], list[dict[str, Any]]]) -> None:
    """Do the work given on the command line and print its outcome: a list with regularizer, fold and test_accuracy."""
    work = read_work(sys.argv[1:])
    print(json.dumps(run(work)), flush=True)
