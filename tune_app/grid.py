"""python -m tune_app.grid [study]: plan a study, run what its records lack, export its tables.

Exit codes: 0 every fit completed, 1 some fits failed or the cluster was lost, 2 bad input, 130 interrupted.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tune_app.session.output import EXIT_BAD_INPUT, as_command, join_command, quote_argument
from tune_app.study.file import SHIPPED

if TYPE_CHECKING:
    from rich.console import Console

    from tune_app.session.session import Session

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


def build_parser() -> argparse.ArgumentParser:
    """Every option of the command."""
    parser = argparse.ArgumentParser(
        prog=_name_command(),
        description="Run a study: every condition of its grid, cross-validated, in parallel; then export its tables.",
        epilog="`init FOLDER` writes a study of your own to start from; `list` shows what a study can name.",
    )
    add = parser.add_argument
    shipped = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.yaml")))
    add("study", nargs="?", default="quick", help=f"one that ships ({shipped}) or a YAML file; default quick")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, such as recipe.epochs=1")
    two_way = "a two-way table more, such as rows=regularizer columns=folds (metric=test_loss); may be given again"
    add("--table", nargs="+", action="append", default=[], metavar="KEY=FACTOR", help=two_way)
    only = "run a part of the grid, such as model=cnn,folds=4; may be given more than once"
    add("--only", action="append", metavar="FACTOR=LEVEL,…", help=only)
    add("--check", action="store_true", help="import, probe and price without running anything")
    add("--dry-run", action="store_true", help="print the plan and start nothing")
    add("--fresh", action="store_true", help="start over; the old records are kept beside the new ones")
    add("--same-code", action="store_true", help="state that changed networks or data make no difference")
    add(
        "--rerun-changed",
        action="store_true",
        help="run the fits again whose networks or data have changed; score anew by changed metrics",
    )
    add(
        "--allow",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="a package, besides modules beside the study, that its references may lead to, such as sklearn",
    )
    add("--pilot", metavar="FOLDER", help="--dry-run: results of a pilot study, whose spread the outlook goes by")
    add("--assume-sd", type=float, metavar="SD", help="--dry-run: a spread of scores to assume, such as 0.004")
    add("--until-decided", action="store_true", help="run more replicates until each claim is decided or futile")
    add("--budget", metavar="TIME", help="with --until-decided: how long these may take in all, such as 2h or 90m")
    add("--max-replicates", type=int, metavar="N", help="with --until-decided: those of the last look; default 30")
    kept = "keep fits that are predicted to take so long after each epoch, to go on from there; default 10m"
    add("--checkpoint-after", default="10m", metavar="TIME", help=kept)
    add("--continue-from", metavar="FOLDER", help="take over the records of a results folder first")
    add(
        "--keep", choices=("none", "best"), default="none", help="save each trial's best network by validation accuracy"
    )
    add("--watch", action="store_true", help="serve the page of the running study to browsers of this machine")
    add("--watch-port", type=int, metavar="N", help="--watch: at this port or the next free one; default 8280")
    _add_places(parser)
    add("--runs", default="runs", metavar="FOLDER", help="where records and event files go; default ./runs")
    add("--results", default="results", metavar="FOLDER", help="where tables go; default ./results")
    add(
        "--data",
        metavar="FOLDER",
        help="where data sets are unpacked; default $TUNE_APP_DATA, else the user's cache folder",
    )
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    """Options of where trials run, and what each gets of it."""
    add = parser.add_argument
    add("--executor", choices=("ray", "inline"), default="ray", help="actors on Ray Tune, or this process; default ray")
    add("--address", help="a Ray cluster to use instead of this machine, such as auto or 10.0.0.1:6379")
    add("--mixed-versions", action="store_true", help="--address: admit nodes with other versions than here")
    add("--no-dashboard", dest="dashboard", action="store_false", help="do without Ray's page on this machine")
    add("--cpus-per-trial", type=float, metavar="N", help="share of a node's cores for each trial; default 1")
    add("--gpus-per-trial", type=float, metavar="N", help="share of a GPU for each trial; default by memory")
    add(
        "--shard",
        choices=("auto", "trial", "fold"),
        default="auto",
        help="run each trial, or each fold, by itself; default: folds where slots would else be idle at the end",
    )
    add(
        "--report-within",
        metavar="TIME",
        help="end what reports nothing for so long, such as 30m, and run it again; default by the plan, at least 15m",
    )
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="default: a GPU for trials with a share of one",
    )


@as_command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is the module's docstring's."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["init"], ["list"]):
        return _run_subcommand(given[0], given[1:])
    options = build_parser().parse_args(given)
    begun = _find_begin(is_own=arguments is None)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    phase = "Interrupted before anything started."
    session: Session | None = None
    try:
        from tune_app.errors import TuneAppError
        from tune_app.session.interrupts import terminate_as_interrupt

        with terminate_as_interrupt():
            try:
                refuse_together(options)
                session = _build_session(options, begun)
                if options.check:
                    return _check(session)
                return _dry_run(session) if options.dry_run else _run(session)
            except TuneAppError as error:
                name = type(error).__name__
                for line in str(error).splitlines():  # an indented one belongs to a traceback of the user's code
                    print(line if line.startswith("    ") else f"{name}: {line}", file=sys.stderr)
                return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        _end_in_peace(arguments)
        print(session.phase if session else phase, file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        _end_in_peace(arguments)


def _end_in_peace(arguments: Sequence[str] | None) -> None:
    """Where this process is the command's own, let another Ctrl-C not break off Python's end with a traceback."""
    from tune_app.session.interrupts import ignore_interrupts

    if arguments is None:
        ignore_interrupts()


def _run_subcommand(name: str, arguments: Sequence[str]) -> int:
    """`init FOLDER` writes a study that runs as it stands; `list` shows what a study can name."""
    from tune_app.errors import TuneAppError

    parser = argparse.ArgumentParser(prog=f"{_name_command()} {name}")
    if name == "init":
        parser.add_argument("folder", type=Path, help="a new or empty folder, which the study is named after")
    options = parser.parse_args(arguments)
    try:
        if name == "init":
            from tune_app.session.scaffold import write_scaffold

            written = write_scaffold(options.folder)
            print(f"Wrote {', '.join(path.name for path in written)} to {options.folder}. Run it with:")
            print(f"  cd {quote_argument(str(options.folder))} && tune-grid study.yaml")
        else:
            from tune_app.session.listing import describe_parts

            print(describe_parts())
    except TuneAppError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def refuse_together(options: argparse.Namespace) -> None:
    """Raise StudyError for options that make no sense together."""
    from tune_app.errors import StudyError

    for name in ("check", "dry_run"):
        if options.watch and getattr(options, name):
            other = f"--{name.replace('_', '-')}"
            raise StudyError(f"--watch shows a study while it runs, and {other} runs nothing; leave one of them out")


def _check(session: "Session") -> int:
    """Import, probe and price the study's parts; nothing is run."""
    plan = session.check()
    print(f"{session.study.name}: nothing is wrong. {plan.describe()}.")
    for line in plan.describe_aliases():
        print(line)
    return 0


