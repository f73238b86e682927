"""How much memory the GPUs of a node have: asked of the node, as the driver may have none."""

from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

ANSWER_SECONDS = 120  # until a node has unpacked what it was sent and imported torch


def ask_gpu_memory(node: Mapping[str, Any]) -> dict[str, float]:
    """`gpu_bytes` of the smallest GPU of a node of `ray.nodes()`; empty for one without, or that does not answer.

    What keeps it from answering is said when the nodes are checked.
    """
    if not node["Resources"].get("GPU"):
        return {}
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    # A process that has looked for GPUs keeps what it saw: no trial may run in it.
    question = ray.remote(num_cpus=0, max_calls=1, scheduling_strategy=there)(_find_gpu_bytes)
    try:
        size: float = ray.get(question.remote(), timeout=ANSWER_SECONDS)
    except (GetTimeoutError, RayError):
        return {}
    return {"gpu_bytes": size} if size else {}


def find_gpu_memory(node: Mapping[str, Any]) -> dict[str, float]:
    """The same for this machine, where nobody has to be asked."""
    size = _measure() if node["Resources"].get("GPU") else 0.0
    return {"gpu_bytes": size} if size else {}


def _find_gpu_bytes() -> float:
    """Runs on the node. Ray hides the GPUs from a task that holds none: they are asked of the driver's library."""
    import os

    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return _measure()


def _measure() -> float:
    import torch

    sizes = [torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count())]
    return float(min(sizes, default=0))
