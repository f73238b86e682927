"""The K-fold loop of one trial: a spec and a data set in, records out."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

import torch
from torch import nn

from tune_app.data import Data
from tune_app.engine import fit
from tune_app.engine.cost import build_network_cost, choose_engine
from tune_app.engine.defects import validates_in_train_mode
from tune_app.engine.memory import cap_memory, reset_peak_memory
from tune_app.engine.probe import find_stacking_problem
from tune_app.engine.randomness import keep_randomness_apart, seed_everything
from tune_app.engine.stacked import StackedFit, StackedFold
from tune_app.errors import FitError, describe_error
from tune_app.parts.scoring import Scoring
from tune_app.records import FoldRecord, Record, build_failed_fold
from tune_app.study import TrialSpec
from tune_app.study.seeds import build_seed
from tune_app.trial.carry import Carried, Carrier, Keep
from tune_app.trial.checkpoint import Checkpoint, Checkpointer
from tune_app.trial.devices import Peers, run_on_devices
from tune_app.trial.fold import Fold
from tune_app.trial.outputs import KeepOutputs
from tune_app.trial.own_fit import run_own_fit
from tune_app.trial.setup import ACCURACY, TrialSetup

RunTrial = Callable[..., Iterator[Record]]


class TrialOptions(TypedDict, total=False):
    """Arguments of `run_trial` that are the same for every trial of a run."""

    keep_outputs: KeepOutputs | None
    scoring: Scoring
    root: Path | None
    expected: Mapping[str, Mapping[str, str]]


def run_trial(
    spec: TrialSpec,
    data: Data,
    *,
    folds: Sequence[int],
    device: torch.device,
    threads: int = 1,
    also: Sequence[TrialSpec] = (),
    keep: Keep | None = None,
    carrier: Carrier | None = None,
    keep_outputs: KeepOutputs | None = None,
    scoring: Scoring = ACCURACY,
    root: Path | None = None,
    expected: Mapping[str, Mapping[str, str]] | None = None,
    gpu_share: float | None = None,
    data_on_host: bool = False,
    peers: Peers | None = None,
    checkpointer: Checkpointer | None = None,
) -> Iterator[Record]:
    """Run the given folds of a trial, each with a fresh network and optimizer, and yield records as they come.

    A fold that raises becomes a failed FoldRecord and the next fold runs. `threads` bounds torch's CPU threads:
    records are the same bit for bit only at the same number. `also` are trials that share this one's training and are
    recorded with it. `keep` is handed the best network of each fold. Where the protocol joins the folds,
    `carrier` holds what goes from one to the next, and without it a trial starts at its first fold again. `scoring`
    names the metrics, `keep_outputs` is handed the side files that they need; paths of the study's count from `root`.
    `expected` are the fingerprints of users' code where the study was started, by trial: another one here is a failure.
    `gpu_share` caps the memory that the trial takes of a GPU, which others share. With `data_on_host` samples stay in
    host memory, and batches are copied to the GPU. `peers` are the other processes of a trial on several devices. With
    a `checkpointer` a network that is trained by itself goes on after the last epoch that was kept of it; the epochs
    before are recorded again.

    Whatever the reader of the records draws from global random generators changes no record, and is not changed.
    """
    torch.set_num_threads(threads)

    def set_up() -> TrialSetup:
        if gpu_share:
            cap_memory(device, gpu_share)
        known = (expected or {}).get(spec.id, {})
        kept = keep, keep_outputs
        trial = TrialSetup(spec, data, device, also, *kept, scoring, root, known, data_on_host, checkpointer)
        check_code(trial.fingerprints, known)
        return trial

    yield from keep_randomness_apart(_run_folds(set_up, (spec, *also), list(folds), carrier, peers))


def check_code(here: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Raise FitError where a part's source is not what it is where the study was started."""
    other = [name for name, value in expected.items() if here.get(name) != value]
    if other:
        raise FitError(
            f"{', '.join(other)} on node {socket.gethostname()} has another source than where the study was started; "
            "install the same version there, or let the study send it"
        )


def _run_folds(
    set_up: Callable[[], TrialSetup],
    specs: Sequence[TrialSpec],
    folds: list[int],
    carrier: Carrier | None,
    peers: Peers | None = None,
) -> Iterator[Record]:
    """The folds by the engine that is chosen for them."""
    started, spec = time.time(), specs[0]
    try:
        trial = set_up()
        seed_everything(build_seed(spec.seed, "weights", spec.replicate))
        if spec.recipe.devices > 1 and peers is None:
            raise FitError(f"{spec.recipe.devices} devices need as many processes, which an executor starts")
        is_network = isinstance(trial.network.build(), nn.Module) if spec.definitions.get(spec.model) else True
        engine = "eager"
        if is_network:
            engine = choose_engine(spec, partial(build_network_cost, trial.network), trial.device.type)
    except Exception as error:  # a device without memory for the images, say: rows, as for a fold that fails
        for fold in folds:
            for each in specs:
                yield build_failed_fold(each.id, each.replicate, fold, type(error).__name__, str(error), started)
        return
    if not is_network:
        for fold in folds:
            yield from run_own_fit(trial, fold)
    elif spec.has_dependent_folds:
        yield from _run_carried(trial, folds, carrier)
    elif peers is not None:
        for fold in folds:
            yield from run_on_devices(trial, fold, peers)
    elif engine == "stacked" and (problem := trial.find_stacking_obstacle()):
        yield from _run_one_by_one(trial, folds, f"not stacked: {problem}")
    elif engine == "stacked":
        yield from _run_stacked(trial, folds)
    else:
        for fold in folds:
            yield from _run_eager(trial, fold)


