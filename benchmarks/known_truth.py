"""python -m benchmarks.known_truth [--studies 200] [--seed 0] [--jobs 2] [--ways …]: studies whose truth is known.

Each study is a folder as a user has it, with a study file, networks and data of its own, run by `python -m
tune_app.grid`; the verdicts are read from its claims.csv. A network is one linear score that is drawn by its fit's seed
and never learns, and samples are normal about ±SHIFT on the first of their features. So the expected share of right
answers on new samples by new networks is an integral over the seeds alone, and every study draws other samples.

Claims are about the default estimand, new images. Two lie at the edge of what they allow, so that any verdict on them
is wrong; the other three are clearly right or wrong. Two ways: three replicates as planned, and `--until-decided`.
Prints a Markdown table.
"""

import argparse
import csv
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import yaml
from scipy import stats

from benchmarks.measure import ROOT

FEATURES, SHIFT, SPREAD = 12, 1.3, 0.1  # SPREAD: of a network's weights, by its seed
TRAINED, TESTED = 80, 400
DRAWS = 1_000_000
EQUAL, FAR = 0.3, 0.9  # how far networks lean to a feature that tells nothing
NETS = f'''
import torch
from torch import nn


class Learner(nn.Module):
    """A linear score that leans to one feature which tells nothing; scale alone is trained, and changes no answer."""

    def __init__(self, axis, lean):
        super().__init__()
        weights = {SPREAD} * torch.randn({FEATURES})
        weights[0] += 1
        weights[axis] += lean
        self.register_buffer("weights", weights)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        score = self.scale * (x @ self.weights)
        return torch.stack((-score, score), dim=1)


def build_learner(axis: int, lean: float, *, inputs, outputs):
    return Learner(axis, lean)
'''
LOAD = f"""
import numpy as np

from tune_app import Data


def load(seed: int):
    source = np.random.default_rng(seed)

    def draw(count):
        targets = source.integers(0, 2, count)
        inputs = source.normal(size=(count, {FEATURES})).astype(np.float32)
        inputs[:, 0] += np.where(targets == 1, {SHIFT}, -{SHIFT})
        return inputs, targets

    test = Data(*draw({TESTED}), ("a", "b"))
    return Data(*draw({TRAINED}), ("a", "b"), normalise="none", test=test)
"""
WAYS = {"three replicates": (), "until decided": ("--until-decided", "--max-replicates", "8")}


@cache
def compute_accuracy(lean: float) -> float:
    """The expected share of right answers of a network with this lean, over seeds and samples; good to 0.0001."""
    source = np.random.default_rng(0)
    weights = SPREAD * source.normal(size=(DRAWS, FEATURES))
    weights[:, 0] += 1
    weights[:, 1] += lean
    return float(stats.norm.cdf(SHIFT * weights[:, 0] / np.linalg.norm(weights, axis=1)).mean())


@dataclass(frozen=True)
class Stated:
    """A claim of the study file, and the verdict that is right; none at the edge."""

    sentence: str
    model: str
    asks: dict[str, object]
    right: str


def list_claims() -> list[Stated]:
    """The claims about differences to the network `first`."""
    loss = compute_accuracy(EQUAL) - compute_accuracy(FAR)
    return [
        Stated("The twin is better by nothing at all.", "twin", {"expect": "higher", "by": 0.0}, ""),
        Stated("The other is equal, at the edge of what that allows.", "far", {"expect": "equal", "by": loss}, ""),
        Stated("The twin is equal within five points.", "twin", {"expect": "equal", "by": 0.05}, "supported"),
        Stated("The other is worse.", "far", {"expect": "lower", "by": 0.0}, "supported"),
        Stated("The other is better.", "far", {"expect": "higher", "by": 0.0}, "refuted"),
    ]


def write_study(folder: Path, seed: int, replicates: int) -> None:
    """The study's files, as a user has them."""
    names = {"first": (1, EQUAL), "twin": (2, EQUAL), "far": (3, FAR)}
    define: dict[str, object] = {"samples": {"data": "load:load", "seed": seed}}
    define |= {
        name: {"model": "nets:build_learner", "axis": axis, "lean": lean} for name, (axis, lean) in names.items()
    }
    against = {"model": "first"}
    claims = [
        {"sentence": claim.sentence, "metric": "test_accuracy", "levels": {"model": claim.model}, "against": against}
        | claim.asks
        for claim in list_claims()
    ]
    study = {"name": "known", "seed": seed, "define": define, "data": "samples", "replicates": replicates}
    study |= {"recipe": {"epochs": 1, "batch_size": 80, "optimizer": "sgd"}, "baseline": {"model": "first"}}
    study |= {"grid": [{"model": list(names), "folds": 4}], "claims": claims}
    for name, text in {"nets.py": NETS, "load.py": LOAD, "study.yaml": yaml.safe_dump(study)}.items():
        (folder / name).write_text(text, encoding="utf-8")


def run_study(seed: int, way: str) -> list[str]:
    """The verdicts on the claims."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_study(folder, seed, 3 if way == "three replicates" else 1)
        command = [sys.executable, "-m", "tune_app.grid", "study.yaml", "--executor", "inline", "--device", "cpu"]
        paths = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        found = subprocess.run(
            [*command, *WAYS[way]], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if found.returncode:
            raise RuntimeError(f"study {seed}, {way}: exit code {found.returncode}\n{found.stdout}{found.stderr}")
        with (folder / "results" / "known" / "claims.csv").open(encoding="utf-8", newline="") as file:
            return [row["verdict"] for row in csv.DictReader(file)]


def summarise(verdicts: Sequence[Sequence[str]], way: str) -> str:
    """The row of the table."""
    claims = list_claims()
    wrong = [any(v not in ("undecided", c.right) for v, c in zip(each, claims, strict=True)) for each in verdicts]
    shares = [np.mean([each[i] == claim.right for each in verdicts]) for i, claim in enumerate(claims) if claim.right]
    low, high = stats.binomtest(sum(wrong), len(wrong)).proportion_ci(method="wilson")
    error = f"{sum(wrong)} of {len(wrong)} ({100 * np.mean(wrong):.1f}%, {100 * low:.1f} to {100 * high:.1f}%)"
    return f"| {' | '.join([way, error, *(f'{100 * share:.1f}%' for share in shares)])} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Whole studies whose truth is known.")
    parser.add_argument("--studies", type=int, default=200, help="of each way")
    parser.add_argument("--seed", type=int, default=0, help="of the first study; the others count on")
    parser.add_argument("--jobs", type=int, default=2, help="studies at a time")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS], help="as the table's rows; default both")
    options = parser.parse_args()
    begun = time.perf_counter()
    titles = [claim.sentence for claim in list_claims() if claim.right]
    print(f"| way | studies with a wrong verdict | {' | '.join(titles)} |")
    print(f"| --- | ---: | {' | '.join(['---:'] * len(titles))} |")
    for way in options.ways:
        with ThreadPoolExecutor(options.jobs) as pool:
            seeds = range(options.seed, options.seed + options.studies)
            verdicts = list(pool.map(partial(run_study, way=way), seeds))
        print(summarise(verdicts, way), flush=True)
    seconds = time.perf_counter() - begun
    given = ["--studies", str(options.studies), "--seed", str(options.seed), "--ways", *options.ways]
    command = f"python -m benchmarks.known_truth {shlex.join(given)}"
    print(f"\n`{command}`, {seconds:.0f} s.")


if __name__ == "__main__":
    main()
