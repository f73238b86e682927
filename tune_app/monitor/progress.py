"""Where a study stands: fits done, what runs, and the time left, by the plan first and then by the measured pace."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tune_app.records import EpochRecord, Record

if TYPE_CHECKING:
    from tune_app.plan.work import WorkItem

PLANNED = 0.05  # of the predicted time counts as measured from the start: one slow fit must not speak for all
LEAST_LEFT = 0.2  # of what was left at the last record: as long as there is work, it is not said to be done


@dataclass(frozen=True)
class Watched:
    """What a display must know of a trial: `label` is what a reader calls it, `name` what files and processes do.

    `metric` is the primary one, `weight` the predicted seconds of one fit.
    """

    name: str
    folds: int
    epochs: int
    weight: float
    share: str
    metric: str = "test_accuracy"
    label: str = ""

    @property
    def title(self) -> str:
        return self.label or self.name

    @property
    def validation(self) -> str:
        """The metric on the validation part."""
        return f"validation_{self.metric.removeprefix('test_')}"


@dataclass(frozen=True)
class Expected:
    """The plan's seconds of the fits that are to run, and of what comes after them; 0 where it knows nothing."""

    fits: float = 0.0
    after: float = 0.0


@dataclass
class _Running:
    item: "WorkItem"
    heard: float  # when its last record came, or it started


class Progress:
    """Fits done, and the time left.

    The pace is measured over predicted wall time: at first it is the plan's, and each record moves it. `begun` is when
    the command began, by `clock`.
    """

    def __init__(
        self,
        trials: Mapping[str, Watched],
        completed: set[tuple[str, int]],
        expected: Expected | None = None,
        begun: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trials = trials
        self.total = sum(trial.folds for trial in trials.values())
        self.done = len(completed)
        self.failed = 0
        self._expected = expected or Expected()
        self._clock = clock
        self._begun = clock() if begun is None else begun
        self._left = {(t, f) for t, trial in trials.items() for f in range(trial.folds)} - completed
        self._is_predicted = self._expected.fits > 0 and any(trials[trial].weight for trial, _ in self._left)
        self._weight = sum(self._weigh(trials[trial]) for trial, _ in self._left)
        self._weight_done = 0.0
        self._partial: dict[tuple[str, int], float] = {}
        self._running: dict[str, _Running] = {}
        self._working_since: float | None = None  # a pace must not count the executor's own start
        self._heard: float | None = None
        self._pace = 1.0

    def item_started(self, item: "WorkItem") -> None:
        """Work has begun."""
        now = self._clock()
        self._working_since = self._working_since or now
        self._running[item.id] = _Running(item, now)

    def item_ended(self, item: "WorkItem") -> None:
        self._running.pop(item.id, None)

    def record(self, record: Record) -> None:
        key, watched, now = (record.trial, record.fold), self.trials[record.trial], self._clock()
        for running in self._find(record):
            running.heard = now
        if isinstance(record, EpochRecord):
            if key in self._left:
                self._partial[key] = self._weigh(watched) * record.epoch / watched.epochs
        else:
            self._partial.pop(key, None)
            if key in self._left:
                self._left.discard(key)
                self._weight_done += self._weigh(watched)
                self.done += record.status == "completed"
                self.failed += record.status == "failed"
        self._measure(now)

    def find_items(self, record: Record) -> "list[WorkItem]":
        """The running items that the record is of."""
        return [running.item for running in self._find(record)]

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return self._clock() - self._begun

    @property
    def remaining(self) -> float | None:
        """Seconds until everything is there; None where neither the plan nor a record says anything."""
        heard, after = self._heard, self._expected.after
        if not self._left:
            return after if heard is None else max(after - (self._clock() - heard), LEAST_LEFT * after)
        if heard is None:
            return self._expected.fits + after if self._is_predicted else None
        left = max(0.0, self._weight - self._find_done(heard)) * self._find_scale() * self._pace
        return max(left - (self._clock() - heard), LEAST_LEFT * left) + after

    def _weigh(self, watched: Watched) -> float:
        return watched.weight if self._is_predicted else 1.0

    def _find(self, record: Record) -> list[_Running]:
        of_trial = [r for r in self._running.values() if any(each.id == record.trial for each in r.item.trials)]
        # Folds that depend on each other are trained again from an earlier one, which is then none of the item's own.
        return [running for running in of_trial if record.fold in running.item.folds] or of_trial

    def _find_scale(self) -> float:
        """Predicted wall seconds for each unit of weight, on all slots together; without a prediction 1."""
        return self._expected.fits / self._weight if self._is_predicted else 1.0

    def _find_done(self, now: float) -> float:
        """The weight of what is done, with what running items have done since they were last heard of."""
        found = self._weight_done + sum(self._partial.values())
        if not self._is_predicted:
            return found
        for running in self._running.values():
            watched = self.trials[running.item.trial.id]
            found += min(watched.weight / watched.epochs, (now - running.heard) / self._pace)
        return min(found, self._weight)

    def _measure(self, now: float) -> None:
        """Set the pace: measured over predicted time."""
        self._heard = now
        since = self._working_since or self._begun
        known = PLANNED * self._expected.fits if self._is_predicted else 0.0
        for _ in range(2):  # what running items have done depends on the pace
            predicted = self._find_done(now) * self._find_scale()
            if predicted + known > 0 and now - since + known > 0:
                self._pace = (now - since + known) / (predicted + known)
