"""One trial on several devices: a fit by as many processes, started again where one of them is lost.

The process that runs the trial has rank 0 and gives the records. An executor starts the others, its peers: each holds
the trial's set-up and trains the folds that it is told to, in step with the first.
"""

import gc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from tune_app.data import Data
from tune_app.engine import EpochScores, fit
from tune_app.engine.distributed import (
    Meeting,
    ReplicaTraining,
    has_unused_weights,
    is_broken_connection,
    join,
    warm_up,
)
from tune_app.engine.loop_state import LoopState
from tune_app.engine.memory import reset_peak_memory
from tune_app.engine.randomness import GlobalRandomness
from tune_app.engine.synchronised import Replica
from tune_app.errors import FitError, describe_error
from tune_app.parts.scoring import Scoring
from tune_app.records import Record
from tune_app.study import TrialSpec
from tune_app.trial.device_checkpoint import DeviceCheckpoint
from tune_app.trial.fold import Fold
from tune_app.trial.setup import ACCURACY, TrialSetup

__all__ = ["LEFT", "LOST", "TRAINED", "Meeting", "Peer", "Peers", "run_on_devices", "warm_up"]

# How a peer's part in a fit ended; any other text is the error that ended it.
TRAINED, LEFT, LOST = "", "(left by another)", "(lost)"
RESTARTS = 2  # of a fit whose processes are lost


class Peers(Protocol):
    """The other processes of a trial, ranks 1 and up."""

    def begin(self, fold: int) -> Meeting:
        """Have every peer, started where it is not there, train that fold; where they meet.

        Raises FitError for a peer that cannot set the trial up.
        """
        ...

    def settle(self, is_trained: bool) -> list[str]:
        """How the fit ended for each peer: TRAINED, LEFT, LOST or its error. What has not answered soon is ended."""
        ...

    def close(self) -> None:
        """End all of them."""
        ...


class Peer:
    """What another process than the trial's first holds, and does."""

    def __init__(
        self,
        spec: TrialSpec,
        data: Data,
        rank: int,
        device: torch.device,
        *,
        threads: int = 1,
        scoring: Scoring = ACCURACY,
        root: Path | None = None,
        expected: Mapping[str, Mapping[str, str]] | None = None,
        **others: Any,
    ) -> None:
        torch.set_num_threads(threads)
        known = (expected or {}).get(spec.id, {})
        self.trial = TrialSetup(spec, data, device, scoring=scoring, root=root, known=known)
        self.rank = rank
        warm_up()

    def train(self, fold: int, meeting: Meeting) -> str:
        """Train the fold in step with the others; how that ended."""
        outcome = TRAINED
        try:
            self._train(fold, meeting)
        except Exception as error:  # told to the first process, which records it
            outcome = LEFT if is_broken_connection(error) else describe_error(error)
        # Not where the error is caught: it holds the network, and with it the connections that others wait at.
        gc.collect()
        return outcome

    def _train(self, number: int, meeting: Meeting) -> None:
        fold = Fold(self.trial, self.trial.splits[number], "eager")
        with join(meeting, self.rank, self.trial.spec.recipe.devices, self.trial.device) as replica:
            checkpoint = DeviceCheckpoint(fold, replica)
            loop, _ = checkpoint.take_up()
            for _ in _fit(fold, replica, loop):
                checkpoint.save(loop)


def run_on_devices(trial: TrialSetup, number: int, peers: Peers) -> Iterator[Record]:
    """One fold on all devices of the trial; from its start again where a process is lost, at most twice.

    The epochs of a fit that starts again are recorded again: the last record counts.
    """
    for attempt in range(RESTARTS + 1):
        fold = Fold(trial, trial.splits[number], "eager")
        failure: Exception | None = None
        try:
            meeting = peers.begin(number)
            fold = Fold(trial, trial.splits[number], "eager")  # its clock begins where all are there
            reset_peak_memory(trial.device)
            with join(meeting, 0, trial.spec.recipe.devices, trial.device) as replica:
                checkpoint = DeviceCheckpoint(fold, replica)
                loop, earlier = checkpoint.take_up()
                for epoch in earlier:
                    yield from fold.tell_epoch(epoch)
                for epoch in _fit(fold, replica, loop):
                    yield from fold.record_epoch(epoch)
                    checkpoint.save(loop)
        except Exception as error:  # without what it holds: the network, and the connections that peers wait at
            failure = error.with_traceback(None)
            failure.__context__ = failure.__cause__ = None
        gc.collect()
        ends = peers.settle(failure is None)
        if failure is None:
            yield from fold.test()
            return
        told = _choose_failure(failure, ends)
        if told is not None or attempt == RESTARTS:
            lost = FitError(f"a process of the {trial.spec.recipe.devices} devices was lost {attempt + 1} times")
            yield from fold.record_failure(told or lost)
            return


def _choose_failure(failure: Exception, ends: list[str]) -> Exception | None:
    """The error that ended the fit, None where a process was lost and the fit can start again."""
    if not is_broken_connection(failure):
        return failure
    if LOST in ends:
        return None
    for rank, end in enumerate(ends, start=1):
        if end not in (TRAINED, LEFT):
            return FitError(f"device {rank + 1} of {len(ends) + 1}: {end}")
    return None


def _fit(fold: Fold, replica: Replica, loop: LoopState) -> Iterator[EpochScores]:
    """The fold's fit as this process takes part in it, from where the loop stands."""
    spec = fold.trial.spec
    randomness = GlobalRandomness()  # the fold's own, which is not to be drawn from here
    has_unused = has_unused_weights(fold.trial.network)
    randomness.restore()
    course = fold.course
    if replica.rank:
        course = replace(course, validate=None, settle=None)  # the first process scores and is scored
    return fit(
        fold.rewritten,
        fold.optimizer,
        fold.images,
        fold.train,
        fold.validation,
        spec.recipe,
        shuffle_seed=fold.seed("shuffle"),
        objective=fold.objective,
        course=course,
        take_up=partial(ReplicaTraining, replica=replica, has_unused=has_unused),
        loop=loop,
    )
