"""Who watches a run: the terminal, TensorBoard, and what must be known of its course."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tune_app.monitor import Callback, Monitor
from tune_app.monitor.progress import Expected, Progress, Watched
from tune_app.monitor.tensorboard import TensorBoardMonitor
from tune_app.monitor.terminal import build_display
from tune_app.monitor.waiting import say_while
from tune_app.plan import PlannedTrial, WorkItem
from tune_app.plan.forecast import predict_items
from tune_app.records import Record, RecordSet
from tune_app.session.graphs import Graphs
from tune_app.study import Study

if TYPE_CHECKING:
    from tune_app.session.execution import Execution


def build_monitors(execution: "Execution", settled: RecordSet) -> list[Monitor]:
    """Those of a run; `settled` are the records of fits that it does not train."""
    monitors: list[Monitor] = []
    if execution.console is not None:
        monitors.append(build_display(execution.console, build_progress(execution, settled)))
    if execution.watch:
        monitors.append(execution.watch(build_progress(execution, settled)))
    monitors += _build_board(execution, settled)
    if execution.starting:
        monitors.append(FirstRecord(execution.starting.note_record))
    return [*monitors, *execution.callbacks, LastItem(len(execution.work))]


def build_progress(execution: "Execution", settled: RecordSet) -> Progress:
    """What is done, and when the plan has the rest be done."""
    plan = execution.plan
    replicated = any(trial.spec.replicate for trial in plan)
    watched = {trial.id: watch(trial, plan.study, replicated) for trial in plan}
    fits = predict_items(execution.work, plan.nodes, plan.place.serial, plan.run.between)
    return Progress(watched, settled.completed(), Expected(fits, plan.run.export), execution.begun)


def watch(trial: PlannedTrial, study: Study, replicated: bool) -> Watched:
    """The trial as displays show it, with its replicate where there are several."""
    share, recipe = _describe_share(trial), trial.spec.recipe
    label = study.labelling.label(trial.spec.condition)
    if replicated:
        label += f", replicate {trial.spec.replicate + 1}"
    return Watched(trial.name, trial.fits, recipe.epochs, trial.seconds, share, study.primary, label)


def _build_board(execution: "Execution", settled: RecordSet) -> list[Monitor]:
    plan, folder = execution.plan, execution.folder / "tensorboard"
    graphs = Graphs({trial.id: trial.spec for trial in plan}, execution.datasets)
    whole = {trial.spec.id for trial in plan.study.grid_trials()}
    try:
        with say_while(execution.report, "Curves of earlier fits are being written for TensorBoard"):
            return [TensorBoardMonitor(folder, plan.trials, settled, graphs.draw, plan.study.primary, whole)]
    except OSError as error:
        execution.report(f"Without TensorBoard: {folder} cannot be written ({error.strerror}).")
    return []


class LastItem(Callback):
    """Has the process that draws figures start while the last fits run: it takes seconds until it is ready."""

    def __init__(self, items: int) -> None:
        self._left = items

    def item_started(self, item: WorkItem) -> None:
        self._left -= 1
        if self._left == 0:
            from tune_app.export.figures.write import prepare_drawing

            prepare_drawing()


class EachRecord(Callback):
    """Hands each record on once it is on disk."""

    def __init__(self, hand_on: Callable[[Record], None]) -> None:
        self._hand_on = hand_on

    def record(self, record: Record) -> None:
        self._hand_on(record)


class FirstRecord(Callback):
    """Says when the first record is there."""

    def __init__(self, say: Callable[[], None]) -> None:
        self._say = say

    def record(self, record: Record) -> None:
        self._say()


def _describe_share(trial: PlannedTrial) -> str:
    gpus = f", {trial.share.gpus:g} GPU" if trial.share.gpus else ""
    devices = f"{trial.share.devices} × " if trial.share.devices > 1 else ""
    return f"{devices}{trial.share.cpus:g} CPU{gpus}, {trial.engine}"
