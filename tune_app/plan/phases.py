"""What a user waits for: the start, the fits, and tables and page at the end."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

Way = Literal["ray", "inline", "cluster"]  # how trials run: on Ray that is started here, in this process, or joined
RECENT = 5  # runs whose median is taken: one that a busy machine held up counts no more than another


@dataclass(frozen=True)
class TimedRun:
    """One run: seconds until its first fit began, between two items of a slot, and for `trials` tables and page."""

    way: str
    start: float
    between: float
    export: float
    trials: int


# Until the first run on a machine: guesses, in the order of what two idle cores take.
USUAL: Mapping[Way, TimedRun] = {
    "ray": TimedRun("ray", 14.0, 0.3, 9.0, 12),
    "inline": TimedRun("inline", 7.0, 0.0, 9.0, 12),
    "cluster": TimedRun("cluster", 18.0, 0.3, 9.0, 12),
}


@dataclass(frozen=True)
class Phases:
    """Seconds of a run's parts: until the first fit begins, until the last has ended, for tables and page."""

    start: float
    fits: float
    export: float

    @property
    def total(self) -> float:
        return self.start + self.fits + self.export

    def list(self) -> dict[str, float]:
        """The seconds by the names of the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def choose_way(executor: str, address: str | None) -> Way:
    """How trials run with these options."""
    if executor == "inline":
        return "inline"
    return "cluster" if address else "ray"


def predict_run(runs: Iterable[TimedRun], way: Way, trials: int) -> TimedRun:
    """What a run of so many trials will need by the latest runs, given oldest first; `USUAL` where there are none.

    The start and the time between items are medians of the latest `RECENT` that ran the same way. Tables take as long
    as those of the run that had the most similar number of trials, the latest of several.
    """
    known = list(runs)
    alike = [run for run in known if run.way == way][-RECENT:]
    usual = USUAL[way]
    start, between = (
        statistics.median(getattr(run, name) for run in alike) if alike else getattr(usual, name)
        for name in ("start", "between")
    )
    nearest = min(reversed(known), key=lambda run: _measure_distance(run.trials, trials), default=usual)
    return TimedRun(way, start, between, nearest.export, trials)


def _measure_distance(trials: int, others: int) -> float:
    return abs(math.log(max(trials, 1) / max(others, 1)))
