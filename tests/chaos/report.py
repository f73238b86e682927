"""What came of the faults, as a table and a page of Markdown."""

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from tests.chaos.many_fits import LongStudy
from tests.chaos.rounds import Round
from tune_app.records.environments import read_processor
from tune_app.session.environment import count_cpus

PLACES = {"ray": "Ray", "inline": "inline", "nodes": "Ray, two nodes"}


def write_report(folder: Path, rounds: Sequence[Round], long: LongStudy | None, command: str) -> None:
    """`faults.csv` and `README.md`; the folder is created."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "faults.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        names = [each.name for each in fields(Round)]
        table.writerow(names)
        for each in rounds:
            row = asdict(each) | {"seconds": round(each.seconds, 1), "problems": "; ".join(each.problems)}
            table.writerow([row[name] for name in names])
    (folder / "README.md").write_text(_build_page(rounds, long, command), encoding="utf-8")


def _build_page(rounds: Sequence[Round], long: LongStudy | None, command: str) -> str:
    tried = [each for each in rounds if not each.skipped]
    identical, well = sum(each.identical for each in tried), sum(each.is_well for each in tried)
    codes = sum(each.second == 0 for each in tried)
    lines = [
        "# What faults cost",
        "",
        f"`{command}`, {time.strftime('%Y-%m-%d')}, {read_processor()}, {count_cpus()} cores, n = {len(tried)} faults.",
        "",
        "Each fault happens to a study of 6 fits on scikit-learn's digits, at a moment that its seed chooses. The same",
        "command is run again, and its tables are compared with those of an undisturbed study: every column but times,",
        "hosts and what the plan predicts, byte for byte.",
        "",
        f"- **{identical} of {len(tried)}** ended with the tables of the undisturbed study, {codes} with exit code 0.",
        f"- **{well} of {len(tried)}** were well in all else, too: no traceback, no process that goes on after its",
        "  command, no file in the temporary folder after a command that ended, and at most those of one run after one",
        "  that was killed.",
        "",
        "| fault | where | n | identical | first exit codes |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    kinds = dict.fromkeys((each.fault, each.where) for each in rounds)
    for fault, where in kinds:
        of_kind = [each for each in tried if (each.fault, each.where) == (fault, where)]
        first = ", ".join(sorted({"hung" if each.first is None else str(each.first) for each in of_kind}))
        same = sum(each.identical for each in of_kind)
        lines.append(f"| {fault} | {PLACES[where]} | {len(of_kind)} | {same} | {first or 'skipped'} |")
    lines += ["", "Exit codes below 0 are the signals that ended the command. Each fault is a row of `faults.csv`.", ""]
    if skipped := [each for each in rounds if each.skipped]:
        lines += [f"{len(skipped)} were skipped: {skipped[0].skipped}.", ""]
    if problems := [(each.seed, problem) for each in tried for problem in each.problems]:
        lines += ["## What went wrong", "", *(f"- seed {seed}: {problem}" for seed, problem in problems), ""]
    return "\n".join(lines + (_build_long(long) if long else []))


def _build_long(long: LongStudy) -> list[str]:
    return [
        f"## {long.fits} fits of which every twentieth raises",
        "",
        f"{long.failed} fits failed in the first command (exit code {long.first}); after one more (exit code",
        f"{long.second}) {long.done} of {long.fits} were done. Both took {long.seconds / 60:.0f} minutes on Ray. The",
        f"driver held {long.early_mib:.0f} MiB with a fifth of the fits, {long.late_mib:.0f} MiB with the last ones.",
        "",
    ]


def build_command(arguments: Sequence[str]) -> str:
    """As it is typed at the top of the checkout."""
    return " ".join(["make chaos", *([f'ARGS="{" ".join(arguments)}"'] if arguments else [])])
