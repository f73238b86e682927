"""The epoch loop of a PyTorch tutorial: what the report's loop and the Ray Tune contestant have in common."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from benchmarks.work import Work


def train_epochs(
    network: nn.Module, train: DataLoader[Any], validation: DataLoader[Any], work: Work
) -> Iterator[float]:
    """Train with Adam as torch gives it by default; yields the validation accuracy after each epoch."""
    optimizer = torch.optim.Adam(network.parameters(), lr=work.learning_rate)
    for _ in range(work.epochs):
        network.train()
        for images, labels in train:
            images, labels = images.to(work.device), labels.to(work.device)
            optimizer.zero_grad()
            loss = cross_entropy(network(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        yield evaluate(network, validation, work)


def evaluate(network: nn.Module, loader: DataLoader[Any], work: Work) -> float:
    """The share of the loader's images that the network gets right."""
    network.eval()
    correct = images_seen = 0
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(work.device), labels.to(work.device)
            correct += int((network(images).argmax(1) == labels).sum())
            images_seen += len(labels)
    return correct / images_seen
