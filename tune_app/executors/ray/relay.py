"""Tune's events → the flow."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
        left = [
            replace(
                item,
                folds=tuple(
                    fold for fold in item.folds if any((t.id, fold) not in self._recorded for t in item.trials)
                ),
            )
            for item in self._work
        ]
        return [item for item in left if item.folds]

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._guard(self._flow.item_started, self._find(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        (told,), (environment,) = result["record"], result["environment"]
        record = record_from_dict(told)
        self._guard(self._flow.environment, environment)
        self._guard(self._flow.record, record)
        if isinstance(record, FoldRecord):
            self._recorded.add((record.trial, record.fold))

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
