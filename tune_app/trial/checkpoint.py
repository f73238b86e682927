"""The state of a long fit after its last epoch, kept until the fit is recorded: an interruption costs an epoch.

A checkpoint is a line of JSON that says whose it is and sums up what follows: tensors and numbers, written by
`torch.save` and read with `weights_only`. Another fit's, another environment's or a damaged one is left aside.
"""

import hashlib
import io
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from tune_app.engine import EpochScores
from tune_app.engine.loop_state import LoopState
from tune_app.engine.randomness import read_randomness, set_randomness
from tune_app.errors import FitError, describe_error
from tune_app.trial.carry import Carried
from tune_app.trial.own_state import read_state, set_state

if TYPE_CHECKING:
    from tune_app.trial.fold import Fold

logger = logging.getLogger("tune_app")

FORMAT = 1
LONG_SECONDS = 600.0  # of a fit, as predicted: longer ones are kept between epochs
MOST_SHARE = 0.05  # of a fit's time that may go into writing: shorter epochs are not kept each


class CheckpointFiles(Protocol):
    """Where checkpoints are kept, by trial and fold, for a run that is interrupted."""

    def read(self, trial: str, fold: int) -> bytes | None: ...

    def write(self, trial: str, fold: int, content: bytes) -> None: ...


@dataclass(frozen=True)
class Checkpoints:
    """Where checkpoints are kept, and `after` how many predicted seconds of a fit it is worth it."""

    files: CheckpointFiles
    after: float = LONG_SECONDS


@dataclass(frozen=True)
class Checkpointer:
    """What a trial whose fits are long is given: where checkpoints are kept, and the key of its environment."""

    files: CheckpointFiles
    environment: str


class Checkpoint:
    """That of one fold; it does nothing without `files`."""

    def __init__(self, fold: "Fold") -> None:
        self.fold = fold
        self._files = fold.trial.checkpointer.files if fold.trial.checkpointer else None
        self._is_tried = False
        self._cost, self._written = 0.0, float("-inf")  # seconds of the last writing, and when it ended

    def take_up(self, carried: Carried | None = None) -> tuple[LoopState, list[EpochScores]]:
        """Build the fold as it was after the epochs that are given, none if it begins."""
        self.fold.build(carried)
        try:
            body = self._read_body()
            if body is None:
                return LoopState(), []
            loop, epochs = self._restore(self._load(body))
        except Exception as error:  # a file may hold anything
            self.fold.build(carried)  # nothing of it is left
            self.fold.add_reason(self._spell_failure(error))
            return LoopState(), []
        self.fold.add_reason(self._spell_success(loop))
        return loop, epochs

    def save(self, loop: LoopState) -> None:
        """Keep the fold as it is now, unless it has ended, or was kept only just now; it is no training time."""
        began = time.perf_counter()
        if not self._is_due(loop, began) or self._files is None:
            return
        try:
            content = self._pack(self._read(loop, began - self.fold.clock - self.fold.paused))
            self._files.write(self.fold.trial.spec.id, self.fold.split.fold, content)
        except Exception as error:  # a part that cannot be kept, or nobody to keep it: that costs no fit
            logger.warning("%s: not kept between epochs: %s", self.fold.trial.spec.id, describe_error(error))
            self._files = None
            return
        self._written = time.perf_counter()
        self._cost = self._written - began
        self.fold.paused += self._cost

    def _is_due(self, loop: LoopState, now: float) -> bool:
        return not (self._files is None or loop.has_ended or self._cost > MOST_SHARE * (now - self._written))

    def _read(self, loop: LoopState, seconds: float) -> dict[str, Any]:
        fold = self.fold
        return {
            "loop": loop.read(),
            "parts": [read_state(part) for part in self._list_parts()],
            "optimizer": fold.optimizer.state_dict(),
            "generators": [generator.get_state() for generator in self._list_generators()],
            "randomness": read_randomness(),
            "stop": fold.stop.state() if fold.stop else None,
            "epochs": [asdict(scores) | {"validation": _spell(scores.validation)} for scores in fold.epochs],
            "best_state": fold.best_state,
            "started": fold.started,
            "seconds": seconds,
        }

    def _restore(self, state: Mapping[str, Any]) -> tuple[LoopState, list[EpochScores]]:
        fold = self.fold
        for part, each in zip(self._list_parts(), state["parts"], strict=True):
            set_state(part, each)
        fold.optimizer.load_state_dict(state["optimizer"])
        for generator, each in zip(self._list_generators(), state["generators"], strict=True):
            generator.set_state(each)
        if fold.stop:
            fold.stop.load_state(state["stop"])
        set_randomness(state["randomness"])
        epochs = [EpochScores(**scores) for scores in state["epochs"]]
        loop = LoopState(state["loop"])
        if loop.epoch != len(epochs):
            raise ValueError(f"it has {len(epochs)} epochs, and is after epoch {loop.epoch}")
        fold.epochs, fold.best_state = list(epochs), state["best_state"]
        fold.started = state["started"]
        fold.clock -= state["seconds"]
        return loop, epochs

    def _list_parts(self) -> list[Any]:
        return [self.fold.network, self.fold.objective.loss, self.fold.course.augment]

    def _list_generators(self) -> list[torch.Generator]:
        return [each for each in (self.fold.masks, self.fold.course.generator) if each is not None]

    def _describe(self) -> dict[str, Any]:
        """Whose it is; with any other of these the fit would have other numbers, or another record."""
        trial = self.fold.trial
        return {
            "format": FORMAT,
            "trial": trial.spec.id,
            "fold": self.fold.split.fold,
            "fingerprints": dict(trial.fingerprints),
            "environment": trial.checkpointer.environment if trial.checkpointer else None,
            "device": trial.device.type,
            "threads": torch.get_num_threads(),
            "keep": trial.keep is not None,
        }

    def _pack(self, state: Mapping[str, Any]) -> bytes:
        content = io.BytesIO()
        torch.save(state, content)
        body = content.getvalue()
        if not self._is_tried:  # what a user's part gives must be read again as what is no code
            torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
            self._is_tried = True
        return json.dumps(self._describe() | {"checksum": _sum_up(body)}).encode() + b"\n" + body

    def _read_body(self) -> bytes | None:
        """What `_load` makes the state of, None without a checkpoint; FitError for another fit's or a damaged one."""
        content = self._files.read(self.fold.trial.spec.id, self.fold.split.fold) if self._files else None
        if content is None:
            return None
        head, _, body = content.partition(b"\n")
        try:
            found = json.loads(head)
            told = found.pop("checksum")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise FitError("is damaged") from None
        here = self._describe()
        if other := [name for name in here if found.get(name) != here[name]]:
            raise FitError(f"is that of another {', '.join(other)}")
        if told != _sum_up(body):
            raise FitError("is damaged")
        return body

    @staticmethod
    def _load(body: bytes) -> dict[str, Any]:
        state: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
        return state

    @staticmethod
    def _spell_success(loop: LoopState) -> str:
        return f"interrupted after epoch {loop.epoch} and taken up there"

    @staticmethod
    def _spell_failure(error: Exception) -> str:
        told = str(error) if isinstance(error, FitError) else f"cannot be read: {describe_error(error)}"
        return f"begun anew, as its checkpoint {told}"


def _spell(scores: Mapping[str, float]) -> dict[str, float]:
    """Plain numbers: a user's metric may give NumPy's."""
    return {name: float(value) for name, value in scores.items()}


def _sum_up(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
