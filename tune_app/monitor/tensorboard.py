"""TensorBoard event files: one folder per trial, with a run per fold in it, so that folds are separate curves."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from tune_app.records import EpochRecord, FoldRecord, Record, RecordSet

DrawGraph = Callable[[SummaryWriter, str], None]


class TensorBoardMonitor:
    """Writes `<folder>/<trial>/` (graph, text, hparams, test scores) and `<folder>/<trial>/fold-<n>/` (curves).

    `conditions` gives each trial's factor levels, `draw_graph` adds a trial's network to its writer. What earlier
    records say of a trial is written again when it starts: a resumed trial has whole curves and no doubled ones.
    """

    def __init__(
        self,
        folder: Path,
        conditions: Mapping[str, Mapping[str, Any]],
        earlier: RecordSet,
        draw_graph: DrawGraph | None = None,
    ) -> None:
        self._folder = folder
        self._conditions = conditions
        self._draw_graph = draw_graph
        self._writers: dict[str, SummaryWriter] = {}
        self._scores: dict[str, dict[int, float]] = {}
        self._earlier = {
            trial: [record for record in earlier.in_order([trial]) if earlier.is_completed(trial, record.fold)]
            for trial in conditions
        }
        for trial, records in self._earlier.items():
            if records and not (folder / trial).exists():  # finished elsewhere: the records come without event files
                self.trial_started(trial)
                self.trial_ended(trial)

    def trial_started(self, trial: str) -> None:
        shutil.rmtree(self._folder / trial, ignore_errors=True)
        self._scores[trial] = {}
        writer = self._writer(trial)
        writer.add_text("trial", f"```\n{json.dumps(self._conditions[trial], indent=1)}\n```", 0)
        if self._draw_graph:
            self._draw_graph(writer, trial)
        for record in self._earlier[trial]:
            self.record(record)

    def record(self, record: Record) -> None:
        writer = self._writer(record.trial, record.fold)
        if isinstance(record, EpochRecord):
            for tag, value in (
                ("loss/train", record.train_loss),
                ("loss/validation", record.validation_loss),
                ("accuracy/train", record.train_accuracy),
                ("accuracy/validation", record.validation_accuracy),
                ("learning_rate", record.learning_rate),
                ("images_per_second", record.images_per_second),
            ):
                writer.add_scalar(tag, value, record.epoch)
            writer.add_text("epochs", _describe_epoch(record), record.epoch)
        elif record.test_accuracy is not None and record.test_loss is not None:
            writer.add_scalar("accuracy/test", record.test_accuracy, record.epochs)
            writer.add_scalar("loss/test", record.test_loss, record.epochs)
            top = self._writer(record.trial)
            top.add_scalar("test_accuracy_by_fold", record.test_accuracy, record.fold + 1)
            top.add_text(
                "test", f"fold {record.fold + 1}: test accuracy {record.test_accuracy:.4f}, loss {record.test_loss:.4f}"
            )
            self._scores[record.trial][record.fold] = record.test_accuracy
        else:
            writer.add_text("failure", f"{record.error_type}: {record.error_message}", record.epochs)
        if isinstance(record, FoldRecord):
            self._writers.pop(f"{record.trial}/fold-{record.fold + 1}").close()
        else:
            writer.flush()

    def trial_ended(self, trial: str) -> None:
        scores = self._scores.pop(trial, {})
        writer = self._writers.pop(trial, None)
        if writer is None:
            return
        if scores:
            # The plugin's own three summaries: add_hparams of the writer would put them into a folder of their own.
            metrics = {"test_accuracy_mean": sum(scores.values()) / len(scores)}
            levels = {name: level for name, level in self._conditions[trial].items() if level is not None}
            for summary in hparams(levels, metrics):
                writer.file_writer.add_summary(summary)
            writer.add_scalar("test_accuracy_mean", metrics["test_accuracy_mean"], 0)
        writer.close()
        for name in [name for name in self._writers if name.startswith(f"{trial}/")]:
            self._writers.pop(name).close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, trial: str, fold: int | None = None) -> SummaryWriter:
        name = trial if fold is None else f"{trial}/fold-{fold + 1}"
        if name not in self._writers:
            self._writers[name] = SummaryWriter(logdir=str(self._folder / name))
        return self._writers[name]


def _describe_epoch(record: EpochRecord) -> str:
    return (
        f"fold {record.fold + 1}, epoch {record.epoch}: training loss {record.train_loss:.4f}, "
        f"training accuracy {record.train_accuracy:.4f}, validation loss {record.validation_loss:.4f}, "
        f"validation accuracy {record.validation_accuracy:.4f}"
    )
