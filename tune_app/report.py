"""python -m tune_app.report results/quick: make everything anew from a folder's records, without Ray or torch.

With two folders it holds their studies side by side and writes nothing.
"""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tune_app.analysis.comparison import build_changes, build_comparison
from tune_app.errors import TuneAppError
from tune_app.export.folder import check_writable, write_results
from tune_app.export.page import PAGE_FILE
from tune_app.export.tables.comparison import build_comparison_tables
from tune_app.export.tables.document import build_terminal_tables
from tune_app.export.tables.terminal import render_terminal
from tune_app.records.results import Results, read_results


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for a folder that cannot be read or written."""
    parser = argparse.ArgumentParser(prog="python -m tune_app.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="a results folder, such as results/quick")
    parser.add_argument("other", type=Path, nargs="?", help="a second one to compare it with; nothing is written then")
    parser.add_argument("--open", action="store_true", help="open the page in a browser afterwards")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        results = read_results(options.folder)
        if options.other:
            _compare(console, results, options.folder, options.other)
            return 0
        check_writable(options.folder)
        write_results(options.folder, results, sources=False)
    except TuneAppError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    for table in build_terminal_tables(results):
        console.print(table)
    page = options.folder / PAGE_FILE
    console.print(f"Tables: {options.folder}\nPage: {page}", highlight=False, soft_wrap=True)
    if options.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


def _compare(console: Console, first: Results, folder: Path, other: Path) -> None:
    second = read_results(other)
    settings = [{"study": results.study.model_dump(mode="json")} for results in (first, second)]
    origins = [_describe_origin(results) for results in (first, second)]
    changes = build_changes(settings[0] | origins[0], settings[1] | origins[1])
    console.print(f"A: {folder}\nB: {other}", markup=False, highlight=False)
    for table in build_comparison_tables(build_comparison(first, second), changes):
        console.print(f"\n{table.title}", style="bold", highlight=False)
        console.print(*render_terminal(table))
        for note in table.notes:
            console.print(note, markup=False, highlight=False)


def _describe_origin(results: Results) -> dict[str, Any]:
    """What the run depended on besides the study; nothing if the folder does not say."""
    content = results.environment or {}
    return {name: content[name] for name in ("versions", "commit", "platform", "processor", "gpus") if name in content}


if __name__ == "__main__":
    sys.exit(main())
