"""python -m benchmarks.gpu: everything that only a GPU can show, in under 30 minutes; `--only` runs parts of it.

Writes `gpu.json` (what each part found) after every part, and `gpu.md`. Without a GPU it says so, with exit code 2.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.machine import build_machine, build_machine_lines
from benchmarks.measure import ROOT, end_on_sigterm, run_measured
from benchmarks.ours import run_grid
from tune_app import data
from tune_app.engine.graph import GraphedStep, capture_cuda
from tune_app.engine.stack import Stack, StackedFold, Step
from tune_app.engine.stacked import StackedFit
from tune_app.models import REGULARIZERS
from tune_app.records import FoldRecord, Record
from tune_app.study import TrialSpec
from tune_app.study.study import Study
from tune_app.trial import run_trial
from tune_app.trial.fold import Fold
from tune_app.trial.setup import TrialSetup

FOUND, MARKDOWN = "gpu.json", "gpu.md"
NO_GPU = "torch sees no GPU here, and nothing in this benchmark says anything without one."
CLOSE = 0.01  # of a test accuracy: what rounding may change of a short fit's
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Size:
    """How much to do: MNIST's images, and epochs."""

    images: int = 10_000
    test_images: int = 2_000
    epochs: int = 2
    width: float = 1.0


FULL, TINY = Size(), Size(200, 100, 1, 0.05)


def build_spec(size: Size, regularizer: str = "none", **recipe: Any) -> TrialSpec:
    """The CNN in two folds."""
    content = {
        "name": "gpu",
        "data": {"name": "mnist", "train_images": size.images, "test_images": size.test_images},
        "recipe": {"epochs": size.epochs, "batch_size": 100, **recipe},
        "grid": [{"model": "cnn", "width": size.width, "regularizer": regularizer, "folds": 2}],
    }
    return Study.model_validate(content).grid_trials()[0].spec


def run_folds(spec: TrialSpec, device: torch.device, **options: Any) -> list[FoldRecord]:
    """The trial's folds, in this process."""
    records: Iterator[Record] = run_trial(
        spec, data.load_dataset(spec.dataset), folds=range(spec.folds), device=device, **options
    )
    return [record for record in records if isinstance(record, FoldRecord)]


def describe_folds(folds: Sequence[FoldRecord]) -> dict[str, Any]:
    """Mean accuracy and peak memory of a trial, and what was said of its engine or its failure."""
    told = {text for fold in folds for text in (fold.engine_reason, fold.error_message) if text}
    return {
        "engine": folds[0].engine,
        "accuracy": sum(fold.score("test_accuracy") or 0.0 for fold in folds) / len(folds),
        "seconds": sum(fold.fit_seconds for fold in folds),
        "memory (MiB)": max(fold.peak_memory_bytes or 0 for fold in folds) / 2**20,
        "told": "; ".join(sorted(told)),
    }


def compare_scores(device: torch.device, size: Size) -> pd.DataFrame:
    """Every engine, precision and regularizer, and samples in host memory, against fp32 on the CPU."""
    rows = []
    for regularizer in REGULARIZERS:
        expected = describe_folds(run_folds(build_spec(size, regularizer, engine="eager"), CPU))["accuracy"]
        for engine in ("eager", "stacked"):
            for precision in ("fp32", "tf32", "bf16", "fp16"):
                for on_host in (False, True)[: 2 if precision == "fp32" else 1]:
                    spec = build_spec(size, regularizer, engine=engine, precision=precision)
                    found = describe_folds(run_folds(spec, device, data_on_host=on_host))
                    difference = found["accuracy"] - expected
                    rows.append(
                        {"regularizer": regularizer, "asked": engine, "precision": precision, "on host": on_host}
                        | found
                        | {"to the CPU": difference, "close": abs(difference) <= CLOSE}
                    )
    return pd.DataFrame(rows)


def check_graph(device: torch.device, size: Size) -> pd.DataFrame:
    """The stacked step in a graph, where it cannot be captured, and where no graph is allowed; scores of each."""
    rows = []
    for name, precision, spoiled in (("captured", "fp32", False), ("spoiled", "fp32", True), ("scaled", "fp16", False)):
        trial = TrialSetup(build_spec(size, precision=precision), data.load_dataset("mnist"), device)
        folds = [_build_stacked(Fold(trial, split, "stacked")) for split in trial.splits]
        fit = StackedFit(folds, trial.train, trial.spec.recipe)
        if spoiled:
            fit.step = _build_spoiled(fit.stack, fit.step)
        scores = [outcome for _, outcome in fit.run() if not isinstance(outcome, Exception)]
        rows.append(
            {
                "step": name,
                "allowed": fit.step.allowed,
                "in a graph": fit.step._captured is not None,
                "reason": fit.step.reason,
                "validation accuracy": scores[-1].validation_accuracy,
            }
        )
    return pd.DataFrame(rows)


def _build_stacked(fold: Fold) -> StackedFold:
    fold.build()
    return StackedFold(fold.rewritten, fold.optimizer, fold.train, fold.validation, fold.seed("shuffle"))


def _build_spoiled(stack: Stack, step: GraphedStep) -> GraphedStep:
    """A step that waits for the device, which no graph can hold."""

    def wait(action: Callable[[], Step]) -> Step:
        torch.cuda.synchronize()
        return action()

    return GraphedStep(stack, step.allowed, lambda action: capture_cuda(lambda: wait(action)))


