"""python -m benchmarks.prediction: what plans predict against what happens, in time and in memory.

Time: a study is planned with an empty calibration, run, planned again and run again. Memory: a real fit of a few steps
of each network that ships and of one user's under torch's profiler, which counts what the CPU's allocator hands out;
what oneDNN takes for itself is not in it. Writes `prediction.csv`, `prediction.json` (the machine) and `prediction.md`.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import build_machine, build_machine_lines
from benchmarks.measure import ROOT, end_on_sigterm
from benchmarks.ours import run_grid
from tune_app.engine.timing import time_fit
from tune_app.plan import PlannedTrial
from tune_app.plan.calibration import FOLDER_VARIABLE
from tune_app.session.options import RunOptions
from tune_app.session.session import Session
from tune_app.session.studies import find_study

ROWS_CSV, MACHINE, MARKDOWN = "prediction.csv", "prediction.json", "prediction.md"
MAKESPAN = (
    "From the start of the first fit to the end of the last, and from the command to its end (n = 1 each). The first "
    "plan knows nothing of the machine but the steps that it times."
)
WITHIN = {"time": 0.25, "memory": 0.2}
REGULARIZERS = ("none", "dropout", "batchnorm", "dropout+batchnorm")
VGGS = ("vgg10", "vgg12", "vgg15", "vgg18")  # at a quarter of their width, where activations count
OWN_STUDY = ROOT / "examples" / "ablation" / "study.yaml"
STUDIES: dict[str, dict[str, Any] | str] = {
    "quick": "quick",
    "long": {
        "name": "long",
        "data": {"name": "mnist", "train_images": 6000, "test_images": 2000},
        "recipe": {"epochs": 4},
        "replicates": 2,
        "grid": [{"model": "cnn", "regularizer": list(REGULARIZERS), "folds": [4, 10]}],
    },
}


def measure_time(name: str, runs: int, executor: str) -> Iterator[dict[str, Any]]:
    """A row for each of so many runs of a study, the first planned with nothing known of this machine."""
    with tempfile.TemporaryDirectory(prefix="tune_app-prediction-") as place:
        os.environ[FOLDER_VARIABLE] = str(Path(place) / "calibration")
        for number in range(1, runs + 1):
            folder = Path(place) / f"run-{number}"
            folder.mkdir()
            plan = make_session(STUDIES[name], folder, executor).make_plan()
            run = run_grid(STUDIES[name], folder, "--device", "cpu", "--executor", executor)
            span = max(r.started + r.fit_seconds for r in run.folds) - min(r.started for r in run.folds)
            peaks = {trial.id: trial.memory.total for trial in plan if trial.memory}
            ratios = [peaks[r.trial] / r.peak_memory_bytes for r in run.folds if r.peak_memory_bytes]
            yield {
                "kind": "time",
                "what": f"{name}, {'first plan' if number == 1 else f'plan {number}'}",
                "predicted": plan.seconds,
                "measured": span,
                "predicted_wall_seconds": plan.phases.total,
                "wall_seconds": run.measured.wall_seconds,
                "fit_seconds": sum(r.fit_seconds for r in run.folds),
                "cores": len(os.sched_getaffinity(0)),
                "least_memory_ratio": min(ratios),
                "greatest_memory_ratio": max(ratios),
            }


def make_session(study: dict[str, Any] | str | Path, folder: Path, executor: str = "ray") -> Session:
    """A session of a study: its content, its file, or the name of one that ships."""
    source = str(study)
    if isinstance(study, dict):
        path = folder / "planned.yaml"
        path.write_text(yaml.safe_dump(study))
        source = str(path)
    options = RunOptions(executor="inline" if executor == "inline" else "ray", device="cpu", runs=folder / "runs")
    return Session(find_study(source, [], []), options)


def measure_memory() -> Iterator[dict[str, Any]]:
    """A row for each network that ships, in batches of 100, and for one user's."""
    shared = {"regularizer": list(REGULARIZERS), "folds": 4}
    grid = [{"model": "cnn", **shared}, {"model": list(VGGS), "width": 0.25, **shared}]
    built_in = {"name": "networks", "data": {"name": "mnist", "train_images": 4000}, "grid": grid}
    with tempfile.TemporaryDirectory(prefix="tune_app-prediction-") as place:
        folder = Path(place)
        os.environ[FOLDER_VARIABLE] = str(folder / "calibration")
        trials = {trial.name.rpartition("-")[0]: trial for trial in make_session(built_in, folder).make_plan()}
        own = next(iter(make_session(OWN_STUDY, folder).make_plan()))
        for name, trial in {**dict(sorted(trials.items())), f"a user's ({own.spec.model})": own}.items():
            if trial.memory is None:
                continue
            yield {
                "kind": "memory",
                "what": name,
                "predicted": trial.memory.total - trial.memory.context,
                "measured": float(measure_peak(trial)),
            }


