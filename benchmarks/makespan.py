"""How long studies take on so many slots, by trial, by fold and as chosen: simulated with the lengths of recorded fits.

    python -m benchmarks.makespan

Items are split and ordered by the lengths that the plan predicted, and take those that were measured. What starting an
item costs is left out; the table says how many items there are.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.machine import build_machine, build_machine_lines
from tune_app.engine.cost import MachineRates
from tune_app.monitor.terminal import spell_seconds
from tune_app.plan import PlannedTrial, Shard, Shares, WorkItem, build_plan, predict_makespan, spread
from tune_app.plan.trials import FitSeconds
from tune_app.records.results import Results, read_results

RESULTS = Path(__file__).resolve().parents[1] / "results"
STUDIES = ("quick", "report", "audit")
SLOTS = (2, 4, 16, 64, 1000)
SHARDS: tuple[Shard, ...] = ("trial", "fold", "auto")
RATES = MachineRates(1e11, 1e10)  # of no matter: predictions come from the study's own plan


@dataclass(frozen=True)
class Makespan:
    """One simulated run; `best` is the larger of the work over the slots and the longest item that no rule splits."""

    study: str
    slots: int
    shard: Shard
    items: int
    seconds: float
    best: float

    @property
    def ratio(self) -> float:
        """To the best possible."""
        return self.seconds / self.best


def read_work(folder: Path) -> tuple[Results, list[WorkItem]]:
    """A study's results, and its work by trial with the lengths that its plan predicted, longest first."""
    results = read_results(folder)
    if results.plan is None:
        raise SystemExit(f"{folder}: no plan.csv, which the order of the items goes by; run the study first")
    predicted = dict(zip(results.plan["trial"], results.plan["predicted_fit_seconds"], strict=True))
    plan = [
        replace(trial, fit_seconds=FitSeconds(predicted[trial.id], 0.0))
        for trial in build_plan(results.study, Shares(), RATES)
    ]
    return results, [_build_item(trial, plan) for trial in plan if trial.shares_fits_of is None]


def _build_item(trial: PlannedTrial, plan: Iterable[PlannedTrial]) -> WorkItem:
    return WorkItem(trial, tuple(range(trial.fits)), tuple(t for t in plan if t.shares_fits_of == trial.id))


def measure(item: WorkItem, results: Results) -> float:
    """Seconds that the item's folds took, with the tests of the trials that share them."""
    folds = results.records.folds
    return sum(folds[trial.id, fold].fit_seconds for trial in item.trials for fold in item.folds)


def simulate(study: str, results: Results, work: Sequence[WorkItem], slots: int) -> list[Makespan]:
    """A row for each way to share the work out."""
    nodes = [{"CPU": float(slots)}]
    smallest = [measure(item, results) for item in spread(work, nodes, "fold")]
    best = max(sum(smallest) / slots, *smallest)
    rows = []
    for shard in SHARDS:
        items = spread(work, nodes, shard)
        seconds = predict_makespan([measure(item, results) for item in items], slots)
        rows.append(Makespan(study, slots, shard, len(items), seconds, best))
    return rows


def describe(rows: Sequence[Makespan], fits: dict[str, tuple[int, float]]) -> str:
    """The table and what it was made from."""
    lines = ["# How long studies take on so many slots", "", (__doc__ or "").split("\n\n")[2].replace("\n", " "), ""]
    lines += [f"- {name}: {n} recorded fits, {spell_seconds(seconds)} in all" for name, (n, seconds) in fits.items()]
    lines += build_machine_lines(build_machine("benchmarks.makespan"))
    heads = [f"{shard}: items | to best" for shard in SHARDS]
    lines += ["", f"| study | slots | best possible | {' | '.join(heads)} |", f"| --- |{' ---: |' * 8}"]
    for place in range(0, len(rows), len(SHARDS)):
        first, *_ = group = rows[place : place + len(SHARDS)]
        cells = [f"{row.items} | {row.ratio:.2f}" for row in group]
        lines.append(f"| {first.study} | {first.slots:,} | {spell_seconds(first.best)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.makespan", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS / "benchmarks" / "makespan.md")
    options = parser.parse_args()
    rows, fits = [], {}
    for study in STUDIES:
        results, work = read_work(RESULTS / study)
        lengths = [measure(item, results) for item in spread(work, [], "fold")]
        fits[study] = sum(item.trial.fits * len(item.trials) for item in work), sum(lengths)
        for slots in SLOTS:
            rows += simulate(study, results, work, slots)
    options.out.write_text(describe(rows, fits), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
