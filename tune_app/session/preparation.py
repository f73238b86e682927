"""What has to be right before a study starts, looked at all at once. Importing this takes torch along."""

from typing import TYPE_CHECKING

import numpy as np

from tune_app.data import Data
from tune_app.data.checks import INPUT_TYPES
from tune_app.errors import StudyError
from tune_app.session.checking import find_part_problems, find_warnings, split_plainly
from tune_app.session.execution import find_split_problems
from tune_app.session.planning import Plan

if TYPE_CHECKING:
    from tune_app.session.session import Session

STAND_IN_FOLDS = 2  # of samples that stand in for data that cannot be used
STAND_IN_COPIES = 4  # of each class among them, in each fold


def prepare(session: "Session") -> tuple[Plan, Data]:
    """The plan and the data, once every part has been tried on two samples and what is doubtful has been reported.

    Raises StudyError with all that is wrong: with the data, their splits, metrics, networks and the recipe's parts. A
    study without parts of its own is planned first, as its data may have to be fetched.
    """
    study, scope = session.study, session.found.scope
    plan = None if study.define else _plan(session)
    problems: list[str] = []
    data = session.load_data(problems)
    if problems:
        stand_in = _build_stand_in(data)
        specs = [split_plainly(spec, STAND_IN_FOLDS) for spec in session.specs]
        raise StudyError([*problems, *(find_part_problems(study, specs, stand_in, scope) if stand_in else ())])
    problems += find_split_problems(session.specs, data, scope)
    problems += find_part_problems(study, session.specs, data, scope)
    if plan is None:
        plan = _plan(session, problems)
    if problems or plan is None:
        raise StudyError(dict.fromkeys(problems))
    if study.define:
        for line in find_warnings(study, data, plan):
            session.report(f"Warning: {line}.")
    return plan, data


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
