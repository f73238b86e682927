"""python -m benchmarks.growth: what tables, page, plan and start cost as studies grow; nothing is trained for it.

Each point is one call of a command on a study of made-up records, of the size that its row says. Adds rows called
`--code` to `growth.csv` and builds `growth.md` from all of them, so that two commits stand side by side. Linux only.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import build_machine, build_machine_lines
from benchmarks.made_up import build_results, build_study, write_folder
from benchmarks.measure import ROOT
from tune_app.study.file import build_yaml

CSV, MARKDOWN = "growth.csv", "growth.md"
SWEEPS = {
    "conditions": "Tables and page (`tune-report`) by conditions: 2 folds of 1 epoch",
    "records": "Tables and page of 105,000 records: 500 conditions, 10 folds of 20 epochs",
    "replicates": "Tables and page by replicates: 4 conditions, 2 folds of 1 epoch",
    "plan": "A dry run",
    "resume": "All but one of the trials taken up without event files: until the first fit starts (`tune-grid`)",
}
LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Size:
    """A study: conditions × replicates trials with so many folds and epochs."""

    conditions: int
    folds: int = 2
    epochs: int = 1
    replicates: int = 1

    @property
    def trials(self) -> int:
        return self.conditions * self.replicates

    @property
    def records(self) -> int:
        return self.trials * self.folds * (self.epochs + 1)


POINTS = {
    "conditions": [Size(n) for n in (100, 500, 1000)],
    "records": [Size(500, 10, 20)],
    "replicates": [Size(4, replicates=n) for n in (25, 250)],
    "plan": [Size(20_000), Size(20, replicates=1000)],
    "resume": [Size(500)],
}


@dataclass(frozen=True)
class Cost:
    """One command: seconds of wall clock and of the processor.

    `silent_seconds` is the longest time without a line on its standard output or error.
    """

    wall_seconds: float
    cpu_seconds: float
    silent_seconds: float
    exit_code: int


def run(command: Sequence[str], until: str = "") -> Cost:
    """Run a command to its end, or until it prints `until`."""
    started = last = time.perf_counter()
    silent = 0.0
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in process.stdout or ():
        now = time.perf_counter()
        silent, last = max(silent, now - last), now
        if now - started > LIMIT_SECONDS or (until and until in line.decode(errors="replace")):
            process.terminate()
            break
    ended = time.perf_counter()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    silent = max(silent, ended - last)
    return Cost(ended - started, used.ru_utime + used.ru_stime, silent, process.returncode)


def measure(sweep: str, size: Size) -> dict[str, Any]:
    """A row of growth.csv, but for the name of the code."""
    with tempfile.TemporaryDirectory(prefix="tune_app-growth-") as place:
        folder = Path(place)
        cost = {"resume": _resume, "plan": _plan}.get(sweep, _report)(folder, size)
        page = folder / "growth" / "index.html"
        page_bytes = page.stat().st_size if page.exists() else None
        opening = measure_opening(page) if page_bytes else None
    return {
        "sweep": sweep,
        **{name: getattr(size, name) for name in ("conditions", "replicates", "folds", "epochs", "trials", "records")},
        **vars(cost),
        "page_bytes": page_bytes,
        "opening_seconds": opening,
    }


def _report(folder: Path, size: Size) -> Cost:
    write_folder(folder / "growth", build_results(_build_study(size)))
    return run([sys.executable, "-m", "tune_app.report", str(folder / "growth")])


def _plan(folder: Path, size: Size) -> Cost:
    return run([sys.executable, "-m", "tune_app.grid", str(_write_study(folder, size)), "--dry-run"])


def _resume(folder: Path, size: Size) -> Cost:
    """The records of all trials but those of the last fold are there; its fit is the one to start."""
    results = build_results(_build_study(size))
    last = results.study.grid_trials()[-1].spec
    del results.records.folds[last.id, last.folds - 1]
    write_folder(folder / "runs" / "growth", results)
    where = ["--runs", str(folder / "runs"), "--results", str(folder / "results"), "--executor", "inline"]
    command = [sys.executable, "-u", "-m", "tune_app.grid", str(_write_study(folder, size)), *where]
    return run(command, until=f"fold {last.folds}")


def _build_study(size: Size) -> Any:
    return build_study(size.conditions, size.folds, size.epochs, size.replicates)


def _write_study(folder: Path, size: Size) -> Path:
    path = folder / "growth.yaml"
    path.write_text(build_yaml(_build_study(size)))
    return path


def measure_opening(page: Path) -> float | None:
    """Seconds until Chromium has the page and its figures; None without it or the package playwright."""
    program = (
        "import shutil, sys, time\n"
        "from playwright.sync_api import sync_playwright\n"
        "path = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))))\n"
        "with sync_playwright() as api:\n"
        "    browser = api.chromium.launch(executable_path=path, args=['--no-sandbox'])\n"
        "    page = browser.new_page()\n"
        "    page.set_default_timeout(300_000)\n"
        "    started = time.perf_counter()\n"
        "    page.goto(sys.argv[1])\n"
        "    page.wait_for_selector('html[data-ready]')\n"
        "    print(time.perf_counter() - started)\n"
    )
    found = subprocess.run([sys.executable, "-c", program, page.as_uri()], capture_output=True, text=True)
    return float(found.stdout) if found.returncode == 0 else None


def build_markdown(rows: pd.DataFrame, machine: dict[str, Any]) -> str:
    """The whole of growth.md."""
    lines = [
        "# How tables, page and plan grow",
        "",
        "Records are made up (`benchmarks/made_up.py`: the CNN on digits, predictions of 360 test images); a row is "
        "one call (n = 1). *Silence* is the longest time "
        "without a line; *opens in* the time until Chromium has drawn the page.",
        "",
        *build_machine_lines(machine),
        "",
    ]
    for sweep, title in SWEEPS.items():
        chosen = rows[rows["sweep"] == sweep]
        if len(chosen):
            order = chosen.sort_values(["conditions", "replicates", "records"], kind="stable")
            table = pd.DataFrame([_spell(row) for row in order.to_dict("records")]).to_markdown(
                index=False, disable_numparse=True
            )
            lines += [f"## {title}", "", str(table), ""]
    return "\n".join(lines)


def _spell(row: dict[Any, Any]) -> dict[str, str]:
    page, opening = row["page_bytes"], row["opening_seconds"]
    return {
        "conditions": f"{row['conditions']:,}",
        "trials": f"{row['trials']:,}",
        "records": f"{row['records']:,}",
        "code": row["code"],
        "wall, s": f"{row['wall_seconds']:.1f}",
        "CPU, s": f"{row['cpu_seconds']:.1f}",
        "silence, s": f"{row['silent_seconds']:.1f}",
        **({} if pd.isna(page) else {"page, MB": f"{page / 1e6:.1f}"}),
        **({} if pd.isna(opening) else {"opens in, s": f"{opening:.1f}"}),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    add = parser.add_argument
    add("--sweeps", nargs="+", choices=tuple(SWEEPS), default=tuple(SWEEPS), help="default: all")
    add("--most-trials", type=int, default=20_000, help="leave out larger studies")
    add("--code", default="after", help="what the rows are called; earlier rows of that name are replaced")
    add("--out", type=Path, default=ROOT / "results" / "benchmarks", metavar="FOLDER", help="where the tables go")
    options = parser.parse_args(arguments)
    path = options.out / CSV
    rows: list[dict[Any, Any]] = pd.read_csv(path).to_dict("records") if path.exists() else []
    for sweep in options.sweeps:
        for size in [size for size in POINTS[sweep] if size.trials <= options.most_trials]:
            row = {"code": options.code, **measure(sweep, size)}
            same = ("code", "sweep", "conditions", "replicates", "records")
            rows = [each for each in rows if any(each[name] != row[name] for name in same)] + [row]
            print({name: value for name, value in row.items() if name in same or "seconds" in name}, flush=True)
            options.out.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_csv(path, index=False)
    text = build_markdown(pd.read_csv(path), build_machine("benchmarks.growth"))
    (options.out / MARKDOWN).write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
