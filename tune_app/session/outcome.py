"""What a run left, and the sentences that say what is not done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tune_app.monitor.terminal import shorten_path
from tune_app.records import FoldRecord
from tune_app.session.output import quote_argument
from tune_app.study import Study

if TYPE_CHECKING:
    from tune_app.session.results import Results
    from tune_app.session.session import Session


MOST_NAMED = 6  # fits of one error


@dataclass(frozen=True)
class Outcome:
    """What a run left: results, the folder of its tables, and what is not done.

    `wanted` is the folder that the tables should have gone to, `failed` are the records of failed fits, `unkept` the
    trials whose best network could not be saved in `weights`. `lost` says what became of the cluster where that ended
    the run, which is then `interrupted`, too. `written` is false where the tables were up to
    date; `undrawn` are sentences on figures that could not be drawn.
    """

    results: "Results"
    folder: Path
    wanted: Path
    weights: Path
    fits: int
    missing: int
    failed: tuple[FoldRecord, ...]
    unkept: tuple[str, ...]
    interrupted: bool
    written: bool
    undrawn: tuple[str, ...] = ()
    lost: str = ""
    took: tuple[str, ...] = ()  # lines on predicted and actual time, where something ran

    @property
    def page(self) -> Path:
        from tune_app.export.page import PAGE_FILE  # here, because it takes the figures along

        return self.folder / PAGE_FILE

    @property
    def done(self) -> int:
        """Fits completed, in this run or before."""
        return self.fits - self.missing

    def _describe_failures(self) -> list[str]:
        """A line for each error, with the fits that it ended: one mistake often ends many."""
        alike: dict[str, list[FoldRecord]] = {}
        for record in self.failed:
            alike.setdefault(f"{record.error_type}: {record.error_message}", []).append(record)
        return [f"{name_fits(records, self.results.study)} failed, {error}" for error, records in alike.items()]

    def describe(self, again: str) -> list[str]:
        """Where the tables are, what failed and what is left; `again` is what a user writes to resume."""
        lines = []
        if self.folder != self.wanted:
            lines.append(
                f"{self.wanted} holds records that this run lacks or cannot read, so its tables are in {self.folder}; "
                f"add to the former with --continue-from {quote_argument(str(self.wanted))}, or give an "
                "edited study another name."
            )
        state = "" if self.written else " (up to date)"
        lines.append(f"Tables and page{state}: {shorten_path(self.page)}")
        lines += [*self.undrawn, *self.took]
        if self.unkept:
            lines.append(
                f"{len(self.unkept)} networks could not be kept in {self.weights}, {self.unkept[0]} among them: free "
                "some space and run the same command again."
            )
        lines += self._describe_failures()
        if self.lost:
            lines.append(describe_loss(self.lost, self.done, self.fits, again))
        elif self.interrupted:
            lines.append(f"Interrupted: {self.done} of {self.fits} fits are done and on disk. Resume with:\n  {again}")
        elif self.failed:
            lines.append(f"{len(self.failed)} fits failed; the same command runs them again.")
        return lines


def name_fits(records: Sequence[FoldRecord], study: Study) -> str:
    """The fits by their conditions and folds, such as `CNN+BN, fold 1/4`; of many the first, and how many follow."""
    several = any(trial.spec.replicate for trial in study.grid_trials())
    specs = {trial.spec.id: trial.spec for trial in study.grid_trials()}
    named = []
    for record in records[:MOST_NAMED]:
        spec = specs[record.trial]
        replicate = f", replicate {record.replicate + 1}" if several else ""
        named.append(f"{study.labelling.label(spec.condition)}{replicate}, fold {record.fold + 1}/{spec.folds}")
    more = len(records) - len(named)
    return "; ".join(named) + (f" and {more} more fits" if more else "")


def show(session: "Session", outcome: Outcome) -> None:
    """Print the tables, and what is not done."""
    if session.console:
        from tune_app.session.results import build_summary

        selected = {spec.id for spec in session.specs} if session.options.only else None
        session.console.print(build_summary(outcome.results, selected))
    for line in outcome.describe(session.options.command):
        session.report(line)


def describe_loss(sentence: str, done: int, fits: int, again: str) -> str:
    """What became of the cluster, what is done, and how a user goes on."""
    return f"{sentence} {done} of {fits} fits are done and on disk. Resume with:\n  {again}"
