"""When a plan will be through on the devices that there are, and what would shorten it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tune_app.plan.makespan import find_slots, predict_makespan, predict_shared_makespan
from tune_app.plan.schedule import Shard, spread
from tune_app.plan.trials import PlannedTrial
from tune_app.plan.work import WorkItem

Node = Mapping[str, float]  # CPU and GPU → how many; gpu_bytes: the memory of one GPU
WORTHWHILE = 0.95  # a makespan that is no shorter than this part of another is as long
FREE = 1.02  # more replicates cost nothing as long as the makespan grows by no more
IDLE = 0.05  # of the slots' time, from which on it is looked for something to do in it
MOST_REPLICATES = 64  # that are tried


@dataclass(frozen=True)
class Forecast:
    """Seconds of a plan: its `makespan`, the one with each fold as an item of its own, and all `work` together.

    What a slot needs `between` two items is in the makespans.

    `slots` is how many trials run at the same time, `longest` the longest of them with its seconds, and
    `free_replicates` how many more of the whole study the slots that would be idle have time for.
    """

    makespan: float
    makespan_by_fold: float
    work: float
    slots: int
    longest: tuple[str, float]
    free_replicates: int

    @property
    def idle(self) -> float:
        """The share of the slots' time in which they have nothing to do."""
        return 1 - self.work / (self.makespan * self.slots) if self.makespan else 0.0


def build_forecast(
    trials: Sequence[PlannedTrial],
    nodes: Sequence[Node],
    shard: Shard = "auto",
    serial: bool = False,
    between: float = 0.0,
) -> Forecast:
    """The forecast of trials on these nodes, or one after the other in this process."""
    trained = [trial for trial in trials if trial.shares_fits_of is None]
    whole = [(trial.seconds * trial.fits, trial) for trial in trained]
    makespan, by_fold = (
        predict_work(_cut(trained, nodes, each, between, serial), nodes, serial) for each in (shard, "fold")
    )
    length, longest = max(whole, key=lambda pair: pair[0], default=(0.0, None))
    slots, work = _count_slots(trained, nodes, serial), sum(seconds for seconds, _ in whole)
    has_room = slots > 1 and work < (1 - IDLE) * makespan * slots
    return Forecast(
        makespan=makespan,
        makespan_by_fold=by_fold,
        work=work,
        slots=slots,
        longest=(longest.name if longest else "", length),
        free_replicates=_count_free(trained, nodes, shard, makespan, between) if has_room else 0,
    )


def _cut(
    trials: Sequence[PlannedTrial], nodes: Sequence[Node], shard: Shard, between: float, serial: bool = False
) -> list[tuple[float, PlannedTrial]]:
    """The work items with their seconds, in the order of their start."""
    whole = [WorkItem(trial, tuple(range(trial.fits))) for trial in trials]
    return _measure(whole if serial and shard == "auto" else spread(whole, nodes, shard), between)


def predict_items(work: Sequence[WorkItem], nodes: Sequence[Node], serial: bool, between: float) -> float:
    """Seconds until these items are through, in their order."""
    return predict_work(_measure(work, between), nodes, serial)


def _measure(items: Sequence[WorkItem], between: float) -> list[tuple[float, PlannedTrial]]:
    return [(item.trial.seconds * len(item.folds) + between, item.trial) for item in items]


def find_seconds_between(
    work: Sequence[tuple[float, PlannedTrial]], nodes: Sequence[Node], serial: bool, span: float
) -> float:
    """What a slot needed from one item to the next, if items of these seconds were through after `span` seconds."""
    waves = math.ceil(len(work) / _count_slots([trial for _, trial in work], nodes, serial))
    return max(0.0, span - predict_work(work, nodes, serial)) / waves if waves else 0.0


def predict_work(items: Sequence[tuple[float, PlannedTrial]], nodes: Sequence[Node], serial: bool = False) -> float:
    """Seconds until items are through that take so many seconds on their trials' shares, in this order."""
    if serial:
        return predict_makespan((seconds for seconds, _ in items), 1)
    shares = ((seconds, *_sum_share(trial)) for seconds, trial in items)
    return predict_shared_makespan(shares, nodes)


def _sum_share(trial: PlannedTrial) -> tuple[float, float]:
    """CPUs and GPUs of all of its devices, as if they had to lie on one node."""
    share = trial.share
    return share.cpus * share.devices, share.gpus * share.devices


def _count_slots(trials: Sequence[PlannedTrial], nodes: Sequence[Node], serial: bool) -> int:
    """Of trials with different shares those that fit least often would leave slots idle: the most that fit."""
    if serial:
        return 1
    return max((find_slots(*share, nodes) for share in set(map(_sum_share, trials))), default=1) or 1


def _count_free(
    trials: Sequence[PlannedTrial], nodes: Sequence[Node], shard: Shard, makespan: float, between: float
) -> int:
    """How many more replicates of everything end no later than one of each does."""
    first = [trial for trial in trials if trial.spec.replicate == 0]
    free = 0
    while free < MOST_REPLICATES and first:
        more = _cut([*trials, *first * (free + 1)], nodes, shard, between)
        if predict_work(more, nodes, serial=False) > FREE * makespan:
            break
        free += 1
    return free
