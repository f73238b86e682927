"""A user's folder with one part of every kind, and studies that use them."""

from pathlib import Path
from typing import Any

import yaml

NETS = """
from typing import Annotated, Literal

from pydantic import Field
from torch import nn


def build_net(
    width: Annotated[int, Field(gt=0, le=64)] = 8,
    norm: Literal["none", "batch"] = "none",
    *,
    inputs: tuple[int, ...],
    outputs: int,
) -> nn.Module:
    (features,) = inputs
    layers = [nn.Linear(features, width)]
    if norm == "batch":
        layers.append(nn.BatchNorm1d(width))
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(width, outputs))
"""
LOAD = """
import numpy as np
from sklearn.datasets import load_breast_cancer

import tune_app


def load(samples: int = 200) -> tune_app.Data:
    found = load_breast_cancer()
    patients = np.arange(samples) // 4
    return tune_app.Data(
        inputs=found.data[:samples].astype(np.float32),
        targets=found.target[:samples].astype(np.int64),
        classes=("malignant", "benign"),
        groups={"patient": patients},
    )
"""
PARTS = '''
import numpy as np
import torch
from torch.nn.functional import cross_entropy


def jitter(size: float = 0.1):
    def augment(inputs, targets, generator):
        return inputs + size * torch.randn(inputs.shape, generator=generator), targets

    return augment


def plain_descent(parameters, *, learning_rate):
    return torch.optim.SGD(parameters, lr=learning_rate)


def halving(step, steps, *, epochs):
    return 0.5 ** (step * epochs // steps)


def softened(amount: float = 0.1):
    def loss(outputs, targets):
        return cross_entropy(outputs, targets, label_smoothing=amount)

    return loss


def missed(targets, labels, *, weight: float = 1.0) -> float:
    """How many malignant samples are called benign, weighted, per sample."""
    return float(weight * np.mean((targets == 0) & (labels == 1)))


def every_other(data, folds, seed):
    positions = np.random.default_rng(seed).permutation(len(data))
    for fold in range(folds):
        yield np.sort(positions[np.arange(len(data)) % folds != fold]), np.sort(positions[fold::folds])
'''
BASELINES = '''
import numpy as np
from sklearn.ensemble import RandomForestClassifier


def forest(trees: int = 10):
    return RandomForestClassifier(trees)


def nearest_mean(task, scale: float = 1.0):
    """A fit of its own: the nearest class mean, in one epoch."""
    means = np.stack([task.train.inputs[task.train.targets == k].mean(axis=0) for k in range(task.outputs)])
    yield {"train_loss": 0.0}

    def predict(inputs):
        return -scale * ((inputs[:, None] - means[None]) ** 2).sum(axis=2)

    return predict
'''


def write_parts(folder: Path, **changes: str) -> None:
    """The user's modules beside the study; `changes` are other contents, by module."""
    contents = {"nets": NETS, "load": LOAD, "parts": PARTS, "baselines": BASELINES} | changes
    for name, content in contents.items():
        (folder / f"{name}.py").write_text(content)


def own_content(**changes: Any) -> dict[str, Any]:
    """A study with one part of every kind: 3 conditions of 3 folds on 200 samples of breast_cancer, 2 epochs."""
    content: dict[str, Any] = {
        "name": "own",
        "define": {
            "tumours": {"data": "load:load"},
            "net": {"model": "nets:build_net"},
            "forest": {"model": "baselines:forest"},
            "means": {"model": "baselines:nearest_mean"},
            "jitter": {"augment": "parts:jitter", "size": 0.05},
            "descent": {"optimizer": "parts:plain_descent"},
            "halving": {"schedule": "parts:halving"},
            "softened": {"loss": "parts:softened", "amount": 0.05},
            "missed": {"metric": "parts:missed", "better": "lower", "unit": "share", "needs": "labels", "weight": 2.0},
            "every-other": {"splitter": "parts:every_other"},
        },
        "data": "tumours",
        "splitter": "every-other",
        "test": "none",
        "metrics": {"primary": "macro_f1", "also": ["missed"]},
        "recipe": {
            "epochs": 2,
            "batch_size": 32,
            "optimizer": "descent",
            "learning_rate": 0.1,
            "loss": "softened",
            "schedule": "halving",
            "augment": "jitter",
        },
        "grid": [{"model": "net", "folds": 3, "norm": ["none", "batch"]}, {"model": ["forest", "means"], "folds": 3}],
    }
    return content | changes


def write_own_study(folder: Path, **changes: Any) -> Path:
    """The study beside its modules; its path."""
    write_parts(folder)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(own_content(**changes), sort_keys=False))
    return path
