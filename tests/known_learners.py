"""A study whose truth is known, run until it is decided: learners that are right as often as told."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from tests.own_study import OwnStudy

LEARNERS = """
import zlib

import numpy as np


def learner(skill: float = 0.5, *, task):
    \"\"\"Right about a sample with the probability `skill`, and with a little luck of its own.\"\"\"
    yield {"train_loss": 1.0}
    source = np.random.default_rng([task.seed, zlib.crc32(str(skill).encode())])
    luck = source.normal(0, 0.004)

    def predict(inputs):
        right = source.random(len(inputs)) < skill + luck
        truth = (inputs[:, 0] > 0).astype(int)
        return np.eye(2)[np.where(right, truth, 1 - truth)]

    return predict
"""
STOPS = """
    import os, shutil
    with open({path!r}, "a+") as fits:
        fits.write(".")
        fits.seek(0)
        if len(fits.read()) % 17 == 0:
            if os.path.exists({kept!r}):
                shutil.copy({kept!r}, {killed!r})
            raise KeyboardInterrupt
"""
LOAD = """
import numpy as np

from tune_app import Data


def load():
    targets = np.arange(400) % 2
    inputs = np.stack([targets * 2.0 - 1, np.arange(400) / 400], axis=1).astype(np.float32)
    part = Data(inputs, targets.astype(np.int64), ("no", "yes"), normalise="none")
    return Data(part.inputs, part.targets, part.classes, normalise="none", test=part)
"""


def claim(sentence: str, skill: float, **more: Any) -> dict[str, Any]:
    sides = {"levels": {"skill": skill}, "against": {"skill": 0.6}}
    return {"sentence": sentence, "expect": "higher", "by": 0.01, **sides, **more}


CLAIMS = [
    claim("Much is higher.", 0.9),
    claim("Something is higher.", 0.63),
    claim("A little is higher.", 0.61),
]
GRID = [{"model": "learner", "folds": 2, "skill": [0.6, 0.61, 0.63, 0.9]}]


def write(path: Path, inference: str = "these-images") -> OwnStudy:
    return OwnStudy(
        path,
        {"learners.py": LEARNERS, "load.py": LOAD},
        define={"learner": {"model": "learners:learner"}, "net": None, "share": None},
        test="auto",
        splitter="kfold",
        metrics={},
        data="cells",
        inference=inference,
        replicates=3,
        grid=GRID,
        claims=CLAIMS,
    )


def read_looks(study: OwnStudy) -> pd.DataFrame:
    return pd.read_csv(study.path / "results" / "own" / "looks.csv")


def read_state(study: OwnStudy) -> dict[str, Any]:
    """The looks without the time that they took."""
    content: dict[str, Any] = json.loads((study.path / "runs" / "own" / "looks.json").read_text())
    return {name: value for name, value in content.items() if name != "seconds"}
