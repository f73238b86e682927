"""Tune's events → the flow."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.experiment import Trial

from tune_app.executors.flow import Flow
from tune_app.plan import WorkItem
from tune_app.records import FoldRecord, record_from_dict

SILENT_END = "the trial's process ended without a message"


class Relay(tune.Callback):
    """Tune's events → the flow. An exception here would abort Tune with a message of its own: it is kept for later."""

    def __init__(self, work: Sequence[WorkItem], flow: Flow) -> None:
        self._work = work
        self._items: dict[str, WorkItem] = {}
        self._shares = {item.trial.id: item.trial.share.gpus for item in work}  # of a GPU, at the first try
        self._outgrown: set[tuple[str, int]] = set()  # (trial, fold) that did not fit into that share
        self._flow = flow
        self._recorded: set[tuple[str, int]] = set()  # (trial, fold)
        self.errors: dict[tuple[str, int], str] = {}  # (trial, fold) → what its process said at its end
        self.raised: Exception | None = None

    def begin(self, work: Sequence[WorkItem]) -> None:
        """These items are about to run: at a second try they hold fewer folds than at the first."""
        self._items = {item.id: item for item in work}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never made; the open record file is no part of it

    def remaining(self) -> list[WorkItem]:
        """What is not recorded yet; an item that outgrew its share of a GPU has twice that now."""
        left = [
            replace(item, folds=tuple(fold for fold in item.folds if self._is_left(item, fold))) for item in self._work
        ]
        return [self._grow(item) for item in left if item.folds]

    def _is_left(self, item: WorkItem, fold: int) -> bool:
        return any((trial.id, fold) not in self._recorded for trial in item.trials)

    def _grow(self, item: WorkItem) -> WorkItem:
        if not any((trial.id, fold) in self._outgrown for trial in item.trials for fold in item.folds):
            return item
        share = replace(item.trial.share, gpus=min(1.0, 2 * item.trial.share.gpus))
        return replace(item, trial=replace(item.trial, share=share))

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._guard(self._flow.item_started, self._find(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        record, item = record_from_dict(result["record"]), self._find(trial)
        if isinstance(record, FoldRecord):
            if self._outgrows(record, item):
                self._outgrown.add((record.trial, record.fold))
                return  # no row yet: it runs again
            record = self._explain(record, item)
        self._guard(self._flow.environment, result["environment"])
        self._guard(self._flow.record, record)
        if isinstance(record, FoldRecord):
            self._recorded.add((record.trial, record.fold))

    def _outgrows(self, record: FoldRecord, item: WorkItem) -> bool:
        """Whether the fold failed by a cap on memory that may still be raised."""
        is_first = item.trial.share.gpus == self._shares[item.trial.id]
        return record.error_type == torch.OutOfMemoryError.__name__ and 0 < item.trial.share.gpus < 1 and is_first

    def _explain(self, record: FoldRecord, item: WorkItem) -> FoldRecord:
        if (record.trial, record.fold) not in self._outgrown:
            return record
        shares = self._shares[item.trial.id], item.trial.share.gpus
        reason = f"outgrew {shares[0]:g} of a GPU, run again with {shares[1]:g}"
        return replace(record, engine_reason="; ".join(filter(None, (record.engine_reason, reason))))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._guard(self._flow.item_ended, self._find(trial))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        item = self._find(trial)
        self.errors |= dict.fromkeys(((item.trial.id, fold) for fold in item.folds), _read_last_line(trial.error_file))
        self._guard(self._flow.item_ended, item)

    def _find(self, trial: Trial) -> WorkItem:
        return self._items[str(trial.config["item"])]

    def _guard(self, action: Any, argument: Any) -> None:
        if self.raised is None:
            try:
                action(argument)
            except Exception as error:
                self.raised = error
                raise  # aborts Tune: the records can no longer be written, so nothing more should run


def _read_last_line(error_file: str | None) -> str:
    """What the trial's process said at its end: Tune writes it to a file and hands over nothing else."""
    text = ""
    if error_file:
        with contextlib.suppress(OSError):
            text = Path(error_file).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else SILENT_END
