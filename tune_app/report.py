"""python -m tune_app.report results/quick: make the tables anew from a folder's records, without Ray or torch."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tune_app.analysis.results import read_results
from tune_app.errors import TuneAppError
from tune_app.export.folder import check_writable, write_results
from tune_app.export.tables import build_terminal_tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for a folder that cannot be read or written."""
    parser = argparse.ArgumentParser(prog="python -m tune_app.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a results folder, such as results/quick")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        results = read_results(options.folder)
        check_writable(options.folder)
        write_results(options.folder, results)
    except TuneAppError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    for table in build_terminal_tables(results):
        console.print(table)
    console.print(f"Tables: {options.folder}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