def check_shares(device: torch.device, size: Size) -> pd.DataFrame:
    """A trial in a share that holds it, and in one that it outgrows at first; on a CPU there is nothing to outgrow."""
    spec = build_spec(size, engine="eager")
    alone = describe_folds(run_folds(spec, device))
    rows = [{"share": "all of it"} | alone]
    study = {
        "name": "shares",
        "data": {"name": "mnist", "train_images": size.images, "test_images": size.test_images},
        "recipe": {"epochs": size.epochs, "batch_size": 100, "engine": "eager"},
        "grid": [{"model": "cnn", "width": size.width, "folds": 2}],
    }
    on_gpu = device.type == "cuda"
    memory = torch.cuda.get_device_properties(device).total_memory if on_gpu else 2**40
    needed = alone["memory (MiB)"] * 2**20 / memory
    for factor in (2.0, 0.75):
        options = ("--gpus-per-trial", f"{max(needed * factor, 0.001):.5f}") if on_gpu else ("--executor", "inline")
        with tempfile.TemporaryDirectory(prefix="tune_app-benchmark-") as folder:
            run = run_grid(study, Path(folder), *options, "--device", device.type)
        rows.append({"share": f"{factor:g} of what it needs"} | describe_folds(run.folds))
    return pd.DataFrame(rows)


def compare_engines(device: torch.device, size: Size) -> pd.DataFrame:
    """Stacked against eager: `benchmarks.engines`, once."""
    command = ["--device", device.type, "--images", str(size.images), "--epochs", "2", "--folds", "4", "--repeats", "1"]
    return _read_table("benchmarks.engines", command, "engines.csv")


def compare_peers(device: torch.device, size: Size) -> pd.DataFrame:
    """This project and its peers on one study of one epoch: `benchmarks.peers`, once."""
    command = ["--device", device.type, "--images", str(size.images), "--epochs", "1", "--repeats", "1"]
    return _read_table("benchmarks.peers", command, "peers.csv")


def _read_table(module: str, options: Sequence[str], name: str) -> pd.DataFrame:
    with tempfile.TemporaryDirectory(prefix="tune_app-benchmark-") as folder:
        done = run_measured([sys.executable, "-m", module, *options, "--out", folder])
        if done.exit_code:
            raise RuntimeError(f"{module}: exit code {done.exit_code}: {done.stderr[-1000:]}")
        return pd.read_csv(Path(folder) / name)


def run_vggs(device: torch.device, size: Size) -> pd.DataFrame:
    """The report's four VGG rows: in full (60,000 images, 5 epochs, 4 folds) where the size is, in bf16."""
    options = ["--device", device.type, "--set", "recipe.precision=bf16"]
    if size != FULL:
        small = (f"data.train_images={size.images}", f"data.test_images={size.test_images}", "recipe.epochs=1")
        options += [part for setting in small for part in ("--set", setting)] + ["--executor", "inline"]
        options += ["--only", "model=vgg10"]
    with tempfile.TemporaryDirectory(prefix="tune_app-benchmark-") as folder:
        run = run_grid("vgg", Path(folder), *options)
    rows = []
    for trial in run.results.study.grid_trials():
        folds = [fold for fold in run.folds if fold.trial == trial.spec.id]
        if folds:
            rows.append({"model": trial.spec.model, "n": len(folds)} | describe_folds(folds))
    return pd.DataFrame(rows)


PARTS: dict[str, Callable[[torch.device, Size], pd.DataFrame]] = {
    "scores": compare_scores,
    "graph": check_graph,
    "shares": check_shares,
    "engines": compare_engines,
    "peers": compare_peers,
    "vgg": run_vggs,
}


def run_part(name: str, device: torch.device, size: Size) -> dict[str, Any]:
    """What the part found, as a table, or why it failed: the others run all the same."""
    started = time.perf_counter()
    try:
        table = PARTS[name](device, size)
        text, n = str(table.to_markdown(index=False, floatfmt=".4g")), len(table)
    except Exception as error:  # a machine that is there for half an hour must not be wasted by one part
        text, n = f"It failed: {type(error).__name__}: {error}", 0
    about = (PARTS[name].__doc__ or "").strip()
    return {"about": about, "text": text, "n": n, "seconds": time.perf_counter() - started}


def build_markdown(machine: dict[str, Any], found: dict[str, dict[str, Any]]) -> str:
    """The whole of `gpu.md`, in the order of the parts."""
    lines = ["# On a GPU", "", *build_machine_lines(machine)]
    for name in PARTS:
        lines += ["", f"## {name}", ""]
        if name in found:
            part = found[name]
            lines += [f"{part['about']} n = {part['n']} rows, {part['seconds']:.0f} s.", "", part["text"]]
        else:
            lines.append("Unmeasured.")
    return "\n".join(lines) + "\n"


def run_parts(names: Sequence[str], device: torch.device, size: Size, out: Path) -> str:
    """Run the parts, each written as soon as it is done beside those of earlier calls; the text of `gpu.md`."""
    machine, path = build_machine("benchmarks.gpu"), out / FOUND
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        found[name] = run_part(name, device, size)
        path.write_text(json.dumps(found, indent=1) + "\n")
        (out / MARKDOWN).write_text(build_markdown(machine, found))
        print(f"{name}: {found[name]['seconds']:.0f} s")
    return (out / MARKDOWN).read_text()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), metavar="PARTS", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks", metavar="FOLDER")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"--only {','.join(unknown)}: choose from {', '.join(PARTS)}")
    if not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    end_on_sigterm()
    print(run_parts(names, torch.device("cuda", 0), FULL, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
