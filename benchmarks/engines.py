"""python -m benchmarks.engines: the stacked engine against the eager one, and large networks against the matrix rate.

Every row is one call of `python -m tune_app.grid --executor inline` on one trial; engines alternate within a repeat.
Writes `engines.csv` after every call, `engines.json` (the machine) and `engines.md`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.limit import measure_cpu_rate, measure_limit
from benchmarks.machine import build_machine, build_machine_lines
from benchmarks.measure import ROOT, end_on_sigterm
from benchmarks.ours import run_grid
from tune_app import data
from tune_app.engine.cost import build_network_cost
from tune_app.models import REGULARIZERS
from tune_app.parts.networks import ask_network
from tune_app.records import EpochRecord

RUNS_CSV, MACHINE, MARKDOWN = "engines.csv", "engines.json", "engines.md"
VGGS = ("vgg10", "vgg12", "vgg15", "vgg18")


def build_study(model: str, regularizer: str, folds: int, images: int, epochs: int, **recipe: Any) -> dict[str, Any]:
    """One trial on MNIST."""
    return {
        "name": "engines",
        "data": {"name": "mnist", "train_images": images, "test_images": 1000},
        "recipe": {"epochs": epochs, **recipe},
        "grid": [{"model": model, "regularizer": regularizer, "folds": folds}],
    }


def run_trial(study: dict[str, Any], device: str) -> dict[str, Any]:
    """Run the study's trial; images trained a second in the epochs after the first, which warms the device up."""
    with tempfile.TemporaryDirectory(prefix="tune_app-benchmark-") as folder:
        run = run_grid(study, Path(folder), "--executor", "inline", "--device", device)
    epochs = [record for record in run.results.records.epochs.values() if isinstance(record, EpochRecord)]
    seconds = sum(record.seconds for record in epochs if record.epoch > 1)
    entry = study["grid"][0]
    trained = study["data"]["train_images"] // entry["folds"] * (entry["folds"] - 1)
    loop_images = trained * entry["folds"] * (study["recipe"]["epochs"] - 1)
    folds = run.folds
    return {
        "model": entry["model"],
        "regularizer": entry["regularizer"],
        "folds": entry["folds"],
        "precision": study["recipe"].get("precision", "fp32"),
        "engine": folds[0].engine,
        "images_per_second": loop_images / seconds,
        "test_accuracy": sum(fold.score("test_accuracy") or 0 for fold in folds) / len(folds),
        "fit_bytes": max(fold.peak_memory_bytes or 0 for fold in folds),
    }


def build_markdown(runs: pd.DataFrame, machine: dict[str, Any]) -> str:
    """The whole of `engines.md`."""
    keys = ["model", "regularizer", "folds", "precision", "engine"]
    grouped = runs.groupby(keys, sort=False)
    table = grouped.agg(
        n=("images_per_second", "size"),
        images_per_second=("images_per_second", "median"),
        least=("images_per_second", "min"),
        greatest=("images_per_second", "max"),
        test_accuracy=("test_accuracy", "mean"),
    ).reset_index()
    eager = table[table["engine"] == "eager"].set_index(keys[:-1])["images_per_second"]
    table["against eager"] = [
        row["images_per_second"] / eager.get(tuple(row[key] for key in keys[:-1]), float("nan"))
        for row in table.to_dict("records")
    ]
    rates: dict[str, float] = machine["limit"]
    table["share of the matrix rate"] = [
        row["images_per_second"] * 3 * _forward_flops(row) / rates[row["precision"]]
        if row["precision"] in rates
        else None
        for row in table.to_dict("records")
    ]
    lines = [
        "# Engines",
        "",
        "Images trained a second in one trial, scoring included, from the second epoch on: median, least and greatest "
        "of n calls. The share of the matrix rate is that of the network's nominal operations in training.",
        "",
        *build_machine_lines(machine),
        "",
        str(table.to_markdown(index=False, floatfmt=".3g")),
        "",
    ]
    if machine["device"] == "cpu":
        lines += [
            "No GPU was at hand: the stacked engine with its CUDA graph, and the VGGs in bf16, are unmeasured on one. "
            "`python -m benchmarks.engines --device cuda` measures them.",
            "",
        ]
    return "\n".join(lines)


def _measure_limit(device: str) -> dict[str, float]:
    """Of what one trial runs on: the GPU, or one core."""
    return measure_limit(device) if device == "cuda" else {"fp32": measure_cpu_rate(1)}


def _forward_flops(row: dict[Any, Any]) -> int:
    return build_network_cost(ask_network(row["model"], (1, 28, 28), 10, regularizer=row["regularizer"])).forward_flops


def build_parser() -> argparse.ArgumentParser:
    """Every option of the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    add = parser.add_argument
    add("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    add("--folds", type=int, default=10)
    add("--images", type=int, help="training images; default 4,000 on a CPU, 60,000 on a GPU")
    add("--epochs", type=int, default=2)
    add("--repeats", type=int, default=3)
    add("--out", type=Path, default=ROOT / "results" / "benchmarks", metavar="FOLDER", help="where the tables go")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.epochs < 2:
        parser.error(f"--epochs {options.epochs}: the first epoch is not timed; 2 or more")
    end_on_sigterm()
    images = options.images or (60_000 if options.device == "cuda" else 4_000)
    data.load_dataset("mnist")  # unpacks the archives, so that no run has to
    studies = [
        build_study("cnn", regularizer, options.folds, images, options.epochs, engine=engine)
        for regularizer in REGULARIZERS
        for engine in ("eager", "stacked")
    ]
    if options.device == "cuda":
        studies += [build_study(m, "dropout+batchnorm", 4, 20_000, options.epochs, precision="bf16") for m in VGGS]
    options.out.mkdir(parents=True, exist_ok=True)
    machine = build_machine("benchmarks.engines") | {"device": options.device, "limit": _measure_limit(options.device)}
    (options.out / MACHINE).write_text(json.dumps(machine, indent=2) + "\n")
    rows: list[dict[str, Any]] = []
    for repeat in range(options.repeats):
        for study in studies:
            rows.append({"repeat": repeat} | run_trial(study, options.device))
            pd.DataFrame(rows).to_csv(options.out / RUNS_CSV, index=False)
    text = build_markdown(pd.DataFrame(rows), machine)
    (options.out / MARKDOWN).write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