def measure_peak(trial: PlannedTrial) -> int:
    """Bytes that torch's allocator has handed out at the peak of a few steps and of scoring, the network included."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "trace.json"
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            scored = min(500, max(trial.tested_images, trial.train_images // trial.fits))
            time_fit(trial.spec, trial.network, scored, torch.device("cpu"), expected=1.0)
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    held = pd.Series([count for _, count in changes]).cumsum()
    return int(held.max())


def build_markdown(rows: pd.DataFrame, machine: dict[str, Any]) -> str:
    """The whole of `prediction.md`."""
    lines = ["# What plans predict", "", *build_machine_lines(machine), ""]
    times, memory = (rows[rows["kind"] == kind] for kind in ("time", "memory"))
    if len(times):
        told = [
            {
                "study": row["what"],
                "predicted, s": f"{row['predicted']:.0f}",
                "measured, s": f"{row['measured']:.0f}",
                "measured / predicted": f"{row['measured'] / row['predicted']:.2f}",
                "whole command, predicted, s": f"{row['predicted_wall_seconds']:.0f}",
                "whole command, measured, s": f"{row['wall_seconds']:.0f}",
                "sum of fits, s": f"{row['fit_seconds']:.0f}",
                "wall × cores / fits": f"{row['wall_seconds'] * row['cores'] / row['fit_seconds']:.2f}",
                "memory, predicted / peak RSS": f"{row['least_memory_ratio']:.2f}–{row['greatest_memory_ratio']:.2f}",
            }
            for row in times.to_dict("records")
        ]
        lines += ["## Makespan", "", MAKESPAN, ""]
        lines += [str(pd.DataFrame(told).to_markdown(index=False, disable_numparse=True)), ""]
    if len(memory):
        told = [
            {
                "network": row["what"],
                "predicted, MiB": f"{row['predicted'] / 2**20:,.0f}",
                "measured, MiB": f"{row['measured'] / 2**20:,.0f}",
                "predicted / measured": f"{row['predicted'] / row['measured']:.2f}",
            }
            for row in memory.to_dict("records")
        ]
        lines += ["## Memory of a fit", "", "Tensors alone, at the peak, by torch's profiler on a CPU.", ""]
        lines += [str(pd.DataFrame(told).to_markdown(index=False, disable_numparse=True)), ""]
    for kind, part in (("time", times), ("memory", memory)):
        if len(part):
            off = (part["measured"] / part["predicted"] - 1).abs()
            lines.append(f"- {kind}: within {WITHIN[kind]:.0%} in {(off <= WITHIN[kind]).sum()} of {len(part)} rows.")
    return "\n".join([*lines, ""])


def build_parser() -> argparse.ArgumentParser:
    """Every option of the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction", description=__doc__)
    add = parser.add_argument
    add("--parts", nargs="+", choices=("memory", *STUDIES), default=["memory", *STUDIES], help="default: all")
    add("--runs", type=int, default=2, help="of each study; default 2")
    add("--executor", choices=("ray", "inline"), default="ray", help="default ray")
    add("--out", type=Path, default=ROOT / "results" / "benchmarks", metavar="FOLDER", help="where the tables go")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    end_on_sigterm()
    options.out.mkdir(parents=True, exist_ok=True)
    machine, rows = build_machine("benchmarks.prediction"), []
    (options.out / MACHINE).write_text(json.dumps(machine, indent=2) + "\n")
    for part in options.parts:
        for row in measure_memory() if part == "memory" else measure_time(part, options.runs, options.executor):
            rows.append(row)
            print(f"{row['what']}: predicted {row['predicted']:.3g}, measured {row['measured']:.3g}", flush=True)
            pd.DataFrame(rows).to_csv(options.out / ROWS_CSV, index=False)
    text = build_markdown(pd.DataFrame(rows), machine)
    (options.out / MARKDOWN).write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