def _find_begin(is_own: bool) -> float:
    """When the user began to wait, by `time.monotonic`: with this process, where that is the command's own."""
    from tune_app.session.age import read_age

    return time.monotonic() - (read_age() if is_own else 0.0)


def _build_session(options: argparse.Namespace, begun: float) -> "Session":
    from rich.console import Console

    from tune_app.session.options import OptionValues, build_options
    from tune_app.session.session import Session
    from tune_app.session.studies import find_study
    from tune_app.study.tables import build_override, parse_table

    console = Console()
    again = " ".join(quote_argument(argument) for argument in sys.argv[1:] if argument != "--fresh")
    chosen = {name: getattr(options, name) for name in OptionValues.__annotations__}
    only = ",".join(options.only) if options.only else None
    tables = [build_override(parse_table(texts)) for texts in options.table]
    return Session(
        find_study(options.study, [*options.set, *tables], options.allow),
        build_options(only, **chosen, command=f"{_name_command()} {again}".strip()),
        lambda line: _say(console, line),
        console,
        begun=begun,
    )


def _dry_run(session: "Session") -> int:
    """Print the plan; the exit code is that of a plan that can be run."""
    from rich.console import Console

    from tune_app.export.tables.outlook import build_outlook_lines
    from tune_app.monitor.waiting import say_on_stderr, say_while
    from tune_app.session.outlook import describe_left, look_ahead

    console = session.console or Console()
    with say_while(say_on_stderr, "The plan is being made", first=1.5):
        plan = session.make_plan()
        _ = plan.phases  # simulates a schedule: of tens of thousands of trials that takes seconds
        records = session.find_records()
        outlook = build_outlook_lines(look_ahead(session, plan, records))
        left = describe_left(session, plan, records)
    wide = console if console.is_terminal else Console(width=max(console.width, 120))
    wide.print(plan, highlight=False)
    for line in filter(None, (left, *outlook)):
        wide.print(line, highlight=False)
    if session.options.until_decided:
        from tune_app.session.until_decided import describe_course

        wide.print(describe_course(session, plan), highlight=False)
    if not session.options.address:
        plan.check_shares()
    session.check_origin()
    return 0


def _run(session: "Session") -> int:
    """Run the study, print its tables and what is not done."""
    from tune_app.session.outcome import show

    try:
        outcome = session.run()
        show(session, outcome)
    finally:
        session.close()
    if outcome.interrupted and not outcome.lost:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if outcome.lost or outcome.failed else 0


def _say(console: "Console", line: str) -> None:
    """Print a line; in a terminal words wrap, and commands, which are indented, are never broken."""
    is_fitting = not console.is_terminal or len(line) - 2 <= console.width
    for part in [join_command(line)] if is_fitting else line.splitlines():
        is_whole = part.startswith("  ") or not console.is_terminal
        console.print(part, markup=False, highlight=False, soft_wrap=is_whole)


def _name_command() -> str:
    """The command as the user called it."""
    name = Path(sys.argv[0]).name
    return name if name == "tune-grid" else "python -m tune_app.grid"


if __name__ == "__main__":
    sys.exit(main())
