"""The checkpoint of a fit on several devices: one file, which the first process reads and writes for all.

Weights, running statistics and optimizer are the same in every process. What each has of its own, such as the generator
of its dropout, stands beside them by rank.
"""

import io
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tune_app.engine import EpochScores
from tune_app.engine.loop_state import LoopState
from tune_app.engine.messages import gather_bytes, is_so_everywhere, send_bytes, send_number
from tune_app.engine.randomness import read_randomness
from tune_app.engine.synchronised import Replica
from tune_app.errors import FitError
from tune_app.trial.carry import Carried
from tune_app.trial.checkpoint import Checkpoint
from tune_app.trial.own_state import read_state

if TYPE_CHECKING:
    from tune_app.trial.fold import Fold


class DeviceCheckpoint(Checkpoint):
    """That of one fold, in each of the processes that train it: all call the same methods in the same order."""

    def __init__(self, fold: "Fold", replica: Replica) -> None:
        super().__init__(fold)
        self.replica, self._device = replica, fold.trial.device

    def take_up(self, carried: Carried | None = None) -> tuple[LoopState, list[EpochScores]]:
        """Build the fold as it was after the epochs that are given; where one process cannot, all begin anew."""
        self.fold.build(replica=self.replica)
        body, told = b"", ""
        if self.replica.rank == 0:
            try:
                body = self._read_body() or b""
            except Exception as error:  # a file may hold anything
                told = self._spell_failure(error)
        body = send_bytes(body, self._device)
        if not body:
            self.fold.add_reason(told)
            return LoopState(), []
        try:
            loop, epochs = self._restore(self._choose_own(self._load(body)))
        except Exception as error:
            told = self._spell_failure(error)
        if not is_so_everywhere(not told, self._device):
            self.fold.build(replica=self.replica)  # nothing of it is left
            self.fold.add_reason(told or self._spell_failure(FitError("cannot be used by another device")))
            return LoopState(), []
        self.fold.add_reason(self._spell_success(loop))
        return loop, epochs

    def save(self, loop: LoopState) -> None:
        """Keep the fold as it is now, where the first process says so."""
        if self.replica.rank == 0:
            super().save(loop)  # asks the others in the two methods below
        elif send_number(0, self._device):
            gather_bytes(self._pack_own(), self._device)

    def _is_due(self, loop: LoopState, now: float) -> bool:
        return bool(send_number(int(super()._is_due(loop, now)), self._device))

    def _read(self, loop: LoopState, seconds: float) -> dict[str, Any]:
        packed = gather_bytes(self._pack_own(), self._device)
        for rank, content in enumerate(packed, start=1):
            if not content:
                raise FitError(f"device {rank} of {len(packed)} holds what cannot be kept")
        return super()._read(loop, seconds) | {"own": [self._load(content) for content in packed]}

    def _pack_own(self) -> bytes:
        """What this process alone has; nothing where it cannot be kept."""
        content = io.BytesIO()
        try:
            parts = [read_state(part) for part in self._list_parts()]
            own = {
                "parts": [self._leave_weights_out(*pair) for pair in zip(self._list_parts(), parts, strict=True)],
                "generators": [generator.get_state() for generator in self._list_generators()],
                "randomness": read_randomness(),
            }
            torch.save(own, content)
        except Exception:  # the first process says so
            return b""
        return content.getvalue()

    def _choose_own(self, state: dict[str, Any]) -> dict[str, Any]:
        own: dict[str, Any] = state["own"][self.replica.rank]
        pairs = zip(self._list_parts(), state["parts"], own["parts"], strict=True)
        parts = [[shared[0], *each] if isinstance(part, nn.Module) else each for part, shared, each in pairs]
        return state | own | {"parts": parts}

    @staticmethod
    def _leave_weights_out(part: Any, state: list[Any]) -> list[Any]:
        return state[1:] if isinstance(part, nn.Module) else state
