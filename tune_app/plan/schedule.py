"""Where a trial's folds become work items of their own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from tune_app.plan.makespan import find_slots
from tune_app.plan.trials import PlannedTrial, Share
from tune_app.plan.work import WorkItem

Shard = Literal["auto", "trial", "fold"]
# Of the best possible makespan, what one item may take. Whatever the order, items started as slots become free end
# within the work over the slots plus the longest item (Graham's bound), so this is all that idle slots can cost; the
# order, longest first, makes it less. Predicted lengths are about right, so a bound that needs no exact ones is best.
LARGEST_ITEM = 0.05


def count_slots(share: Share, nodes: Sequence[Mapping[str, float]]) -> int:
    """How many items with this share run at the same time on nodes with so many CPUs and GPUs; at least 1."""
    return max(1, find_slots(share.cpus, share.gpus, nodes))


def predict_seconds(work: Sequence[WorkItem]) -> list[float]:
    """Seconds of each item on its own; one of an unknown length is taken for one of the usual length."""
    known = [item.trial.seconds for item in work if item.trial.seconds > 0]
    usual = sum(known) / len(known) if known else 1.0
    return [(item.trial.seconds or usual) * len(item.folds) for item in work]


def spread(work: Sequence[WorkItem], nodes: Sequence[Mapping[str, float]], shard: Shard) -> list[WorkItem]:
    """The items as they are to be started, longest first: trials, single folds, or (`auto`) what the slots ask for.

    `auto` splits an item that takes more than `LARGEST_ITEM` of the best possible makespan, into as few parts as keep
    to it. Folds that depend on each other stay together, and with `auto` those that are trained in one stack: a stack
    takes about as long as one of its folds.
    """
    seconds = predict_seconds(work)
    if shard == "trial":
        parts = [[item] for item in work]
    elif shard == "fold":
        parts = [[item] if item.trial.spec.has_dependent_folds else _split(item, 1) for item in work]
    else:
        limit = LARGEST_ITEM * _bound(work, seconds, nodes)
        parts = [
            _split(item, max(1, int(limit / length * len(item.folds)))) if can_spread(item.trial) else [item]
            for item, length in zip(work, seconds, strict=True)
        ]
    items = [part for of_trial in parts for part in of_trial]
    return [item for _, item in sorted(zip(predict_seconds(items), items, strict=True), key=lambda pair: -pair[0])]


def can_spread(trial: PlannedTrial) -> bool:
    """Whether the trial's folds could be items of their own: they are independent, and there is no stack of them."""
    return trial.fits > 1 and not trial.spec.has_dependent_folds and trial.engine == "eager"


def _bound(work: Sequence[WorkItem], seconds: Sequence[float], nodes: Sequence[Mapping[str, float]]) -> float:
    """No order can be faster: the work over the slots, or the longest part that cannot be split."""
    load, longest = 0.0, 0.0
    for item, length in zip(work, seconds, strict=True):
        load += length / count_slots(item.trial.share, nodes)
        longest = max(longest, length / len(item.folds) if can_spread(item.trial) else length)
    return max(load, longest)


def _split(item: WorkItem, size: int) -> list[WorkItem]:
    """The item as parts of at most `size` folds, as even as they can be."""
    count = math.ceil(len(item.folds) / size)
    cuts = [len(item.folds) * part // count for part in range(count + 1)]
    return [replace(item, folds=item.folds[start:end]) for start, end in pairwise(cuts)]
