"""python -m tune_app.report results/quick: everything again from a folder's records, without Ray or torch.

With several folders it compares their results, on a page of its own. With --verify it checks a folder, and writes
nothing.
"""

import argparse
import contextlib
import gc
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tune_app.session.output import EXIT_BAD_INPUT, as_command

if TYPE_CHECKING:
    from rich.console import Console

EXIT_WRONG = 1


def build_parser() -> argparse.ArgumentParser:
    """Every option of the command."""
    called = Path(sys.argv[0]).name
    command = called if called == "tune-report" else "python -m tune_app.report"
    parser = argparse.ArgumentParser(prog=command, description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, help="a results folder, such as results/quick")
    add("others", type=Path, nargs="*", metavar="other", help="others to compare it with")
    beside = "where the comparison's page and CSV files go; default results/A-and-B, after the names of the folders"
    add("--to", type=Path, metavar="FOLDER", help=beside)
    two_way = "a two-way table more, such as rows=regularizer columns=folds (metric=test_loss); may be given again"
    add("--table", nargs="+", action="append", default=[], metavar="KEY=FACTOR", help=two_way)
    add("--open", action="store_true", help="open the page in a browser afterwards")
    add("--verify", action="store_true", help="check records, ids and tables instead; nothing is written")
    add("--rerun", type=int, default=0, metavar="N", help="--verify: train so many fits again, drawn at random")
    add("--seed", type=int, default=0, help="--rerun: of the draw; default 0")
    own = "--rerun: the study file beside which a study's own parts lie; their code runs"
    add("--study", type=Path, metavar="FILE", help=own)
    allowed = "--rerun: a package that the study's references may lead to, such as sklearn"
    add("--allow", action="append", default=[], metavar="PACKAGE", help=allowed)
    add("--data", type=Path, metavar="FOLDER", help="--rerun: where data sets are unpacked, as of tune-grid")
    return parser


@as_command
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, 2 for a folder that cannot be read or written, with --verify 1 where something is wrong."""
    from rich.console import Console, Group  # here: what draws figures needs a home and docstrings

    from tune_app.errors import TuneAppError
    from tune_app.export.tables.terminal import render_titled
    from tune_app.monitor.waiting import say_on_stderr, say_while
    from tune_app.session.results import read_results
    from tune_app.session.resume import spell_damaged
    from tune_app.study.tables import find_tables

    parser = build_parser()
    options = parser.parse_args(arguments)
    if problem := _find_problem(options):
        parser.error(problem)
    console = Console()
    try:
        if options.verify:
            return _verify(options)
        if options.others:
            page = _compare(options, console)
            if options.open:
                webbrowser.open(page.resolve().as_uri())
            return 0
        made = f"Tables, figures and page of {options.folder} are being made"
        with say_while(say_on_stderr, made), _without_collections():
            results = read_results(options.folder)
            choices = find_tables(results.study, options.table)
            page = results.write(options.folder, sources=False, tables=choices)
            shown = results.__rich__()
            two_way = results.build_tables(choices)[len(results.study.tables) :]
    except TuneAppError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    if results.stored.damaged:
        found = spell_damaged(results.stored.damaged)
        print(f"The records have damaged lines, whose fits are missing below: {found}.", file=sys.stderr)
    console.print(shown)
    for table in two_way:
        console.print(Group(*render_titled(table)), highlight=False)
    console.print(f"Tables: {options.folder}\nPage: {page}", highlight=False, soft_wrap=True)
    if options.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """No garbage is looked for: with a hundred thousand records that takes a tenth of the time, and finds little."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _find_problem(options: argparse.Namespace) -> str:
    """A sentence on options that do not go together, empty where they do."""
    if options.verify and (options.others or options.open):
        return "--verify checks one folder and writes no page; leave the second folder and --open out"
    if options.table and (options.others or options.verify):
        return "--table is of one folder's tables; leave the other folders and --verify out"
    if options.to and not options.others:
        return "--to is for a comparison; name two folders or more"
    if options.rerun and not options.verify:
        return "--rerun is for --verify; add that, or leave it out"
    if options.rerun < 0:
        return f"--rerun {options.rerun}: a number of fits is 0 or more"
    return ""


def _compare(options: argparse.Namespace, console: "Console") -> Path:
    """Print the comparison and write its page, whose path is returned."""
    from tune_app.session.comparison import compare_results

    comparison = compare_results(options.folder, *options.others)
    names = [path.resolve().name for path in (options.folder, *options.others)]
    page = comparison.write(options.to or Path("results") / "-and-".join(names))
    console.print(comparison, highlight=False)
    console.print(f"Page: {page}", highlight=False, soft_wrap=True)
    return page


def _verify(options: argparse.Namespace) -> int:
    """Check the folder, a line for each check."""
    from tune_app.session.verification import verify_results

    found = verify_results(
        options.folder,
        rerun=options.rerun,
        seed=options.seed,
        study=options.study,
        allow=options.allow,
        data=options.data,
        report=partial(print, flush=True),
    )
    wrong = len(found.problems)
    print("Nothing is wrong." if not wrong else f"{wrong:,} thing{'s are' if wrong > 1 else ' is'} wrong.")
    return 0 if found.is_right else EXIT_WRONG


if __name__ == "__main__":
    sys.exit(main())
