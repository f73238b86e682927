"""What a fit holds in memory, counted on torch's meta device: nothing is allocated, nothing is computed."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tune_app.engine.fit import SCORING_BATCH
from tune_app.engine.rewrite import build_rewritten
from tune_app.parts.networks import Network, keep_by_network

PLAIN_MOMENTS = {"sgd": 1, "adam": 2, "adamw": 2}  # numbers that an optimizer keeps for a parameter
OWN_MOMENTS = 2  # assumed of a user's own


@dataclass(frozen=True)
class Footprint:
    """Bytes of one fit besides data and the process.

    `parameters` with buffers, their `gradients`, the `optimizer`'s state, the activations that a step's forward pass
    has `saved` for the backward pass, and what more a step holds at its peak (`working`). `scoring` is what a batch
    that is scored holds, after the step.
    """

    parameters: int
    gradients: int
    optimizer: int
    saved: int
    working: int
    scoring: int

    @property
    def activations(self) -> int:
        """What a step or the scoring holds besides the network and its optimizer, whichever is more."""
        return max(self.saved + self.working, self.scoring)

    @property
    def total(self) -> int:
        return self.parameters + self.gradients + self.optimizer + self.activations


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors made inside it that are alive: `now`, and at their `peak`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        found = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, torch.Tensor) and id(leaf.untyped_storage()) not in given:
                self._add(leaf.untyped_storage())
        return found

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known:
            return

        def forget(_: Any) -> None:
            self._known.pop(key, None)
            self.now -= size

        self._known[key] = weakref.ref(storage, forget)
        self.now += size
        self.peak = max(self.peak, self.now)


class _MetaGenerator(torch.Generator):
    """A generator that says it is on the meta device, where masks are then made; nothing is drawn from it."""

    device = torch.device("meta")


@keep_by_network(4096)
def build_footprint(asked: Network, optimizer: str, momentum: bool, batch: int, scored: int) -> Footprint:
    """The footprint of steps on `batch` samples, and of scoring `scored` of them.

    Raises whatever the network raises where there are no numbers; an estimator that is no network holds nothing that
    is known beforehand.
    """
    with torch.device("meta"):
        network = asked.build()
        if not isinstance(network, nn.Module):
            return Footprint(0, 0, 0, 0, 0, 0)
        rewritten = build_rewritten(network, _MetaGenerator("cpu"))
        weights = [*rewritten.parameters(), *rewritten.buffers()]
        parameters = sum(each.numel() * each.element_size() for each in weights)
        gradients = sum(each.numel() * each.element_size() for each in rewritten.parameters() if each.requires_grad)
        moments = PLAIN_MOMENTS.get(optimizer, OWN_MOMENTS) if optimizer != "sgd" or momentum else 0
        dtype = torch.int64 if asked.codes else torch.float32
        saved, peak = _count_step(rewritten, lambda: torch.empty(batch, *asked.shape, dtype=dtype))
        scoring = _count_scoring(rewritten, lambda: torch.empty(scored, *asked.shape, dtype=dtype))
    return Footprint(parameters, gradients, moments * gradients, saved, max(0, peak - gradients - saved), scoring)


def _count_step(network: nn.Module, make_batch: Callable[[], torch.Tensor]) -> tuple[int, int]:
    """Bytes saved by the forward pass, and those alive at the peak of a second step, gradients included.

    As in the fit, the gradients of the step before are there until the backward pass begins.
    """
    network.train()
    own = {id(each.untyped_storage()) for each in (*network.parameters(), *network.buffers())}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in own:
            saved[id(storage)] = storage
        return tensor

    total = 0
    with _Live() as live:
        for hooked in (True, False):
            with saved_tensors_hooks(keep, lambda tensor: tensor) if hooked else torch.enable_grad():
                loss = _sum(network(make_batch()))
                total = total or sum(storage.nbytes() for storage in saved.values())
                saved.clear()
            network.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            del loss
        peak = live.peak
    network.zero_grad(set_to_none=True)
    return total, peak


def _sum(outputs: Any) -> torch.Tensor:
    """A loss that keeps what a log-softmax keeps, without labels, which are no numbers here."""
    return torch.log_softmax(outputs.float().flatten(1), 1).sum()


@torch.inference_mode()
def _count_scoring(network: nn.Module, make_batch: Callable[[], torch.Tensor]) -> int:
    with _Live() as live:
        network.eval()(make_batch())
    return int(live.peak)


def choose_scored(samples: int) -> int:
    """How many samples are scored at once."""
    return max(1, min(SCORING_BATCH, samples))
