"""Data in, splits out: every splitter that ships, and whatever users split by."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tune_app.data.model import Data
from tune_app.errors import StudyError, choices
from tune_app.parts.splits import Split, build_splits

Positions = NDArray[np.int64]
Pair = tuple[Any, Any]
BY_GROUPS = ("group", "stratified-group", "leave-one-group-out")


def build_data_splits(
    data: Data,
    positions: Positions,
    folds: int,
    splitter: str,
    groups: str | None,
    seed: int,
    replicate: int = 0,
    split: Any = None,
) -> tuple[Split, ...]:
    """The `folds` splits of the samples at `positions`; their own positions count within these.

    `split` is a user's generator function `(data, folds, seed)` or an object with scikit-learn's `split(X, y, groups)`.
    Raises StudyError for splits that the data cannot give.
    """
    targets = data.targets[positions]
    column = _find_column(data, groups, positions) if groups or splitter in BY_GROUPS else None
    if split is not None:
        pairs = _split_by_user(split, data, positions, targets, column, folds, seed)
        return _check_pairs(list(pairs), len(positions), folds)
    if splitter == "stratified" and data.task != "classification":
        raise StudyError(f"splitter stratified needs one class a sample, and the task is a {data.task}; write kfold")
    if splitter in ("kfold", "stratified"):
        labels = targets if data.task == "classification" else np.zeros(len(positions), dtype=np.int64)
        return build_splits(labels, folds, splitter, seed)
    makers: dict[str, Callable[[], Iterable[Pair]]] = {
        "group": lambda: _split_groups(column, folds, seed),
        "stratified-group": lambda: _split_stratified_groups(data, targets, column, folds, seed),
        "leave-one-group-out": lambda: _leave_one_out(column, folds),
        "predefined": lambda: _split_predefined(data, positions, folds, replicate),
        "forward": lambda: _split_forward(data, positions, folds),
    }
    if splitter not in makers:
        raise StudyError(f"unknown splitter {splitter!r}{choices(splitter, ('kfold', 'stratified', *makers))}")
    return _check_pairs(list(makers[splitter]()), len(positions), folds)


def _find_column(data: Data, groups: str | None, positions: Positions) -> NDArray[Any]:
    if not data.groups:
        raise StudyError("groups: the data have no column of groups; let the loader give some, or split without them")
    if groups is None and len(data.groups) == 1:
        groups = next(iter(data.groups))
    if groups is None:
        raise StudyError(f"groups: name the column to keep together; choose from {', '.join(data.groups)}")
    if groups not in data.groups:
        raise StudyError(f"groups: the data have no column {groups!r}{choices(groups, data.groups)}")
    return np.asarray(data.groups[groups][positions])


def _check_groups(column: NDArray[Any] | None, folds: int) -> NDArray[Any]:
    values = np.asarray(column)
    found = len(np.unique(values))
    if found < folds:
        raise StudyError(f"folds: {folds} folds of {found} groups; choose from 2 to {found}")
    return values


def _split_groups(column: NDArray[Any] | None, folds: int, seed: int) -> Iterable[Pair]:
    from sklearn.model_selection import GroupKFold

    values = _check_groups(column, folds)
    found: Iterable[Pair] = GroupKFold(folds, shuffle=True, random_state=seed).split(values, groups=values)
    return found


def _split_stratified_groups(
    data: Data, targets: NDArray[Any], column: NDArray[Any] | None, folds: int, seed: int
) -> Iterable[Pair]:
    from sklearn.model_selection import StratifiedGroupKFold

    if data.task != "classification":
        raise StudyError(
            f"splitter stratified-group needs one class a sample, and the task is a {data.task}; write group"
        )
    values = _check_groups(column, folds)
    few = []
    for index, name in enumerate(data.classes):
        having = len(np.unique(values[targets == index]))
        if 0 < having < folds:
            few.append(f"class {name} is in {having} groups for {folds} folds; choose fewer folds, or splitter group")
    if few:
        raise StudyError(few)
    folder = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    found: Iterable[Pair] = folder.split(values, targets, groups=values)
    return found


def _leave_one_out(column: NDArray[Any] | None, folds: int) -> Iterator[Pair]:
    values = np.asarray(column)
    names = np.unique(values)
    if len(names) != folds:
        raise StudyError(
            f"folds: leave-one-group-out of {len(names)} groups gives {len(names)} folds; write folds: {len(names)}"
        )
    for name in names:
        yield np.flatnonzero(values != name), np.flatnonzero(values == name)


def _split_predefined(data: Data, positions: Positions, folds: int, replicate: int) -> Iterator[Pair]:
    if data.folds is None:
        raise StudyError("splitter predefined needs the folds of the data; let the loader give them, or choose another")
    rows = data.folds if data.folds.ndim == 2 else data.folds[None]
    if replicate >= len(rows):
        raise StudyError(f"replicates: the data have folds for {len(rows)} replicates; ask for as many or fewer")
    fold_of = rows[replicate][positions]
    found = np.unique(fold_of[fold_of >= 0])
    if len(found) != folds:
        raise StudyError(f"folds: the data have {len(found)} folds, {folds} are asked for; write folds: {len(found)}")
    for fold in found:
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def _split_forward(data: Data, positions: Positions, folds: int) -> Iterator[Pair]:
    """Each fold trains on what is before its validation part; samples of one time stay together."""
    times = np.arange(len(positions)) if data.time is None else np.asarray(data.time)[positions]
    moments, place = np.unique(times, return_inverse=True)
    if len(moments) <= folds:
        raise StudyError(f"folds: {folds} forward folds of {len(moments)} moments; choose fewer than {len(moments)}")
    from sklearn.model_selection import TimeSeriesSplit

    for train, validation in TimeSeriesSplit(folds).split(moments):
        yield np.flatnonzero(np.isin(place, train)), np.flatnonzero(np.isin(place, validation))


def _split_by_user(
    split: Any,
    data: Data,
    positions: Positions,
    targets: NDArray[Any],
    column: NDArray[Any] | None,
    folds: int,
    seed: int,
) -> Iterable[Pair]:
    if hasattr(split, "split"):
        found: Iterable[Pair] = split.split(data.inputs[positions].reshape(len(positions), -1), targets, column)
        return found
    part = _take(data, positions)
    given: Iterable[Pair] = split(part, folds, seed)
    return given


def _take(data: Data, positions: Positions) -> Data:
    if len(positions) == len(data):
        return data
    groups = {name: column[positions] for name, column in data.groups.items()}
    time = None if data.time is None else data.time[positions]
    return Data(data.inputs[positions], data.targets[positions], data.classes, groups, None, time, data.categorical)


def _check_pairs(pairs: Sequence[Pair], samples: int, folds: int) -> tuple[Split, ...]:
    if len(pairs) != folds:
        raise StudyError(
            f"folds: the splitter gives {len(pairs)} splits, {folds} are asked for; write folds: {len(pairs)}"
        )
    splits = []
    for number, pair in enumerate(pairs, start=1):
        train, validation = (np.asarray(part) for part in pair)
        for part in (train, validation):
            if part.dtype.kind not in "iu" or part.ndim != 1 or not len(part):
                raise StudyError(f"split {number} of the splitter is no pair of lists of positions, integers from 0")
            if part.min() < 0 or part.max() >= samples or len(np.unique(part)) < len(part):
                raise StudyError(f"split {number} of the splitter repeats positions, or leaves 0 to {samples - 1}")
        if np.intersect1d(train, validation).size:
            raise StudyError(f"split {number} of the splitter validates on samples that it trains on")
        splits.append(Split(number - 1, train.astype(np.int64), validation.astype(np.int64)))
    return tuple(splits)


def read_split(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """A user's splitter as `build_data_splits` takes it: a generator function with its arguments, or an object."""
    if inspect.isclass(function):
        return function(**arguments)
    names = inspect.signature(function).parameters
    if "data" in names:
        return lambda data, folds, seed: function(
            **{k: v for k, v in {"data": data, "folds": folds, "seed": seed}.items() if k in names}, **arguments
        )
    return function(**arguments)


