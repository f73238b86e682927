"""The display in the terminal: live tables where there is a terminal, plain lines where there is none."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tune_app.records import EpochRecord, FoldRecord, Record

if TYPE_CHECKING:
    from tune_app.plan.work import WorkItem


@dataclass(frozen=True)
class Watched:
    """What the display must know of a trial: `metric` is the primary one, `weight` the cost of one fit, in any unit."""

    name: str
    folds: int
    epochs: int
    weight: float
    share: str
    metric: str = "test_accuracy"

    @property
    def validation(self) -> str:
        """The metric on the validation part."""
        return f"validation_{self.metric.removeprefix('test_')}"


class Progress:
    """Fits done, and the time left by the predicted cost of what is left."""

    def __init__(self, trials: Mapping[str, Watched], completed: set[tuple[str, int]]) -> None:
        self.trials = trials
        self.total = sum(trial.folds for trial in trials.values())
        self.done = len(completed)
        self.failed = 0
        self._left = {(t, f) for t, trial in trials.items() for f in range(trial.folds)} - completed
        self._weight = sum(trials[trial].weight for trial, _ in self._left)
        self._weight_done = 0.0
        self._partial: dict[tuple[str, int], float] = {}
        self._started = time.monotonic()
        self._working_since: float | None = None  # a rate must not count the executor's own start

    def started(self) -> None:
        """Work has begun."""
        self._working_since = self._working_since or time.monotonic()

    def record(self, record: Record) -> None:
        key = record.trial, record.fold
        watched = self.trials[record.trial]
        if isinstance(record, EpochRecord):
            self._partial[key] = watched.weight * record.epoch / watched.epochs
            return
        self._partial.pop(key, None)
        if key in self._left:
            self._left.discard(key)
            self._weight_done += watched.weight
            self.done += record.status == "completed"
            self.failed += record.status == "failed"

    def describe(self, record: FoldRecord) -> str:
        """One line for a fit that ended."""
        watched = self.trials[record.trial]
        return describe_fit(record, watched.name, watched.folds, watched.metric)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def remaining(self) -> float | None:
        """Seconds left, None before anything is known."""
        done = self._weight_done + sum(self._partial.values())
        if not done or self._working_since is None:
            return None
        return (time.monotonic() - self._working_since) * (self._weight - done) / done


class PlainMonitor:
    """A line for each fit that ends."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress

    def item_started(self, item: "WorkItem") -> None:
        self._progress.started()
        self._say(f"started {item.name} on {self._progress.trials[item.trial.id].share}")

    def record(self, record: Record) -> None:
        self._progress.record(record)
        if isinstance(record, FoldRecord):
            progress = self._progress
            left = "" if progress.remaining is None else f", {spell_seconds(progress.remaining)} left"
            count = f"{progress.done}/{progress.total}"
            self._say(f"[{count}] {self._progress.describe(record)}{left}")

    def item_ended(self, item: "WorkItem") -> None:
        pass

    def close(self) -> None:
        pass

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveMonitor:
    """The study's progress and a line for each running work item, redrawn in place; failures scroll by above."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._running: dict[str, WorkItem] = {}
        self._last: dict[str, Record] = {}  # by work item
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)
        self._live.start()

    def item_started(self, item: "WorkItem") -> None:
        self._progress.started()
        self._running[item.id] = item

    def record(self, record: Record) -> None:
        self._progress.record(record)
        of_trial = [item for item in self._running.values() if any(each.id == record.trial for each in item.trials)]
        # Folds that depend on each other are trained again from an earlier one, which is then none of the item's own.
        for item in [item for item in of_trial if record.fold in item.folds] or of_trial:
            self._last[item.id] = record
        if isinstance(record, FoldRecord) and record.status == "failed":
            self._console.print(Text(self._progress.describe(record), style="red"))

    def item_ended(self, item: "WorkItem") -> None:
        self._running.pop(item.id, None)
        self._last.pop(item.id, None)

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> Group:
        progress = self._progress
        head = Table.grid(padding=(0, 1))
        width = min(30, self._console.width // 5)
        left = "…" if progress.remaining is None else spell_seconds(progress.remaining)
        failed = f", {progress.failed} failed" if progress.failed else ""
        head.add_row(
            ProgressBar(total=max(progress.total, 1), completed=progress.done + progress.failed, width=width),
            f"{progress.done}/{progress.total} fits{failed}",
            f"{spell_seconds(progress.elapsed)} elapsed, {left} left",
        )
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("running trial", overflow="fold")  # the one column that may wrap: no number is cut off
        for column in ("fold", "epoch", "validation accuracy", "on"):
            table.add_column(column if self._console.width > 90 else column.replace(" ", "\n"), no_wrap=True)
        rows = max(1, self._console.size.height - 4)
        for item in list(self._running.values())[:rows]:
            table.add_row(item.name, *self._cells(item, self._last.get(item.id)))
        hidden = len(self._running) - rows
        return Group(head, table, *([Text(f"… and {hidden} more running", style="dim")] if hidden > 0 else []))

    def _cells(self, item: "WorkItem", record: Record | None) -> tuple[str, str, str, str]:
        watched = self._progress.trials[item.trial.id]
        if record is None:
            return "–", "–", "starting", watched.share
        fold = f"{record.fold + 1}/{watched.folds}"
        if isinstance(record, EpochRecord):
            return fold, f"{record.epoch}/{watched.epochs}", _spell_score(record, watched.validation), watched.share
        outcome = "failed" if record.status == "failed" else f"test {_spell_score(record, watched.metric)}"
        return fold, f"{record.epochs}/{watched.epochs}", outcome, watched.share


def _spell_score(record: Record, metric: str) -> str:
    score = record.score(metric)
    return "–" if score is None else f"{score:.4f}"


def describe_fit(record: FoldRecord, name: str, folds: int, metric: str = "test_accuracy") -> str:
    """One line for a fit that ended; `name` is the trial's, `metric` the one that is shown."""
    head = f"{name} fold {record.fold + 1}/{folds}: "
    if record.status == "failed":
        return f"{head}failed, {record.error_type}: {record.error_message}"
    return f"{head}{metric.replace('_', ' ')} {_spell_score(record, metric)} in {spell_seconds(record.fit_seconds)}"


def shorten_path(path: Path) -> str:
    """The path as seen from here, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def spell_seconds(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 05 min`."""
    seconds = max(seconds, 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def build_console() -> Console:
    """A console for this process; in a notebook that cannot redraw, one whose plain lines stay together."""
    console = Console()
    if console.is_jupyter and not _can_redraw(console):
        return Console(force_jupyter=False, force_terminal=False)  # kernels set FORCE_COLOR, which rich takes for one
    return console


def _can_redraw(console: Console) -> bool:
    if console.is_jupyter:
        return find_spec("ipywidgets") is not None  # what rich redraws with there
    # FORCE_COLOR makes any file a terminal for rich; one that is none keeps every redrawing.
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def build_display(console: Console, progress: Progress) -> PlainMonitor | LiveMonitor:
    """Live tables in a terminal, and in a notebook that can redraw them; else a line for each fit that ends."""
    return LiveMonitor(console, progress) if _can_redraw(console) else PlainMonitor(console, progress)
