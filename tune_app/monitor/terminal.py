"""The display in the terminal: live tables where there is a terminal, plain lines where there is none."""

from collections import deque
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tune_app.monitor.progress import Expected, Progress, Watched
from tune_app.records import EpochRecord, FoldRecord, Record

if TYPE_CHECKING:
    from tune_app.plan.work import WorkItem

__all__ = ["Expected", "LiveMonitor", "PlainMonitor", "Progress", "Watched", "build_display"]

MOST_ENDED = 6  # results that are shown
MOST_FAILED = 8  # failures that are told while the study runs
SHORTEST = 8  # characters that are left of a name
SHORTEST_BAR, LONGEST_BAR = 10, 30


class _Column(NamedTuple):
    name: str
    heading: str
    from_width: int  # of the console; a narrower one does without
    least: int  # characters: a table whose columns move cannot be read


COLUMNS = (
    _Column("fold", "fold", 0, 5),
    _Column("epoch", "epoch", 56, 5),
    _Column("validation", "validation", 0, 10),
    _Column("test", "test", 48, 6),
    _Column("took", "took", 72, 6),
    _Column("share", "on", 110, 12),
)


class PlainMonitor:
    """A line for each item that starts and each fit that ends; in a terminal none is wider than that."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress

    def item_started(self, item: "WorkItem") -> None:
        self._progress.item_started(item)
        watched = self._progress.trials[item.trial.id]
        part = item.name.removeprefix(item.trial.name).removeprefix(".folds-")  # empty where it is the whole trial
        folds = f", {'fold' if len(item.folds) == 1 else 'folds'} {part}" if part else ""
        self._say("started ", watched.title, f"{folds} on {watched.share}")

    def record(self, record: Record) -> None:
        progress = self._progress
        progress.record(record)
        if isinstance(record, FoldRecord):
            watched = progress.trials[record.trial]
            left = "" if progress.remaining is None else f", {spell_seconds(progress.remaining)} left"
            outcome = f", fold {record.fold + 1}/{watched.folds}: {describe_outcome(record, watched.metric)}{left}"
            self._say(f"[{progress.done}/{progress.total}] ", watched.title, outcome)

    def item_ended(self, item: "WorkItem") -> None:
        self._progress.item_ended(item)

    def close(self) -> None:
        pass

    def _say(self, head: str, name: str, tail: str) -> None:
        if self._console.is_terminal:
            name = shorten(name, max(SHORTEST, self._console.width - len(head) - len(tail)))
        self._console.print(f"{head}{name}{tail}", markup=False, highlight=False, soft_wrap=True)


class LiveMonitor:
    """The study's progress, a line for each running item and the last results, redrawn in place.

    Failures stay above, as far as they are few: what matters must not scroll away, and all are told at the end.
    """

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._running: dict[str, WorkItem] = {}
        self._last: dict[str, Record] = {}  # by work item
        self._scores: dict[tuple[str, int], float | None] = {}  # on the validation part, of fits that run
        self._ended: deque[tuple[FoldRecord, float | None]] = deque(maxlen=MOST_ENDED)
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4, transient=True)
        self._live.start(refresh=True)  # now, not at the first quarter of a second: a short study may be over by then

    def item_started(self, item: "WorkItem") -> None:
        self._progress.item_started(item)
        self._running[item.id] = item

    def record(self, record: Record) -> None:
        progress = self._progress
        for item in progress.find_items(record):
            self._last[item.id] = record
        progress.record(record)
        key, watched = (record.trial, record.fold), progress.trials[record.trial]
        if isinstance(record, EpochRecord):
            self._scores[key] = record.score(watched.validation)
            return
        score = self._scores.pop(key, None)
        if record.status == "completed":
            self._ended.appendleft((record, score))
        elif progress.failed <= MOST_FAILED:
            place, outcome = f"fold {record.fold + 1}/{watched.folds}", describe_outcome(record, watched.metric)
            more = "; further failures are counted, and told at the end" if progress.failed == MOST_FAILED else ""
            self._console.print(Text(f"{watched.title}, {place}: {outcome}{more}", style="red"))

    def item_ended(self, item: "WorkItem") -> None:
        self._progress.item_ended(item)
        self._running.pop(item.id, None)
        self._last.pop(item.id, None)

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> Group:
        head = self._draw_head()
        columns = [column for column in COLUMNS if self._console.width >= column.from_width]
        metrics = {watched.metric for watched in self._progress.trials.values()}
        metric = metrics.pop().removeprefix("test_").replace("_", " ") if len(metrics) == 1 else "score"
        free = max(1, self._console.size.height - len(head) - 2)
        rows: list[dict[str, str] | Text] = [self._find_cells(item) for item in list(self._running.values())[:free]]
        hidden = len(self._running) - len(rows)
        if hidden > 0:
            rows.append(Text(f"… and {hidden} more running", style="dim"))
        ended = list(self._ended)[: max(0, free - len(rows) - 1)]
        if ended:
            rows.append(Text("last results", style="dim"))
        rows += [self._spell_ended(record, score) for record, score in ended]
        return Group(*head, _build_table(f"running ({metric})", columns, rows, self._console.width - 1))

    def _draw_head(self) -> list[RenderableType]:
        """The bar with the fits, and the time; on a narrow console below each other."""
        progress, width = self._progress, self._console.width
        left = "" if progress.remaining is None else f", about {spell_seconds(progress.remaining)} left"
        fits = Text(f"{progress.done}/{progress.total} fits")
        if progress.failed:
            fits.append(f", {progress.failed} failed", style="red")
        passed = Text(f"{spell_seconds(progress.elapsed)} elapsed{left}")
        room = width - 1 - len(fits) - 1
        is_one = room - len(passed) - 2 >= SHORTEST_BAR
        bar = max(1, min(LONGEST_BAR, room - (len(passed) + 2 if is_one else 0)))
        line = Table.grid(padding=(0, 1))
        drawn = ProgressBar(total=max(progress.total, 1), completed=progress.done + progress.failed, width=bar)
        line.add_row(drawn, fits, *([passed] if is_one else []))
        return [line] if is_one else [line, passed]

    def _find_cells(self, item: "WorkItem") -> dict[str, str]:
        """The cells of a running item by column: those of the fit that it is at."""
        watched, record = self._progress.trials[item.trial.id], self._last.get(item.id)
        cells = {"name": _name_item(item, watched), "share": watched.share}
        if record is None:
            return cells | _spell_place(watched, item.folds[0], "–") | {"validation": "starting"}
        if isinstance(record, EpochRecord):
            cells["validation"] = _spell_score(record.score(watched.validation))
            return cells | _spell_place(watched, record.fold, f"{record.epoch}/{watched.epochs}")
        after = [fold for fold in item.folds if fold > record.fold]
        return cells | _spell_place(watched, (after or item.folds[-1:])[0], "–")

    def _spell_ended(self, record: FoldRecord, score: float | None) -> dict[str, str]:
        """The cells of a fit that ended; `score` is its last one on the validation part."""
        watched = self._progress.trials[record.trial]
        return {
            "name": watched.title,
            **_spell_place(watched, record.fold, f"{record.epochs}/{watched.epochs}"),
            "validation": _spell_score(score),
            "test": _spell_score(record.score(watched.metric)),
            "took": spell_seconds(record.fit_seconds),
            "share": watched.share,
        }


def _build_table(
    heading: str, columns: "Sequence[_Column]", rows: Sequence[dict[str, str] | Text], width: int
) -> Table:
    """The rows as a table of that width: names get what the other columns leave, and none of these moves."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", width=width)
    table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1)
    room = width - 1
    for column in columns:
        cells = [row.get(column.name, "") for row in rows if isinstance(row, dict)]
        least = max(column.least, len(column.heading), *map(len, cells), 0)
        room -= least + 1
        table.add_column(column.heading, no_wrap=True, justify="right", min_width=least)
    for row in rows:
        if isinstance(row, Text):
            table.add_row(row)
        else:
            table.add_row(shorten(row["name"], max(1, room)), *(row.get(column.name, "") for column in columns))
    return table


def _name_item(item: "WorkItem", watched: Watched) -> str:
    """What a reader calls the item: its trial."""
    return watched.title if watched.label else item.name


def _spell_place(watched: Watched, fold: int, epoch: str) -> dict[str, str]:
    return {"fold": f"{fold + 1}/{watched.folds}", "epoch": epoch}


def _spell_score(score: float | None) -> str:
    return "–" if score is None else f"{score:.4f}"


def describe_outcome(record: FoldRecord, metric: str = "test_accuracy") -> str:
    """How a fit ended: its score by the metric and its time, or its error."""
    if record.status == "failed":
        return f"failed, {record.error_type}: {record.error_message}"
    score = _spell_score(record.score(metric))
    return f"{metric.replace('_', ' ')} {score} in {spell_seconds(record.fit_seconds)}"


def shorten(name: str, width: int) -> str:
    """The name in at most so many characters; what is left out is in the middle: both ends tell conditions apart."""
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}…{name[len(name) - end :]}" if width > 1 else "…"


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
