"""One network trained by several processes, each on a device of its own: batches split, gradients of the whole batch.

Every process has all samples and goes through the same batches in the same order. It runs the network on its slice of
each. The outputs of all slices are gathered, and the loss is computed on them as it is on one device: so any loss holds
exactly, one with class weights or of unequal slices too. Its gradients go back through the network slice by slice, and
`DistributedDataParallel` adds up those of the weights.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tune_app.engine.defects import find_unsliced
from tune_app.engine.fit import SCORING_BATCH, Trained, Training, average_loss, sum_losses
from tune_app.engine.messages import gather, send_number
from tune_app.engine.precision import autocast
from tune_app.engine.synchronised import Replica, synchronise
from tune_app.parts.networks import Network, keep_by_network

ARRIVAL = timedelta(minutes=2)  # of processes that have said that they are about to come
_set_timeout: Any = getattr(dist, "set_timeout", None) or dist.distributed_c10d._set_pg_timeout  # its former name
LONGEST_WAIT = timedelta(minutes=30)  # of a process for the others: while one of them looks at the held-out part, say


@dataclass(frozen=True)
class Meeting:
    """Where processes find each other: a store of torch's, and the network interface, empty for any."""

    store: Any
    interface: str = ""


def warm_up() -> None:
    """Import what `DistributedDataParallel` imports when it is first made: seconds that are no training."""
    importlib.import_module("torch._dynamo")


@contextlib.contextmanager
def join(meeting: Meeting, rank: int, size: int, device: torch.device) -> Iterator[Replica]:
    """Be one of the processes that train a network together, gloo between CPUs and NCCL between GPUs.

    Raises RuntimeError where the others do not come.
    """
    backend = "nccl" if device.type == "cuda" else "gloo"
    hook = sys.excepthook  # torch puts the rank before every line of whatever fails in this process from then on
    with _by_interface(meeting.interface):
        dist.init_process_group(backend, store=meeting.store, rank=rank, world_size=size, timeout=ARRIVAL)
    try:
        _set_timeout(LONGEST_WAIT)
        yield Replica(rank, size)
    finally:
        dist.destroy_process_group()
        sys.excepthook = hook


@contextlib.contextmanager
def _by_interface(name: str) -> Iterator[None]:
    before = os.environ.get("GLOO_SOCKET_IFNAME")
    if name:
        os.environ["GLOO_SOCKET_IFNAME"] = name
    try:
        yield
    finally:
        if name:
            os.environ.pop("GLOO_SOCKET_IFNAME")
            if before is not None:
                os.environ["GLOO_SOCKET_IFNAME"] = before


def is_broken_connection(error: BaseException) -> bool:
    """Whether the error says no more than that another process has left."""
    # Gloo's errors are plain RuntimeErrors that name its source files.
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


class ReplicaTraining(Training):
    """The steps of a fit as one of several processes takes them; every process has the same losses, scores and weights.

    `has_unused` says that the network has weights that its outputs do not depend on.
    """

    def __init__(self, *arguments: Any, replica: Replica, has_unused: bool = False) -> None:
        super().__init__(*arguments)
        self.replica = replica
        device = self.images.labels.device
        only = [device] if device.type == "cuda" else None
        self.parallel = DistributedDataParallel(self.network, device_ids=only, find_unused_parameters=has_unused)
        self._batch = 0

    def run_epoch(self, order: torch.Tensor) -> Trained:
        """Train on the positions in this order; schedules go by the first process's loss, whatever another rounded."""
        trained = super().run_epoch(order)
        loss = torch.tensor(self._losses[-1], dtype=torch.float64, device=order.device)
        dist.broadcast(loss, 0)
        self._losses[-1] = loss.item()
        return trained

    def _gather(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """This process's samples of the batch, and the targets of all."""
        self._batch = len(positions)
        own = self.replica.take(self._batch)
        self.replica.is_idle = own.start == own.stop
        if self.replica.is_idle:
            own = slice(0, 1)
        if self.course.augment and self.course.generator:
            # The whole batch, by the same random numbers in every process: as on one device.
            batch, labels = super()._gather(positions)
            return batch[own], labels
        return self.images.batch(positions[own])[0], self.images.labels[positions]

    def _differentiate(self, batch: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bounds = self.replica.bounds(self._batch)
        with autocast(self.recipe.precision, batch.device):
            logits = self.parallel(batch)
            gathered = gather(logits.detach(), [stop - start for start, stop in bounds]).requires_grad_()
            loss = self.objective.compute(gathered, labels)
        (pull,) = torch.autograd.grad(self.scaler.scale(loss), gathered)
        own = torch.zeros_like(logits) if self.replica.is_idle else pull[self.replica.take(self._batch)]
        logits.backward(own * self.replica.size)  # DistributedDataParallel divides by it
        return loss, gathered

    def validate(self, positions: torch.Tensor, train_mode_batch: int | None) -> tuple[float, torch.Tensor]:
        """Mean loss and outputs at the positions; each process has some of the batches that one would score."""
        for buffer in self.network.buffers():
            dist.broadcast(buffer, 0)  # statistics that are not synchronised follow the first process's slices
        starts = [min(start * SCORING_BATCH, len(positions)) for start, _ in self._share_batches(len(positions))]
        stops = [min(stop * SCORING_BATCH, len(positions)) for _, stop in self._share_batches(len(positions))]
        lengths = [stop - start for start, stop in zip(starts, stops, strict=True)]
        own = positions[starts[self.replica.rank] : stops[self.replica.rank]]
        order = self.images, own if len(own) else positions[:1], self.recipe.precision, None, self.objective
        total, outputs = sum_losses(self.network, *order)
        with torch.inference_mode():
            total = total if len(own) else torch.zeros_like(total)
            dist.all_reduce(total)
            return average_loss(total, len(positions)), gather(outputs, lengths)

    def _share_batches(self, samples: int) -> list[tuple[int, int]]:
        return self.replica.bounds(-(-samples // SCORING_BATCH))

    def watch(self, epoch: int) -> tuple[Mapping[str, float], bool]:
        """What the first process sees, and whether it ends the fit."""
        if self.course.watch is None:
            return {}, False
        seen, ends = super().watch(epoch) if self.replica.rank == 0 else ({}, False)
        return seen, bool(send_number(int(ends), self.images.labels.device))


def prepare_replica(network: nn.Module, replica: Replica, batchnorm_sync: bool) -> nn.Module:
    """The network as a replica trains it: by the statistics of the whole batch, or of its own slice."""
    return synchronise(network, replica) if batchnorm_sync else network


@keep_by_network(64)
def has_unused_weights(asked: Network) -> bool:
    """Whether the outputs do not depend on some weights; nothing is computed."""
    with torch.device("meta"):
        network = asked.build()
        outputs = network(torch.empty(2, *asked.shape, dtype=torch.int64 if asked.codes else torch.float32))
        outputs.sum().backward()
    return any(weights.requires_grad and weights.grad is None for weights in network.parameters())


@keep_by_network(256)
def find_device_problem(asked: Network, batchnorm_sync: bool) -> str:
    """Why several devices cannot train what is asked for as its levels say, empty if they can."""
    with torch.device("meta"):
        network = asked.build()
        if not isinstance(network, nn.Module):
            return f"{asked.model} is no network: devices share the batches of a network's training; leave devices out"
        problem = find_unsliced(network, asked.shape, asked.codes) if batchnorm_sync else ""
    if not problem:
        return ""
    return f"its statistics cannot be synchronised: {problem}; write batchnorm_sync: false, or leave devices out"
