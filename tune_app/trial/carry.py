"""What leaves a fold apart from its records: its best network, and the state that carry-over takes to the next fold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn


@dataclass(frozen=True)
class BestNetwork:
    """The weights of a fold's best epoch, on the CPU, with what is needed to build and use the network."""

    trial: str
    build: dict[str, Any]
    facts: dict[str, Any]
    state: dict[str, torch.Tensor]


@dataclass
class Carried:
    """What goes from fold to fold under carry-over: the last fold done, its network's and its optimizer's state."""

    fold: int = -1
    network: dict[str, torch.Tensor] | None = None
    optimizer: dict[str, Any] | None = None

    def update(self, fold: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Take the states as they are after `fold`, on the CPU, where every process can read them."""
        self.fold = fold
        self.network = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
        state = optimizer.state_dict()
        moments = {n: {name: value.cpu() for name, value in each.items()} for n, each in state["state"].items()}
        self.optimizer = state | {"state": moments}

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self.network is not None and self.optimizer is not None:
            network.load_state_dict(self.network)
            optimizer.load_state_dict(self.optimizer)


class Carrier(Protocol):
    """Where carried states are kept, by trial, for a run that is interrupted."""

    def read(self, trial: str) -> Carried | None: ...

    def write(self, trial: str, carried: Carried) -> None: ...


Keep = Callable[[BestNetwork], None]