def _run_eager(
    trial: TrialSetup, number: int, carried: Carried | None = None, reason: str | None = None
) -> Iterator[Record]:
    """One fold by itself, with a fresh network and optimizer or the ones carried over."""
    reset_peak_memory(trial.device)
    fold = Fold(trial, trial.splits[number], "eager", reason=reason)
    checkpoint = Checkpoint(fold)
    try:
        loop, earlier = checkpoint.take_up(carried)
        for epoch in earlier:
            yield from fold.tell_epoch(epoch)
        scores = fit(
            fold.rewritten,
            fold.optimizer,
            fold.images,
            fold.train,
            fold.validation,
            trial.spec.recipe,
            shuffle_seed=fold.seed("shuffle"),
            train_mode_validation=validates_in_train_mode(trial.spec.protocol),
            objective=fold.objective,
            course=fold.course,
            loop=loop,
        )
        for epoch in scores:
            yield from fold.record_epoch(epoch)
            checkpoint.save(loop)
    except Exception as error:  # a failure is a row, never a gap; the rest of the study runs
        yield from fold.record_failure(error)
        return
    if carried is not None:
        carried.update(number, fold.network, fold.optimizer)
    yield from fold.test()


def _run_carried(trial: TrialSetup, numbers: list[int], carrier: Carrier | None) -> Iterator[Record]:
    """One network and one optimizer go through the folds in turn.

    A trial resumes after the last fold that `carrier` knows, if no fold before that is asked for. A fold that fails
    takes those after it with it.
    """
    carried = (carrier.read(trial.spec.id) if carrier else None) or Carried()
    if carried.fold + 1 > min(numbers):
        carried = Carried()
    failure: FoldRecord | None = None
    for number in range(carried.fold + 1, trial.spec.folds):
        if failure:
            error = FitError(f"the network comes from fold {failure.fold + 1}, which failed")
            yield from Fold(trial, trial.splits[number], "eager").record_failure(error)
            continue
        written = False
        for record in _run_eager(trial, number, carried):
            if isinstance(record, FoldRecord) and carried.fold != number:
                failure = record  # the training failed; a test that fails leaves a network to continue with
            elif isinstance(record, FoldRecord) and carrier and not written:
                carrier.write(trial.spec.id, carried)  # before the record: a recorded fold can always be resumed from
                written = True
            yield record


def _run_stacked(trial: TrialSetup, numbers: list[int]) -> Iterator[Record]:
    """The folds together where that is shown to be the same, else one by one, with the reason in their records."""

    def build() -> list[StackedFold]:
        # Always the trial's first folds, so that the engine does not depend on which of them are still to run.
        return [_build_stacked(Fold(trial, split, "stacked")) for split in trial.splits[:2]]

    problem = find_stacking_problem(build, trial.train, trial.spec.recipe)
    if problem:
        yield from _run_one_by_one(trial, numbers, f"not stacked: {problem}")
    else:
        yield from _run_together(trial, numbers)


def _build_stacked(fold: Fold) -> StackedFold:
    fold.build()
    return StackedFold(fold.rewritten, fold.optimizer, fold.train, fold.validation, fold.seed("shuffle"))


def _run_one_by_one(trial: TrialSetup, numbers: list[int], reason: str) -> Iterator[Record]:
    for number in numbers:
        yield from _run_eager(trial, number, reason=reason)


def _run_together(trial: TrialSetup, numbers: list[int]) -> Iterator[Record]:
    """The folds together; in two halves where memory does not hold them all, one by one where the stack fails.

    The epochs of those that a failing stack leaves are recorded again: the last record counts.
    """
    left, begun, too_large, problem = list(numbers), False, False, ""
    try:
        for record in _run_stack(trial, numbers):
            begun = True
            if isinstance(record, FoldRecord) and record.fold in left:
                left.remove(record.fold)
            yield record
    except Exception as error:  # not the data's fault, which is a record: an optimisation costs no fit
        too_large = isinstance(error, torch.OutOfMemoryError) and not begun and len(numbers) > 1
        problem = f"the stack failed ({describe_error(error)})"
    # Not where the error is caught: it holds the stack, and with it the memory.
    if too_large:
        torch.cuda.empty_cache()
        half = len(numbers) // 2
        yield from _run_together(trial, numbers[:half])
        yield from _run_together(trial, numbers[half:])
    elif problem:
        torch.cuda.empty_cache()
        yield from _run_one_by_one(trial, left, problem)


def _run_stack(trial: TrialSetup, numbers: list[int]) -> Iterator[Record]:
    """The folds together. Raises whatever makes the stack fail, a loss that is not finite aside."""
    reset_peak_memory(trial.device)
    folds = [Fold(trial, trial.splits[number], "stacked", share=len(numbers)) for number in numbers]
    diverged: set[int] = set()
    stack = StackedFit([_build_stacked(fold) for fold in folds], trial.train, trial.spec.recipe)
    for index, outcome in stack.run():
        folds[index].reason = stack.reason or None
        if isinstance(outcome, FitError):
            diverged.add(index)
            yield from folds[index].record_failure(outcome)
        else:
            yield from folds[index].record_epoch(outcome)
    share = (time.perf_counter() - folds[0].clock - sum(fold.paused for fold in folds)) / len(folds)
    started = folds[0].started
    for index, fold in enumerate(folds):
        if index in diverged:
            continue
        fold.started = started  # the shares are recorded one after the other, for they are no parallel fits
        for record in fold.test(share):
            started += record.fit_seconds
            yield record
