"""python -m benchmarks.own_network: a user's own network here, in a hand-written in-memory loop, and in skorch.

The same network, images, splits, epochs and batches for all three, in turn within one process on one thread; seconds
are those of a fold with its validation after each epoch. Writes own_network.csv (a row per run) and own_network.md.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.machine import build_machine, build_machine_lines
from benchmarks.measure import ROOT
from tune_app.data import Data, load_dataset
from tune_app.parts.splits import Split, build_splits
from tune_app.study.file import build_study
from tune_app.trial import run_trial

BATCH, RATE = 100, 0.001
Run = Callable[[Data, Split, int], float]  # data, split, epochs → the validation accuracy after the last epoch


class Net(nn.Module):
    """A small network with a `forward` of its own, as users write them."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.head = nn.Linear(16 * 7 * 7, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 28, 28) → (N, outputs)."""
        x = nn.functional.max_pool2d(torch.relu(self.first(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.second(x)), 2)
        return self.head(x.flatten(1))  # type: ignore[no-any-return]


def build_net(*, outputs: int = 10) -> nn.Module:
    """The factory that a study names."""
    return Net(outputs)


def run_ours(data: Data, split: Split, epochs: int) -> float:
    """The fold through this project's trial: records, splits and all."""
    content = {
        "name": "own",
        "define": {"net": {"model": f"{__spec__.name if __spec__ else 'benchmarks.own_network'}:build_net"}},
        "signatures": {"net": {"filled": ["outputs"]}},
        "data": {"name": "mnist", "train_images": len(split.train) + len(split.validation)},
        "recipe": {"epochs": epochs, "batch_size": BATCH, "learning_rate": RATE, "engine": "eager"},
        "test": "none",
        "grid": [{"model": "net", "folds": 4}],
    }
    spec = build_study(content).grid_trials()[0].spec
    *_, record = run_trial(spec, data, folds=[split.fold], device=torch.device("cpu"), threads=1)
    return float(record.scores["test_accuracy"])


def run_by_hand(data: Data, split: Split, epochs: int) -> float:
    """A loop over tensors held in memory, as one would write it for speed."""
    torch.manual_seed(0)
    network = build_net()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    images = torch.from_numpy(data.inputs).float().div_(255)
    images.sub_(images[split.train].mean()).div_(images[split.train].std())
    labels = torch.from_numpy(data.targets.astype(np.int64))
    train, validation = torch.from_numpy(split.train), torch.from_numpy(split.validation)
    accuracy = 0.0
    for _ in range(epochs):
        network.train()
        for batch in torch.split(train[torch.randperm(len(train))], BATCH):
            optimizer.zero_grad()
            cross_entropy(network(images[batch]), labels[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        network.eval()
        with torch.no_grad():
            hits = sum((network(images[b]).argmax(1) == labels[b]).sum().item() for b in torch.split(validation, 500))
        accuracy = hits / len(validation)
    return accuracy


def run_skorch(data: Data, split: Split, epochs: int) -> float:
    """skorch's classifier, which validates on the fold after each epoch."""
    from skorch import NeuralNetClassifier
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    images = data.inputs.astype(np.float32) / 255
    images = (images - images[split.train].mean()) / images[split.train].std()
    labels = data.targets.astype(np.int64)
    held_out = Dataset(images[split.validation], labels[split.validation])
    classifier = NeuralNetClassifier(
        Net,
        module__outputs=10,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=RATE,
        batch_size=BATCH,
        max_epochs=epochs,
        iterator_valid__batch_size=500,
        train_split=predefined_split(held_out),
        verbose=0,
    )
    classifier.fit(images[split.train], labels[split.train])
    return float(classifier.score(images[split.validation], labels[split.validation]))


RUNS: dict[str, Run] = {"tune_app": run_ours, "by hand": run_by_hand, "skorch": run_skorch}


def main() -> None:
    """Run all three in turn and write what they took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_network", description=__doc__)
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="skorch")
    whole = load_dataset("mnist")
    data = Data(whole.inputs[: options.images], whole.targets[: options.images], whole.classes, normalise="fold")
    splits = build_splits(data.targets, 4, "kfold", 0)
    rows = []
    for repeat in range(-1, options.repeats):  # the first round warms everything up
        for name, run in RUNS.items():
            started = time.perf_counter()
            accuracy = run(data, splits[repeat % 4], options.epochs)
            seconds = time.perf_counter() - started
            if repeat >= 0:
                rows.append({"contestant": name, "repeat": repeat, "seconds": seconds, "accuracy": accuracy})
    runs = pd.DataFrame(rows)
    runs.to_csv(options.out / "own_network.csv", index=False)
    (options.out / "own_network.md").write_text(build_summary(runs, options), encoding="utf-8")
    print((options.out / "own_network.md").read_text(encoding="utf-8"))


def build_summary(runs: pd.DataFrame, options: argparse.Namespace) -> str:
    """Medians with the least and the greatest, as Markdown."""
    lines = [
        "# A user's own network: one fold of MNIST on one thread",
        "",
        f"{options.images:,} images, 4 folds, {options.epochs} epochs, batches of {BATCH}; {options.repeats} runs of "
        "each, in turn.",
        "",
        *build_machine_lines(build_machine("benchmarks.own_network")),
        "",
        "| contestant | seconds: median (least to greatest) | validation accuracy: median |",
        "| --- | --- | --- |",
    ]
    for name, group in runs.groupby("contestant", sort=False):
        seconds = group["seconds"]
        spread = f"{seconds.median():.2f} ({seconds.min():.2f} to {seconds.max():.2f})"
        lines.append(f"| {name} | {spread} | {group['accuracy'].median():.4f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
