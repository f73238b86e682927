"""python -m benchmarks.peers: the same work through this project and its peers, in turn, within one call.

Writes after every run: `peers.csv` (a row per run), `peers_fits.csv` (a row per fit), `peers.json` (the machine) and
`peers.md`, which `--summary-only` builds again from the other three.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.contest import CONTESTANTS, build_contest_fit_rows, build_run_row, run_contestant
from benchmarks.limit import measure_limit
from benchmarks.machine import build_machine
from benchmarks.measure import ROOT, end_on_sigterm
from benchmarks.summary import build_markdown
from benchmarks.work import Work
from tune_app import data
from tune_app.models import REGULARIZERS

RUNS, FITS, MACHINE, MARKDOWN = "peers.csv", "peers_fits.csv", "peers.json", "peers.md"
FIT_COLUMNS = ["contestant", "repeat", "regularizer", "fold", "test_accuracy", "loop_seconds", "limit_loop_seconds"]
# A run that fails keeps these.
OUTCOME = {"wall_seconds": None, "peak_memory_bytes": None, "error": ""}


def build_parser() -> argparse.ArgumentParser:
    """Every option of the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    add = parser.add_argument
    add("--images", type=int, default=12_000, help="training images, a multiple of the folds; default 12000")
    add("--test-images", type=int, default=10_000, help="test images; default 10000")
    add("--epochs", type=int, default=2, help="epochs of each fit; default 2")
    add("--folds", type=int, default=4, help="folds of each regularizer; default 4")
    add("--regularizers", type=_names(REGULARIZERS), default=REGULARIZERS, metavar="A,B", help="default: all four")
    add("--repeats", type=int, default=3, help="runs of each contestant; default 3")
    add(
        "--contestants",
        type=_names(CONTESTANTS),
        default=tuple(CONTESTANTS),
        metavar="A,B",
        help=f"default: {','.join(CONTESTANTS)}",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--out", type=Path, default=ROOT / "results" / "benchmarks", metavar="FOLDER", help="where the tables go")
    add("--summary-only", action="store_true", help="build the Markdown again from the CSVs; run nothing")
    return parser


def _names(known: Sequence[str] | dict[str, Any]) -> Any:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(known)}")
        return names

    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if every contestant did its work, 1 if one failed or is not installed."""
    options = build_parser().parse_args(arguments)
    if not options.summary_only:
        end_on_sigterm()
        options.out.mkdir(parents=True, exist_ok=True)
        run_peers(options)
    runs = write_summary(options.out)
    print((options.out / MARKDOWN).read_text())
    return int(runs["wall_seconds"].isna().any())


def write_summary(folder: Path) -> pd.DataFrame:
    """Write `peers.md` from the files beside it; the runs."""
    numbers = {name: [""] for name in ("wall_seconds", "peak_memory_bytes")}
    runs = pd.read_csv(folder / RUNS, keep_default_na=False, na_values=numbers)
    text = build_markdown(runs, pd.read_csv(folder / FITS), json.loads((folder / MACHINE).read_text()))
    (folder / MARKDOWN).write_text(text)
    return runs


def run_peers(options: argparse.Namespace) -> None:
    """Every contestant in turn, `--repeats` times; writes the CSVs after every run."""
    device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    work = Work(
        images=options.images,
        test_images=options.test_images,
        epochs=options.epochs,
        folds=options.folds,
        regularizers=options.regularizers,
        device=device,
    )
    data.load_dataset("mnist")  # unpacks the archives, so that no contestant has to
    _warm_page_cache(options.contestants)
    machine = build_machine("benchmarks.peers")
    runs: list[dict[str, Any]] = []
    fits: list[dict[str, Any]] = []
    for repeat in range(options.repeats):
        machine["limits"] = measure_limit(device)
        (options.out / MACHINE).write_text(json.dumps(machine, indent=2) + "\n")
        first = repeat % len(options.contestants)
        for name in (*options.contestants[first:], *options.contestants[:first]):
            row, new_fits = _run_once(name, replace(work, seed=repeat), repeat, machine)
            runs.append(row)
            fits += new_fits
            pd.DataFrame(runs).to_csv(options.out / RUNS, index=False)
            pd.DataFrame(fits, columns=FIT_COLUMNS).to_csv(options.out / FITS, index=False)
            write_summary(options.out)


def _warm_page_cache(contestants: Sequence[str]) -> None:
    """Import every library once, untimed: the first to run must not pay for reading them from the disk."""
    packages = {CONTESTANTS[name].package for name in contestants if CONTESTANTS[name].is_installed}
    subprocess.run([sys.executable, "-c", f"import torchvision, sklearn, {', '.join(packages)}"], check=True)


def _run_once(
    name: str, work: Work, repeat: int, machine: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    limit = machine["limits"]["fp32"]
    row = build_run_row(work, repeat, name, limit) | OUTCOME
    if not CONTESTANTS[name].is_installed:
        error = f"{CONTESTANTS[name].package} is not installed: pip install -r benchmarks/requirements.txt"
        print(f"{name}: {error}", flush=True)
        return row | {"error": error}, []
    try:
        outcome = run_contestant(name, work)
    except RuntimeError as error:
        print(f"{name}, run {repeat + 1}: failed: {error}", flush=True)
        return row | {"error": str(error)}, []
    measured = outcome.measured
    print(f"{name}, run {repeat + 1}: {measured.wall_seconds:.1f} s", flush=True)
    row |= {"wall_seconds": measured.wall_seconds, "peak_memory_bytes": measured.peak_memory_bytes}
    return row, build_contest_fit_rows(work, repeat, name, limit, machine["cores"], outcome)


if __name__ == "__main__":
    sys.exit(main())
