"""Where the epoch loop of a fit stands between two epochs, so that another process can go on from there."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """What takes the steps of a fit, and can say and be told how far it is."""

    def state(self) -> dict[str, Any]: ...

    def load_state(self, state: Mapping[str, Any]) -> None: ...


class LoopState:
    """Epochs done, the generator that shuffles, and the state of what takes the steps.

    Given to `fit`, it is set to `saved` before the first epoch (None: the fit begins), and can be read after each.
    Weights, optimizer and the generators of dropout and augmentation belong to the fold.
    """

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        self.epoch = 0 if saved is None else int(saved["epoch"])
        self.has_ended = False
        self._saved = saved

    def begin(self, shuffling: torch.Generator, training: Stateful) -> None:
        """Take the fit's own parts, and set them to what was saved."""
        self._shuffling, self._training = shuffling, training
        if self._saved is not None:
            shuffling.set_state(self._saved["shuffling"])
            training.load_state(self._saved["training"])

    def read(self) -> dict[str, Any]:
        """What another `LoopState` is made from: numbers and tensors alone."""
        return {"epoch": self.epoch, "shuffling": self._shuffling.get_state(), "training": self._training.state()}
