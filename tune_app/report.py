"""python -m tune_app.report results/quick: everything again from a folder's records, without Ray or torch.

With two folders it compares their results and writes nothing.
"""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from tune_app.data.caches import ensure_home
from tune_app.session.output import find_obstacle, steady_output


@steady_output()
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for a folder that cannot be read or written."""
    ensure_home()
    if obstacle := find_obstacle():
        print(obstacle, file=sys.stderr)
        return 2
    from rich.console import Console  # here: what draws figures needs a home and docstrings

    from tune_app.errors import TuneAppError
    from tune_app.session.comparison import compare_results
    from tune_app.session.results import read_results
    from tune_app.session.resume import spell_damaged

    called = Path(sys.argv[0]).name
    command = called if called == "tune-report" else "python -m tune_app.report"
    parser = argparse.ArgumentParser(prog=command, description=__doc__)
    parser.add_argument("folder", type=Path, help="a results folder, such as results/quick")
    parser.add_argument("other", type=Path, nargs="?", help="a second one to compare it with; nothing is written then")
    parser.add_argument("--open", action="store_true", help="open the page in a browser afterwards")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        if options.other:
            console.print(compare_results(options.folder, options.other), highlight=False)
            return 0
        results = read_results(options.folder)
        page = results.write(options.folder, sources=False)
    except TuneAppError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    if results.stored.damaged:
        found = spell_damaged(results.stored.damaged)
        print(f"The records have damaged lines, whose fits are missing below: {found}.", file=sys.stderr)
    console.print(results)
    console.print(f"Tables: {options.folder}\nPage: {page}", highlight=False, soft_wrap=True)
    if options.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
