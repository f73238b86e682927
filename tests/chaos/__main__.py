"""python -m tests.chaos: seeded faults, one after the other; what came of them goes to results/reliability/."""

import argparse
import signal
import sys
from pathlib import Path

from tests.chaos.lab import ROOT, hold_folder
from tests.chaos.many_fits import run_long_study
from tests.chaos.report import build_command, write_report
from tests.chaos.rounds import Round, build_tables, run_round


def main() -> int:
    """Exit code 0 if every command that was disturbed ended with the tables of an undisturbed one."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=50, metavar="N", help="how many; default 50")
    parser.add_argument("--seeds", metavar="N,…", help="those of these seeds alone; nothing is written")
    parser.add_argument("--fits", type=int, default=500, metavar="N", help="of the long study; 0 leaves it out")
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "reliability", metavar="FOLDER")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # with all that it has started
    seeds = [int(seed) for seed in options.seeds.split(",")] if options.seeds else list(range(options.faults))
    with hold_folder() as folder:
        tables = build_tables(folder)
        rounds = []
        for seed in seeds:
            rounds.append(run_round(seed, tables, folder))
            _say(rounds[-1], folder if options.seeds else None)
        long = None
        if options.fits and not options.seeds:
            long = run_long_study(options.fits, folder)
            print(long, flush=True)
    if not options.seeds:
        write_report(options.results, rounds, long, build_command(sys.argv[1:]))
        print(f"Written: {options.results / 'README.md'}")
    return 0 if all(each.is_well for each in rounds) and (long is None or long.is_well) else 1


def _say(each: Round, logs: Path | None) -> None:
    told = each.skipped or f"{each.first} then {each.second}, {'identical' if each.identical else 'OTHER TABLES'}"
    print(f"{each.seed}: {each.fault} ({each.where}, at {each.moment}): {told}, {each.seconds:.0f} s", flush=True)
    for problem in each.problems:
        print(f"   {problem}", flush=True)
    if logs and each.problems:
        for name in ("first.log", "second.log"):
            path = logs / str(each.seed) / name
            print(f"--- {name}\n{path.read_text(errors='replace')[-3000:]}" if path.exists() else "", flush=True)


if __name__ == "__main__":
    sys.exit(main())
