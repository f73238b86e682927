"""What a notebook calls: a study run, a study planned."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from tune_app.errors import ClusterError
from tune_app.monitor import Monitor
from tune_app.monitor.terminal import build_console
from tune_app.session.interrupts import terminate_as_interrupt
from tune_app.session.options import OptionValues, build_options
from tune_app.session.output import join_command
from tune_app.session.results import Results
from tune_app.session.session import Session
from tune_app.session.studies import find_study
from tune_app.study import Study

if TYPE_CHECKING:
    from tune_app.session.planning import Plan

logger = logging.getLogger("tune_app")
Only = Mapping[str, Any] | str


def run_study(
    study: Study | str | Path,
    *,
    overrides: Sequence[str] = (),
    only: Only | None = None,
    progress: bool = True,
    callbacks: Sequence[Monitor] = (),
    **options: Unpack[OptionValues],
) -> Results:
    """Run what a study's records lack, write its results folder, and return its results.

    `study` is a `Study`, the name of one that ships, or the path of a YAML file; `overrides` are such as
    `recipe.epochs=1`; `only` selects levels, such as {"model": "cnn"}; `options` are those of `RunOptions`, such as
    `executor="inline"`. `callbacks` see every event (`tune_app.Callback`). Without `progress` nothing is printed: the
    lines go to the logger `tune_app`, at level INFO.

    A failed fit is a row of the results, not an exception. On KeyboardInterrupt everything finished is on disk and
    exported before the interrupt comes out, and the same call resumes; so it is with the ClusterError of a cluster that
    is lost. Raises a TuneAppError for bad input before anything starts, and where a disk or a folder refuses.
    """
    say, console = (print, build_console()) if progress else (logger.info, None)

    def report(line: str) -> None:
        say(join_command(line))

    session = Session(
        find_study(study, overrides, options.get("allow", ())),
        build_options(only, **options),
        report,
        console,
        callbacks,
    )
    with terminate_as_interrupt(), closing(session):
        outcome = session.run()
    for line in outcome.describe("the same call"):
        report(line)
    if outcome.lost:
        raise ClusterError(f"{outcome.lost} {outcome.done} of {outcome.fits} fits are done and on disk")
    if outcome.interrupted:
        raise KeyboardInterrupt(f"{outcome.done} of {outcome.fits} fits are done and on disk")
    return outcome.results


def build_plan(
    study: Study | str | Path,
    *,
    overrides: Sequence[str] = (),
    only: Only | None = None,
    **options: Unpack[OptionValues],
) -> "Plan":
    """Every trial of the study with its predicted cost and its share, on this machine; nothing is started.

    The arguments are those of `run_study`. Raises a TuneAppError for bad input; `Plan.check_shares` says whether a node
    can hold every trial.
    """
    return Session(find_study(study, overrides, options.get("allow", ())), build_options(only, **options)).make_plan()
