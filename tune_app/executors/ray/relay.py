"""Tune's events → the flow."""

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.experiment import Trial

from tune_app.executors.flow import Flow
from tune_app.executors.ray.ending import end_actor
from tune_app.executors.ray.orders import read_order
from tune_app.executors.silence import Silence, find_limit
from tune_app.plan import PlannedTrial, WorkItem
from tune_app.records import FoldRecord, build_failed_fold, record_from_dict

logger = logging.getLogger("tune_app")

MOST_RETRIES = 2  # of a fit whose process is lost
HUNG = "Hung"
HUNG_REMEDY = "--report-within sets how long a fit may be silent"
SILENT_END = "the trial's process ended without a message"


class Relay(tune.Callback):
    """Tune's events → the flow. An exception here would abort Tune with a message of its own: it is kept for later."""

    def __init__(self, work: Sequence[WorkItem], flow: Flow, report_within: float | None = None) -> None:
        self._items = {item.id: item for item in work}
        self._flow = flow
        self._started: set[str] = set()
        self._open = dict(self._items)  # those that have not ended
        self._recorded: set[tuple[str, int]] = set()  # (trial, fold)
        self._shares = {item.id: item.trial.share.gpus for item in work}  # of a GPU, at the first try
        self._outgrown: set[tuple[str, int]] = set()  # (trial, fold) that did not fit into that share
        self._losses = dict.fromkeys(self._items, 0)  # of its process, since it has recorded a fold
        self._silence = Silence({item.id: find_limit(item.trial, report_within) for item in work})
        self._hung: set[str] = set()  # items ended for their silence, since they have recorded a fold
        self._ending: set[str] = set()  # items whose process is being ended for it
        self.errors: dict[str, str] = {}  # item → what its process said at its end
        self.raised: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never made; the open record file is no part of it

    def find_left(self) -> list[WorkItem]:
        """The items that have not ended: before the first start all, later those whose process was lost in between."""
        return list(self._open.values())

    def find_unrecorded(self, item: WorkItem) -> list[tuple[PlannedTrial, int]]:
        """The trials and folds of the item that have no record."""
        return [(each, fold) for fold in item.folds for each in item.trials if (each.id, fold) not in self._recorded]

    def find_missing(self, item: WorkItem) -> list[int]:
        """The folds of the item to run, for any of the trials that share its training."""
        return list(dict.fromkeys(fold for _, fold in self.find_unrecorded(item)))

    def find_needs(self) -> set[tuple[float, float]]:
        """CPUs and GPUs of the items that have not ended."""
        return {(item.trial.share.cpus, item.trial.share.gpus) for item in tuple(self._open.values())}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        item = self._find(trial)
        trial.max_failures = trial.num_failures + MOST_RETRIES - self._losses[item.id]
        if item.id not in self._started:  # it may start again
            self._started.add(item.id)
            self._guard(self._flow.item_started, item)
        self._silence.heard(item.id)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        item = self._find(trial)
        self._silence.heard(item.id)
        if "error" in result:
            self.errors[item.id] = result["error"]
        if "record" not in result:
            return
        (told,), (environment,) = result["record"], result["environment"]
        record = record_from_dict(told)
        if isinstance(record, FoldRecord):
            if self._outgrows(record, item):
                self._outgrown.add((record.trial, record.fold))
                return  # no row yet: it runs again
            record = self._explain(record, item)
        self._guard(self._flow.environment, environment)
        self._guard(self._flow.record, record)
        if isinstance(record, FoldRecord):
            self._recorded.add((record.trial, record.fold))
            self._losses[item.id] = 0  # each fit may be lost as often
            self._hung.discard(item.id)
            trial.max_failures = trial.num_failures + MOST_RETRIES

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """End what hangs: by Tune's own thread, in its own time, so that nothing that waits to be read is silence."""
        silent = set(self._silence.find_silent())
        for trial in trials if silent else ():
            if trial.status == Trial.RUNNING and (item := self._find(trial)).id in silent:
                self._end_hung(item, trial)

    def _end_hung(self, item: WorkItem, trial: Trial) -> None:
        """Its process is ended, and Tune starts another; the second time the fit under way is a failure."""
        told = self._silence.describe(item)
        self._silence.ended(item.id)
        if item.id in self._hung:
            self._hung.remove(item.id)
            logger.warning("%s again: the fit that was under way has failed.", told)
            told = f"reported nothing for {self._silence.spell_limit(item)}, and neither when it ran again"
            for each, fold in self._find_under_way(item):
                self._recorded.add((each.id, fold))
                failed = build_failed_fold(
                    each.id, each.spec.replicate, fold, HUNG, f"{told}; {HUNG_REMEDY}", time.time()
                )
                self._guard(self._flow.record, failed)
        else:
            self._hung.add(item.id)
            logger.warning("%s: it is ended, and what was under way there runs again.", told)
        self._ending.add(item.id)
        is_left = bool(self.find_unrecorded(item))  # without anything to do it must not start again
        trial.max_failures = trial.num_failures + is_left
        end_actor(trial)

    def _find_under_way(self, item: WorkItem) -> list[tuple[PlannedTrial, int]]:
        """The trials and folds without a record that run now: the first fold, or all where folds hang together."""
        left = self.find_unrecorded(item)
        if item.trial.engine == "stacked" or item.trial.spec.has_dependent_folds:
            return left
        return [(each, fold) for each, fold in left if fold == left[0][1]]

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Its process was lost, alone or with its node: it is about to start again, with what it has not recorded."""
        self._lose(self._find(trial))
        trial.config["folds"] = self.find_missing(self._find(trial))

    def _outgrows(self, record: FoldRecord, item: WorkItem) -> bool:
        """Whether the fold failed by a cap on memory that may still be raised."""
        share = item.trial.share.gpus
        is_first = share == self._shares[item.id]
        return record.error_type == torch.OutOfMemoryError.__name__ and 0 < share < 1 and is_first

    def _explain(self, record: FoldRecord, item: WorkItem) -> FoldRecord:
        if (record.trial, record.fold) not in self._outgrown:
            return record
        reason = f"outgrew {self._shares[item.id]:g} of a GPU, run again with {item.trial.share.gpus:g}"
        return replace(record, engine_reason="; ".join(filter(None, (record.engine_reason, reason))))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        item = self._find(trial)
        left = self._outgrown.intersection((each.id, fold) for each, fold in self.find_unrecorded(item))
        if left and item.trial.share.gpus == self._shares[item.id]:
            self._grow(item)
        else:
            self._end(item)
        _forget_results(trial)

    def _grow(self, item: WorkItem) -> None:
        """Twice the share of a GPU, with which the item is left for the next start."""
        share = replace(item.trial.share, gpus=min(1.0, 2 * item.trial.share.gpus))
        self._items[item.id] = self._open[item.id] = replace(item, trial=replace(item.trial, share=share))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Its process was lost once too often, or before it had begun: then Tune does not start it again, but we do."""
        item = self._find(trial)
        self.errors[item.id] = _read_last_line(trial.error_file)
        self._lose(item)

    def _lose(self, item: WorkItem) -> None:
        self._silence.ended(item.id)
        if item.id in self._ending:
            self._ending.remove(item.id)
            if not self.find_unrecorded(item):
                self._end(item)
            return
        self._losses[item.id] += 1
        if self._losses[item.id] > MOST_RETRIES:
            self._end(item)
        else:
            logger.warning("%s: its process was lost; what was under way there runs again.", item.name)

    def _end(self, item: WorkItem) -> None:
        self._open.pop(item.id, None)
        self._silence.ended(item.id)
        self._guard(self._flow.item_ended, item)

    def _find(self, trial: Trial) -> WorkItem:
        return self._items[read_order(trial.config)["item"]]

    def _guard(self, action: Any, argument: Any) -> None:
        if self.raised is None:
            try:
                action(argument)
            except Exception as error:
                self.raised = error
                raise  # aborts Tune: the records can no longer be written, so nothing more should run


def _forget_results(trial: Trial) -> None:
    """Drop what Tune would keep of an ended trial, which nobody asks for: tens of kilobytes each, in a large study.

    That is its last result, with its configuration, statistics of every number in its results, and what its actor said
    of itself.
    """
    with contextlib.suppress(AttributeError):  # Ray promises none of it
        trial.run_metadata.last_result = {"done": True}  # without any Tune would ask the actor
        trial.run_metadata.metric_analysis.clear()
        trial.run_metadata.metric_n_steps.clear()
        trial._default_result_or_future = None


def _read_last_line(error_file: str | None) -> str:
    """What the trial's process said at its end: Tune writes it to a file and hands over nothing else."""
    text = ""
    if error_file:
        with contextlib.suppress(OSError):
            text = Path(error_file).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else SILENT_END