def find_alike_replicates(all_splits: Sequence[Sequence[Split]]) -> str:
    """A sentence if two replicates have the same held-out parts, empty if none have."""
    seen: dict[frozenset[bytes], int] = {}
    for replicate, splits in enumerate(all_splits):
        key = frozenset(np.sort(split.validation).tobytes() for split in splits)
        if key in seen:
            return (
                f"replicates {seen[key]} and {replicate} split alike, so they would be no replicates of the splits; "
                "write replicates: 1, or choose a splitter that shuffles"
            )
        seen[key] = replicate
    return ""


def carve_holdout(
    data: Data, positions: Positions, train: Positions, share: float, groups: str | None, seed: int
) -> tuple[Positions, Positions]:
    """About `share` of the training positions, whole groups where there are any, by class where there are classes.

    The rest and the holdout, sorted. Raises StudyError where one of them would be empty.
    """
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    targets = data.targets[positions[train]]
    options = {"n_splits": 1, "test_size": share, "random_state": seed}
    try:
        if groups is not None:
            column = data.groups[groups][positions[train]]
            rest, held = next(GroupShuffleSplit(**options).split(train, targets, column))
        elif data.task == "classification" and np.bincount(targets)[np.unique(targets)].min() >= 2:
            rest, held = next(StratifiedShuffleSplit(**options).split(train, targets))
        else:
            rest, held = next(ShuffleSplit(**options).split(train))
    except ValueError as error:
        raise StudyError(
            f"stop: a holdout of {share:g} of {len(train)} training samples cannot be carved ({error}); change it"
        ) from error
    return np.sort(train[rest]), np.sort(train[held])


def find_absent_classes(data: Data, positions: Positions, splits: Sequence[Split]) -> list[str]:
    """A sentence for each class that some folds do not hold out."""
    if data.task != "classification":
        return []
    targets = data.targets[positions]
    found = []
    for index, name in enumerate(data.classes):
        absent = sum(not np.any(targets[split.validation] == index) for split in splits)
        if absent:
            found.append(f"class {name} is absent from the held-out part of {absent} of {len(splits)} folds")
    return found
