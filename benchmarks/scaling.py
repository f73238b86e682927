"""python -m benchmarks.scaling: how the time of a study grows with images, folds, trials and concurrent trials.

Every point is one call of `python -m tune_app.grid`. Writes `scaling.csv` after every point, `scaling.json` (the
machine) and `scaling.md`, which `--summary-only` builds again from the other two.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.machine import build_machine, build_machine_lines
from benchmarks.measure import ROOT, end_on_sigterm
from benchmarks.ours import GridRun, run_grid
from tune_app import data
from tune_app.records import FoldRecord
from tune_app.session.environment import count_cpus

POINTS_CSV, MACHINE, MARKDOWN = "scaling.csv", "scaling.json", "scaling.md"
STARTS = 3
SWEEPS = {
    "start": "Ray's own start: one tiny trial, on Ray (level 1) and in one process without it (level 0)",
    "images": "training images (CNN, 2 regularizers, 4 folds, 1 epoch)",
    "folds": "folds (CNN, 2 regularizers, 4,000 images, 1 epoch)",
    "trials": "tiny trials (narrow CNN, 2 folds, 1 epoch on digits)",
    "concurrent": "cores for each trial (CNN, 4 regularizers, 4 folds, 4,000 images, 1 epoch); 0: one process, no Ray",
    "quick": "the study quick",
}


@dataclass(frozen=True)
class Point:
    """One call of the command: `study` is its content, or the name of one that ships; `cpus` 0 means inline."""

    sweep: str
    level: float
    study: dict[str, Any] | str
    cpus: float = 1.0


def build_points(sweeps: Sequence[str], cores: int, most_trials: int) -> list[Point]:
    """Every point of the given sweeps; `start` always comes first, because the others are compared with it."""
    points = [Point("start", on_ray, _build_tiny(1), float(on_ray)) for _ in range(STARTS) for on_ray in (1, 0)]
    points += [Point("images", images, _build_study(images=images)) for images in (2000, 4000, 8000, 16_000)]
    points += [Point("folds", folds, _build_study(folds=folds)) for folds in (2, 4, 10)]
    points += [Point("trials", trials, _build_tiny(trials)) for trials in (10, 50, 200, 2000) if trials <= most_trials]
    regularizers = ("none", "dropout", "batchnorm", "dropout+batchnorm")
    shares = dict.fromkeys((0.0, float(cores), 1.0, 0.5))
    points += [Point("concurrent", share, _build_study(regularizers=regularizers), share) for share in shares]
    points.append(Point("quick", 1, "quick"))
    return [point for point in points if point.sweep in sweeps or point.sweep == "start"]


def _build_study(
    images: int = 4000, folds: int = 4, regularizers: Sequence[str] = ("none", "batchnorm")
) -> dict[str, Any]:
    return {
        "name": "scaling",
        "data": {"name": "mnist", "train_images": images, "test_images": 2000},
        "recipe": {"epochs": 1},
        "grid": [{"model": "cnn", "regularizer": list(regularizers), "folds": folds}],
    }


def _build_tiny(trials: int) -> dict[str, Any]:
    return {
        "name": "tiny",
        "data": {"name": "digits"},
        "recipe": {"epochs": 1},
        "replicates": trials,
        "grid": [{"model": "cnn", "width": 0.25, "folds": 2}],
    }


def run_point(point: Point, cores: int) -> dict[str, Any]:
    """Run the command once; a row of `scaling.csv`."""
    options = ["--executor", "ray", "--cpus-per-trial", str(point.cpus)] if point.cpus else ["--executor", "inline"]
    with tempfile.TemporaryDirectory(prefix="tune_app-benchmark-") as folder:
        run = run_grid(point.study, Path(folder), "--device", "cpu", *options)
    return build_row(point, run, cores)


def build_row(point: Point, run: GridRun, cores: int) -> dict[str, Any]:
    """Wall time and fit seconds of one call; `lanes` is how many trials could run at the same time."""
    trials = len({record.trial for record in run.folds})
    return {
        "sweep": point.sweep,
        "level": point.level,
        "trials": trials,
        "fits": len(run.folds),
        "lanes": min(trials, int(cores / point.cpus)) if point.cpus else 1,
        "cores": cores,
        "wall_seconds": run.measured.wall_seconds,
        "first_record_seconds": run.first_record_seconds,
        "fit_seconds": sum(record.fit_seconds for record in run.folds),
        "span_seconds": max(r.started + r.fit_seconds for r in run.folds) - min(r.started for r in run.folds),
        "next_trial_seconds": measure_next_trial(run.folds),
        "peak_memory_bytes": run.measured.peak_memory_bytes,
    }


def measure_next_trial(folds: list[FoldRecord]) -> float:
    """Median seconds between the end of a trial and the start of the next on the same worker; NaN if none followed.

    Records do not name their worker: a trial is held to follow the one that ended last before it started, and a trial
    is followed once at most.
    """
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    for record in folds:
        starts[record.trial] = min(record.started, starts.get(record.trial, np.inf))
        ends[record.trial] = max(record.started + record.fit_seconds, ends.get(record.trial, -np.inf))
    waiting: list[float] = []
    gaps = []
    for trial in sorted(starts, key=lambda trial: starts[trial]):
        ended = [end for end in waiting if end <= starts[trial]]
        if ended:
            gaps.append(starts[trial] - max(ended))
            waiting.remove(max(ended))
        waiting.append(ends[trial])
    return float(np.median(gaps)) if gaps else float("nan")


def build_overheads(points: pd.DataFrame) -> pd.DataFrame:
    """`points` with what is not fitting, in seconds.

    `start_seconds` is Ray's own start: what one tiny trial takes longer on Ray than in one process, fits left out, so
    that imports, tables and page, which every study has, are no part of it. `overhead_seconds`, for each trial, is the
    lanes' time beyond that start and the fits; inline runs have no start of Ray to take off. `cores_over_fits` is wall
    time × lanes over fit seconds, `cores_over_fits_after_start` the same without the start.
    """
    start = points[points["sweep"] == "start"]
    beyond = (start["wall_seconds"] - start["fit_seconds"]).groupby(start["level"]).median()
    start_seconds = float(beyond[1] - beyond[0])
    on_ray = ~(points["sweep"].isin(("concurrent", "start")) & (points["level"] == 0))
    after_start = points["wall_seconds"] - start_seconds * on_ray
    return points.assign(
        start_seconds=start_seconds * on_ray,
        overhead_seconds=(after_start * points["lanes"] - points["fit_seconds"]) / points["trials"],
        cores_over_fits=points["wall_seconds"] * points["lanes"] / points["fit_seconds"],
        cores_over_fits_after_start=after_start * points["lanes"] / points["fit_seconds"],
    )


def build_markdown(points: pd.DataFrame, machine: dict[str, Any]) -> str:
    """The whole of `scaling.md`."""
    overheads = build_overheads(points)
    starts = overheads[overheads["sweep"] == "start"]
    start_seconds = starts["start_seconds"].max()
    lines = [
        "# How time grows",
        "",
        "Each row is one call of `python -m tune_app.grid` (n = 1) on a CPU; a lane is a place where a trial can run.",
        "",
        *build_machine_lines(machine),
        f"- Ray's own start, with the first actor and the end: {start_seconds:.1f} s (what a study of one tiny trial "
        f"takes longer on Ray than without it, medians of {len(starts) // 2} each, in turns). *Overhead* is, for each "
        "trial, the lanes' time beyond that start and the fits, imports, tables and page included; *next trial* the "
        "median wait of a worker between two trials.",
        "",
    ]
    for sweep, title in SWEEPS.items():
        rows = overheads[overheads["sweep"] == sweep]
        if len(rows):
            spelt = pd.DataFrame([_spell_row(row) for row in rows.to_dict("records")])
            table = spelt.to_markdown(index=False, disable_numparse=True)
            lines += [f"## {title[0].upper()}{title[1:]}", "", str(table), ""]
    return "\n".join(lines)


def _spell_row(row: dict[Any, Any]) -> dict[str, str]:
    following = row["next_trial_seconds"]
    return {
        row["sweep"]: f"{row['level']:g}",
        "trials": f"{row['trials']}",
        "fits": f"{row['fits']}",
        "lanes": f"{row['lanes']}",
        "wall, s": f"{row['wall_seconds']:.1f}",
        "first record, s": f"{row['first_record_seconds']:.1f}",
        "sum of fits, s": f"{row['fit_seconds']:.1f}",
        "overhead per trial, s": f"{row['overhead_seconds']:.2f}",
        "next trial, s": "" if np.isnan(following) else f"{following:.2f}",
        "wall × lanes / fits": f"{row['cores_over_fits']:.2f}",
        "without the start": f"{row['cores_over_fits_after_start']:.2f}",
        "peak memory, GiB": f"{row['peak_memory_bytes'] / 2**30:.2f}",
    }


def build_parser() -> argparse.ArgumentParser:
    """Every option of the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    add = parser.add_argument
    known = [sweep for sweep in SWEEPS if sweep != "start"]
    add("--sweeps", nargs="+", choices=known, default=known, help="default: all")
    add("--most-trials", type=int, default=200, help="leave out points with more tiny trials; default 200")
    add("--out", type=Path, default=ROOT / "results" / "benchmarks", metavar="FOLDER", help="where the tables go")
    add("--summary-only", action="store_true", help="build the Markdown again from the CSV; run nothing")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    if not options.summary_only:
        end_on_sigterm()
        options.out.mkdir(parents=True, exist_ok=True)
        data.load_dataset("mnist")  # unpacks the archives, so that no point has to
        (options.out / MACHINE).write_text(json.dumps(build_machine("benchmarks.scaling"), indent=2) + "\n")
        cores = count_cpus()
        rows: list[dict[str, Any]] = []
        for point in build_points(options.sweeps, cores, options.most_trials):
            rows.append(run_point(point, cores))
            print(f"{point.sweep} {point.level:g}: {rows[-1]['wall_seconds']:.1f} s", flush=True)
            pd.DataFrame(rows).to_csv(options.out / POINTS_CSV, index=False)
    machine = json.loads((options.out / MACHINE).read_text())
    text = build_markdown(pd.read_csv(options.out / POINTS_CSV), machine)
    (options.out / MARKDOWN).write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
