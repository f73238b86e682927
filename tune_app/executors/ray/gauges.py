"""What a trial is doing now, as gauges that Ray exports for Prometheus: `ray_tune_app_epoch` and so on."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from ray.util.metrics import Gauge

from tune_app.records import EpochRecord, Record

TAGS = ("trial", "fold")  # the trial's name, the fold from 1
GAUGES = {
    "running": "1 from the fit's first epoch to its end, then 0",
    "epoch": "The last epoch that is done, from 1",
    "validation_score": "A score on the validation part after that epoch; the tag `metric` names it",
    "samples_per_second": "Training samples per second in that epoch",
    "memory_bytes": "Memory of the trial: the allocator's peak on a GPU, the process's resident set on a CPU",
    "memory_share_bytes": "The trial's share of the GPU's memory, or of the node's by its cores",
}


class Gauges:
    """The gauges of an actor; its process exports what they were set to last, until it ends.

    `names` are those of the trials by id. `cpus` and `gpus` are the actor's share.
    """

    def __init__(self, names: Mapping[str, str], device: torch.device, cpus: float, gpus: float) -> None:
        self._names = names
        self._device = device
        self._share = measure_share(device, cpus, gpus)
        self._gauges = {name: build_gauge(name) for name in GAUGES}

    def record(self, record: Record) -> None:
        """Set the gauges of the record's trial and fold."""
        tags = {"trial": self._names[record.trial], "fold": str(record.fold + 1)}
        is_epoch = isinstance(record, EpochRecord)
        self._gauges["running"].set(float(is_epoch), tags)
        if not isinstance(record, EpochRecord):
            return
        self._gauges["epoch"].set(record.epoch, tags)
        self._gauges["samples_per_second"].set(record.samples_per_second, tags)
        self._gauges["memory_bytes"].set(read_memory(self._device), tags)
        if self._share:
            self._gauges["memory_share_bytes"].set(self._share, tags)
        for metric, score in record.scores.items():
            if metric.startswith("validation_"):
                name = metric.removeprefix("validation_")
                self._gauges["validation_score"].set(score, {**tags, "metric": name})


def build_gauge(name: str) -> Gauge:
    """One of `GAUGES`; Prometheus sees it with `ray_` before its name."""
    tags: Sequence[str] = (*TAGS, "metric") if name == "validation_score" else TAGS
    return Gauge(f"tune_app_{name}", GAUGES[name], tag_keys=tuple(tags))


def read_memory(device: torch.device) -> float:
    """Bytes: the peak of the allocator on a GPU, this process's resident set on a CPU."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    with contextlib.suppress(OSError):
        return float(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return float("nan")


def measure_share(device: torch.device, cpus: float, gpus: float) -> float:
    """Bytes of the device that `gpus` stand for, or of this machine's memory that `cpus` of its cores do."""
    if device.type == "cuda":
        return min(gpus, 1.0) * torch.cuda.get_device_properties(device).total_memory
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(1.0, cpus / (os.cpu_count() or 1)) * memory
