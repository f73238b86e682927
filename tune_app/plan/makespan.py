"""How long a list of work items takes on the slots that there are: list scheduling, as the executors do it."""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

CROWDED = 1e-9  # rounding of sums of shares


def predict_makespan(lengths: Iterable[float], slots: int) -> float:
    """Seconds until the last of the items ends, each started in the given order on the first slot that is free.

    `lengths` are seconds; ValueError for less than one slot.
    """
    if slots < 1:
        raise ValueError(f"{slots} slots: items need at least one")
    ends: list[float] = []
    for length in lengths:
        if len(ends) < slots:
            heapq.heappush(ends, length)
        else:
            heapq.heapreplace(ends, ends[0] + length)
    return max(ends, default=0.0)


def predict_shared_makespan(items: Iterable[tuple[float, float, float]], nodes: Sequence[Mapping[str, float]]) -> float:
    """The same for items of different shares: (seconds, CPUs, GPUs), on nodes with so many CPUs and GPUs.

    Of the items that wait, each that fits into what is free on some node starts, in their order. An item that no node
    can hold is left out: the plan refuses it.
    """
    waiting: dict[tuple[float, float], deque[tuple[int, float]]] = {}
    for place, (seconds, cpus, gpus) in enumerate(items):
        if find_slots(cpus, gpus, nodes):
            waiting.setdefault((cpus, gpus), deque()).append((place, seconds))
    if len(waiting) <= 1:
        share = next(iter(waiting), (1.0, 0.0))
        lengths = [seconds for _, seconds in waiting.get(share, ())]
        return predict_makespan(lengths, max(1, find_slots(*share, nodes)))
    free = [[node.get("CPU", 0.0), node.get("GPU", 0.0)] for node in nodes]
    running: list[tuple[float, int, tuple[float, float]]] = []
    now = 0.0
    while waiting or running:
        for share in sorted(waiting, key=lambda share: waiting[share][0][0]):
            while waiting.get(share) and (node := _find_node(share, free)) is not None:
                _, seconds = waiting[share].popleft()
                _take(free[node], share, -1)
                heapq.heappush(running, (now + seconds, node, share))
                if not waiting[share]:
                    del waiting[share]
        now, node, share = heapq.heappop(running)
        _take(free[node], share, 1)
    return now


def find_slots(cpus: float, gpus: float, nodes: Sequence[Mapping[str, float]]) -> int:
    """How many items of such shares run at the same time; a share of a GPU lies on one of them."""
    return sum(_count_on(cpus, gpus, node) for node in nodes)


def _count_on(cpus: float, gpus: float, node: Mapping[str, float]) -> int:
    has = node.get("CPU", 0.0), node.get("GPU", 0.0)
    counts = [int((has[0] + CROWDED) / cpus)] if cpus else []
    if gpus:
        counts.append(int(has[1]) * int((1 + CROWDED) / gpus) if gpus < 1 else int((has[1] + CROWDED) / gpus))
    return min(counts, default=0)


def _find_node(share: tuple[float, float], free: Sequence[Sequence[float]]) -> int | None:
    """The first node that has the share left."""
    for node, left in enumerate(free):
        if share[0] <= left[0] + CROWDED and share[1] <= left[1] + CROWDED:
            return node
    return None


def _take(left: list[float], share: tuple[float, float], sign: int) -> None:
    left[0] += sign * share[0]
    left[1] += sign * share[1]
