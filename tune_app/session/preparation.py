"""What has to be right before a study starts, looked at all at once. Importing this takes torch along."""

from typing import TYPE_CHECKING

import numpy as np

from tune_app.data import Data
from tune_app.data.checks import INPUT_TYPES
from tune_app.errors import StudyError
from tune_app.session.checking import find_part_problems, find_warnings, split_plainly
from tune_app.session.execution import find_split_problems
from tune_app.session.planning import Plan
from tune_app.study import TrialSpec

if TYPE_CHECKING:
    from tune_app.session.session import Session

STAND_IN_FOLDS = 2  # of samples that stand in for data that cannot be used
STAND_IN_COPIES = 4  # of each class among them, in each fold


def prepare(session: "Session") -> tuple[Plan, dict[str, Data]]:
    """The plan and the data sets, once every part has been tried on two samples and what is doubtful is reported.

    Raises StudyError with all that is wrong: with the data, their splits, metrics, networks and the recipe's parts. A
    study without parts of its own is planned first, as its data may have to be fetched.
    """
    study, scope = session.study, session.found.scope
    plan = None if study.define else _plan(session)
    problems: list[str] = []
    datasets, specs = _load(session, problems)
    is_loaded = not problems
    if is_loaded:
        problems += find_split_problems(specs, datasets, scope)
    problems += find_part_problems(study, specs, datasets, scope)
    if plan is None and is_loaded:
        plan = _plan(session, problems)
    if problems or plan is None:
        raise StudyError(dict.fromkeys(problems))
    if study.define:
        for line in find_warnings(study, datasets, plan):
            session.report(f"Warning: {line}.")
    return plan, datasets


def _load(session: "Session", problems: list[str]) -> tuple[dict[str, Data], list[TrialSpec]]:
    """The data sets and the trials to try on them; what is wrong with data is added to `problems`.

    For data that cannot be used there are samples that stand in for them, or neither data nor trials.
    """
    datasets: dict[str, Data] = {}
    refused: set[str] = set()
    for name in dict.fromkeys(spec.dataset for spec in session.specs):
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
    specs = [spec for spec in session.specs if spec.dataset in datasets]
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
