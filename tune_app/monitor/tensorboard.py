"""TensorBoard event files: one folder per trial, with a run per fold in it, so that folds are separate curves."""

import json
import re
import resource
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from tune_app.monitor.event_files import EventWriter
from tune_app.monitor.signals import uninterrupted
from tune_app.records import EpochRecord, FoldRecord, Record, RecordSet

if TYPE_CHECKING:
    from tune_app.plan.trials import PlannedTrial
    from tune_app.plan.work import WorkItem

DrawGraph = Callable[[SummaryWriter, str], None]
ROLES = ("train", "validation", "test")  # how the name of a metric begins
MOST_WRITERS = 256  # open at a time


class TensorBoardMonitor:
    """Writes `<folder>/<name>/` (graph, text, hparams, test scores) and `<folder>/<name>/fold-<n>/` (curves).

    `draw_graph` adds a trial's network to its writer. `earlier` are the records of folds that this run does not train:
    they are written again when their trial's first work item starts, so that a resumed trial has whole curves. A
    trial's folds may come from several items in any order; its hparams are written with its last fold, or at the end of
    the run. `study` are the trials of the whole study: folders of others, which an edit has removed, are removed, too.
    """

    @uninterrupted()
    def __init__(
        self,
        folder: Path,
        trials: "Sequence[PlannedTrial]",
        earlier: RecordSet,
        draw_graph: DrawGraph | None = None,
        metric: str = "test_accuracy",
        study: Collection[str] = (),
    ) -> None:
        self._metric = metric
        self._folder = folder
        self._trials = {trial.id: trial for trial in trials}
        self._draw_graph = draw_graph
        self._writers: dict[str, SummaryWriter] = {}  # the one that was asked for last is at the end
        self._opened = 0
        # A stack trains a thousand folds at a time, which no process may have as many open files for.
        self._most = min(MOST_WRITERS, max(2, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))
        self._scores: dict[str, dict[int, float | None]] = {}  # by trial and fold
        self._open: set[str] = set()  # trials whose mean is still to be written
        self._begun: set[str] = set()
        self._is_replaying = False
        self._earlier: dict[str, list[Record]] = {trial: [] for trial in self._trials}
        for record in earlier.in_order(self._trials):
            if earlier.is_completed(record.trial, record.fold):
                self._earlier[record.trial].append(record)
        self._rename_folders()
        self._remove_folders(study)
        for trial, records in self._earlier.items():
            if records and not self._place(trial).exists():  # finished elsewhere: records come without event files
                self._begin(trial)
                self._finish(trial)

    @uninterrupted()
    def item_started(self, item: "WorkItem") -> None:
        for trial in item.trials:
            if trial.id not in self._begun:
                self._begin(trial.id)

    @uninterrupted()
    def record(self, record: Record) -> None:
        if record.trial not in self._begun:  # its process ended before it could say that it had started
            self._begin(record.trial)
        self._open.add(record.trial)
        if isinstance(record, EpochRecord) and record.epoch == 1:
            self._clear(record.trial, record.fold)
        writer = self._writer(record.trial, record.fold)
        if isinstance(record, EpochRecord):
            for metric, value in record.scores.items():
                writer.add_scalar(_tag(metric), value, record.epoch)
            writer.add_scalar("learning_rate", record.learning_rate, record.epoch)
            writer.add_scalar("samples_per_second", record.samples_per_second, record.epoch)
            writer.add_text("epochs", _describe(record.fold, f"epoch {record.epoch}", record), record.epoch)
            if not self._is_replaying:  # to be seen at once; earlier ones are on disk when their fold is closed
                writer.flush()
            return
        scores = self._scores[record.trial]
        scores[record.fold] = record.score(self._metric)
        if record.status == "completed":
            self._record_fold(writer, record)
        else:
            writer.add_text("failure", f"{record.error_type}: {record.error_message}", record.epochs)
        self._writers.pop(self._name(record.trial, record.fold)).close()
        if len(scores) == self._trials[record.trial].fits:
            self._finish(record.trial)

    def item_ended(self, item: "WorkItem") -> None:
        """Nothing: other items of the trial may still run."""

    @uninterrupted()
    def close(self) -> None:
        for trial in tuple(self._open):
            self._finish(trial)

    def _rename_folders(self) -> None:
        """A study that varies other factors than before calls its trials otherwise: their folders follow."""
        names = {trial.id.rpartition("-")[2]: trial.name for trial in self._trials.values()}
        for path in self._folder.glob("*"):
            name = names.get(path.name.rpartition("-")[2])
            if name and name != path.name and not (self._folder / name).exists():
                path.rename(self._folder / name)

    def _remove_folders(self, study: Collection[str]) -> None:
        """Remove what trials left that the study has no more: TensorBoard would go on to show them."""
        known = {trial.rpartition("-")[2] for trial in study}
        for path in self._folder.glob("*") if known else ():
            digest = path.name.rpartition("-")[2]
            if re.fullmatch("[0-9a-f]{8}", digest) and digest not in known and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)

    def _begin(self, trial: str) -> None:
        shutil.rmtree(self._place(trial), ignore_errors=True)
        self._begun.add(trial)
        self._open.add(trial)
        self._scores[trial] = {}
        writer = self._writer(trial)
        spec = self._trials[trial].spec
        levels = {**spec.condition, "replicate": spec.replicate}
        writer.add_text("trial", f"```\n{json.dumps({'id': trial, **levels}, indent=1)}\n```", 0)
        if self._draw_graph:
            self._draw_graph(writer, trial)
        self._is_replaying = True
        for record in self._earlier[trial]:
            self.record(record)
        self._is_replaying = False

    def _clear(self, trial: str, fold: int) -> None:
        """A fit that starts again (its process ended, or its stack) is drawn from its new start alone."""
        if writer := self._writers.pop(self._name(trial, fold), None):
            writer.close()
        shutil.rmtree(self._folder / self._name(trial, fold), ignore_errors=True)

    def _record_fold(self, writer: SummaryWriter, record: FoldRecord) -> None:
        top = self._writer(record.trial)
        for metric, value in record.scores.items():
            writer.add_scalar(_tag(metric), value, record.epochs)
            top.add_scalar(f"{metric}_by_fold", value, record.fold + 1)
        if record.peak_memory_bytes is not None:
            writer.add_scalar("peak_memory_gib", record.peak_memory_bytes / 2**30, record.epochs)
            top.add_scalar("peak_memory_gib_by_fold", record.peak_memory_bytes / 2**30, record.fold + 1)
        top.add_text("test", _describe(record.fold, "test", record))

    def _finish(self, trial: str) -> None:
        """The trial's mean and hparams, from the folds that it has; nothing for one that is finished."""
        if trial not in self._open:
            return
        self._open.remove(trial)
        scores = [score for score in self._scores[trial].values() if score is not None]
        writer = self._writer(trial)
        if scores:
            # The plugin's own three summaries: add_hparams of the writer would put them into a folder of their own.
            metrics = {f"{self._metric}_mean": sum(scores) / len(scores)}
            spec = self._trials[trial].spec
            levels = {**spec.condition, "replicate": spec.replicate}
            for summary in hparams({name: level for name, level in levels.items() if level is not None}, metrics):
                writer.file_writer.add_summary(summary)
            writer.add_scalar(f"{self._metric}_mean", metrics[f"{self._metric}_mean"], 0)
        name = self._name(trial)
        for each in [each for each in self._writers if each == name or each.startswith(f"{name}/")]:
            self._writers.pop(each).close()

    def _name(self, trial: str, fold: int | None = None) -> str:
        name = self._trials[trial].name
        return name if fold is None else f"{name}/fold-{fold + 1}"

    def _place(self, trial: str) -> Path:
        return self._folder / self._name(trial)

    def _writer(self, trial: str, fold: int | None = None) -> SummaryWriter:
        name = self._name(trial, fold)
        if name in self._writers:
            writer = self._writers.pop(name)
        else:
            if len(self._writers) >= self._most:
                self._writers.pop(next(iter(self._writers))).close()
            self._opened += 1  # a file that is opened again within a second must have another name, and a later one
            writer = EventWriter(logdir=str(self._folder / name), filename_suffix=f".{self._opened:07d}")
        self._writers[name] = writer
        return writer


def _tag(metric: str) -> str:
    """`train_loss` → `loss/train`: TensorBoard draws what has the first part in common side by side."""
    role, _, name = metric.partition("_")
    return f"{name}/{role}" if role in ROLES and name else metric


def _describe(fold: int, what: str, record: Record) -> str:
    scores = ", ".join(f"{metric.replace('_', ' ')} {value:.4f}" for metric, value in record.scores.items())
    return f"fold {fold + 1}, {what}: {scores}"
