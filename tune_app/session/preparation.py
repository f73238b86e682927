"""What has to be right before a study starts, looked at all at once. Importing this takes torch along."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from tune_app.data import Data
from tune_app.data.checks import INPUT_TYPES
from tune_app.errors import DataError, StudyError
from tune_app.executors.address import probe_address
from tune_app.session.checking import find_part_problems, find_warnings, split_plainly
from tune_app.session.execution import find_split_problems
from tune_app.session.planning import Plan
from tune_app.study import Recipe, Study, TrialSpec

if TYPE_CHECKING:
    from tune_app.session.session import Session

STAND_IN_FOLDS = 2  # of samples that stand in for data that cannot be used
STAND_IN_COPIES = 4  # of each class among them, in each fold


def prepare(session: "Session", ready: Callable[[], None] = lambda: None) -> tuple[Plan, dict[str, Data]]:
    """The plan and the data sets, once every part has been tried on two samples and what is doubtful is reported.

    `ready` is called once the study's own parts have been imported and found right: what needs them can begin, while
    the plan is made.

    Raises StudyError with all that is wrong: with the data, their splits, metrics, networks and the recipe's parts. A
    study without parts of its own is planned first, as its data may have to be fetched. Raises ResourceError, before
    anything else, if nothing listens where the cluster should be.
    """
    if session.options.address and session.options.executor == "ray":
        probe_address(session.options.address)
    study, scope = session.study, session.found.scope
    plan = None if study.define else _plan(session)
    problems: list[str] = []
    datasets, specs = _load(session, session.specs, problems)
    is_loaded = not problems
    if is_loaded:
        problems += find_split_problems(specs, datasets, scope)
    problems += find_part_problems(study, specs, datasets, scope)
    if not problems:
        ready()
    if plan is None and is_loaded:
        plan = _plan(session, problems)
    if problems or plan is None:
        raise StudyError(dict.fromkeys(problems))
    if study.define:
        for line in find_warnings(study, datasets, plan):
            session.report(f"Warning: {line}.")
    return plan, datasets


def refuse(session: "Session") -> NoReturn:
    """Raise StudyError with the problems that the study was found with, and with those of the parts that are left."""
    found = session.found
    problems = list(found.problems)
    study, specs = find_usable(session.study, found.unusable)
    is_split = session.study.splitter not in found.unusable
    if study.define and specs:
        wrong: list[str] = []
        try:
            datasets, specs = _load(session, specs, wrong)
        except DataError as error:
            datasets, specs = {}, []
            problems.append(str(error))
        if not wrong and is_split:
            wrong += find_split_problems(specs, datasets, found.scope)
        problems += [*wrong, *find_part_problems(study, specs, datasets, found.scope, has_all=False)]
    raise StudyError(dict.fromkeys(problems))


def find_usable(study: Study, unusable: Collection[str]) -> tuple[Study, list[TrialSpec]]:
    """The study without metrics, and its trials without parts, that are not usable; no trial of such a network or data.

    What is left in place of a part of the recipe is what a recipe has by itself, and of a splitter a plain one.
    """
    metrics = tuple(name for name in study.metrics.named if name not in unusable)
    choice = study.metrics.model_copy(update={"primary": None, "also": metrics})
    specs = []
    for trial in study.grid_trials():
        spec, recipe = trial.spec, trial.spec.recipe
        if spec.model in unusable or spec.dataset in unusable:
            continue
        names = ("optimizer", "loss", "schedule", "augment", "stop_metric")
        plain = {name: Recipe.model_fields[name].default for name in names if getattr(recipe, name) in unusable}
        spec = spec.model_copy(update={"recipe": recipe.model_copy(update=plain)})
        specs.append(split_plainly(spec, STAND_IN_FOLDS) if spec.splitter in unusable else spec)
    return study.model_copy(update={"metrics": choice}), specs


def _load(
    session: "Session", wanted: Sequence[TrialSpec], problems: list[str]
) -> tuple[dict[str, Data], list[TrialSpec]]:
    """The data sets and the trials to try on them; what is wrong with data is added to `problems`.

    For data that cannot be used there are samples that stand in for them, or neither data nor trials.
    """
    datasets: dict[str, Data] = {}
    refused: set[str] = set()
    for name in dict.fromkeys(spec.dataset for spec in wanted):
        wrong: list[str] = []
        try:
            data: Data | None = session.load_data_set(name, wrong)
        except StudyError as error:
            problems += error.problems
            continue
        if wrong and data is not None:
            problems += wrong
            refused.add(name)
            data = _build_stand_in(data)
        if data is not None:
            datasets[name] = data
    specs = [spec for spec in wanted if spec.dataset in datasets]
    return datasets, [split_plainly(spec, STAND_IN_FOLDS) if spec.dataset in refused else spec for spec in specs]


def _plan(session: "Session", problems: list[str] | None = None) -> Plan | None:
    """The plan; with `problems`, what makes one impossible is added to them, but for networks that have failed before.

    Raises ResourceError for trials that no node can hold.
    """
    try:
        plan = session.make_plan()
    except StudyError as error:
        if problems is None:
            raise
        own = tuple(f"{name} on " for name in session.study.define) if problems else ()
        problems += [problem for problem in error.problems if not problem.startswith(own)]
        return None
    if not session.options.address and not problems:
        plan.check_shares()
    return plan


def _build_stand_in(data: Data) -> Data | None:
    """Samples of the shape of data that cannot be used, to try networks and metrics on; None if nothing can be made.

    They are the data's own, with 0 for what is not finite; the targets are made up.
    """
    samples = STAND_IN_FOLDS * STAND_IN_COPIES * max(1, len(data.classes))
    numbers = np.random.default_rng(0)
    try:
        inputs, targets = np.asarray(data.inputs), np.asarray(data.targets)
        kind = inputs.dtype if inputs.dtype.name in INPUT_TYPES else np.float32
        inputs = inputs[np.arange(samples) % len(inputs)].astype(kind)
        shape = (samples, *targets.shape[1:])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    if inputs.ndim < 2 or 0 in shape or not all(isinstance(name, str) for name in data.classes):
        return None
    if data.task == "classification":
        targets = np.arange(samples, dtype=np.int64) % len(data.classes)
    elif data.task == "multilabel":
        targets = (np.arange(samples)[:, None] % (1 + np.arange(len(data.classes))) == 0).astype(np.uint8)
    else:
        targets = numbers.normal(size=shape).astype(np.float32)
    finite = np.nan_to_num(inputs, nan=0, posinf=0, neginf=0)
    return Data(finite, targets, data.classes, {name: np.arange(samples) for name in data.groups})
