"""python -m benchmarks.devices: what a second process on a second core gains one network, on CPUs.

Epochs of a narrow VGG with batch normalisation by one process, and by two that share every batch, with and without
synchronised statistics: the same study, one thread a process. Writes `devices.csv` (a row per fit), `devices.json` (the
machine) and `devices.md`. The efficiency of n processes is the seconds of one over n times theirs.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import build_machine, build_machine_lines
from benchmarks.measure import ROOT
from tune_app import data
from tune_app.engine.cost import MachineRates
from tune_app.executors.inline import run_inline
from tune_app.parts.catalog import build_catalog
from tune_app.plan import PlannedTrial, Shares, WorkItem, build_plan
from tune_app.records import EpochRecord, Record
from tune_app.records.environments import Environment
from tune_app.study import Study

CSV, MACHINE, MARKDOWN = "devices.csv", "devices.json", "devices.md"
RATES = MachineRates(flops=1e11, bytes=1e10)  # of a plan that nobody looks at
WARM_UP = 1  # epochs that are not counted


class Epochs:
    """A flow that keeps the seconds of each trial's epochs."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def item_started(self, item: WorkItem) -> None:
        print(f"{item.name}: {item.trial.share.devices} processes", flush=True)

    def environment(self, environment: Environment) -> None:
        pass

    def record(self, record: Record) -> None:
        if isinstance(record, EpochRecord):
            self.seconds.setdefault(record.trial, []).append(record.seconds)
        elif record.status == "failed":
            raise RuntimeError(f"{record.trial} failed: {record.error_message}")

    def item_ended(self, item: WorkItem) -> None:
        pass


def build_trials(model: str, width: float, images: int, batch_size: int, epochs: int) -> list[PlannedTrial]:
    """The trials: one process, two that normalise together, two that normalise apart."""
    levels = {"model": model, "width": width, "regularizer": "batchnorm", "folds": 4}
    content: Mapping[str, Any] = {
        "name": "devices",
        "data": {"name": "mnist", "train_images": images, "test_images": 100},
        "recipe": {"epochs": epochs + WARM_UP, "batch_size": batch_size},
        "grid": [levels | {"devices": [1, 2], "batchnorm_sync": [True, False]}],
    }
    return list(build_plan(Study.model_validate(content, context=build_catalog()), Shares(), RATES))


def measure(trials: Sequence[PlannedTrial], repeats: int) -> pd.DataFrame:
    """Seconds of each epoch after the first, in turns: what else the machine does falls on all of them alike."""
    mnist, rows = data.load_dataset("mnist"), []
    for repeat in range(repeats):
        flow = Epochs()
        run_inline([WorkItem(trial, (0,)) for trial in trials], mnist, flow, device="cpu")
        for trial in trials:
            recipe = trial.spec.recipe
            row = {"repeat": repeat, "devices": recipe.devices, "batchnorm_sync": recipe.batchnorm_sync}
            rows += [row | {"seconds": seconds} for seconds in flow.seconds[trial.id][WARM_UP:]]
    return pd.DataFrame(rows)


def build_table(frame: pd.DataFrame) -> list[str]:
    """Markdown lines: the median seconds of an epoch, how many times as fast as one process, the efficiency."""
    one = statistics.median(frame.loc[frame["devices"] == 1, "seconds"])
    lines = [
        "| processes | statistics | n | seconds of an epoch | speed-up | efficiency |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (devices, synchronised), rows in frame.groupby(["devices", "batchnorm_sync"], sort=True):
        seconds = statistics.median(rows["seconds"])
        kind = "of the whole batch" if devices == 1 or synchronised else "of each slice"
        gain = one / seconds
        lines.append(f"| {devices} | {kind} | {len(rows)} | {seconds:.2f} | {gain:.2f} | {gain / devices:.0%} |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vgg10")
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3, help="that are measured, after one that is not")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks")
    asked = parser.parse_args(argv)
    machine = build_machine("benchmarks.devices")
    frame = measure(build_trials(asked.model, asked.width, asked.images, asked.batch_size, asked.epochs), asked.repeats)
    asked.out.mkdir(parents=True, exist_ok=True)
    frame.to_csv(asked.out / CSV, index=False)
    (asked.out / MACHINE).write_text(json.dumps(machine, indent=2) + "\n")
    head = (
        f"{asked.model} at width {asked.width:g} with batch normalisation, {asked.images:,} images of MNIST of which "
        f"three quarters are trained on and a quarter is scored, batches of {asked.batch_size}; medians of n epochs."
    )
    lines = ["# Two processes for one network", "", *build_machine_lines(machine), "", head, "", *build_table(frame)]
    (asked.out / MARKDOWN).write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
