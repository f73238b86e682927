"""The splitters that ship: each an ordinary function, as a user's own could be.

Such a function takes the samples that take part, as `Data`, and yields a pair of positions, (train, validation), for
each fold. What it names of `data`, `folds`, `seed`, `groups` (a column) and `replicate` is filled in.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedGroupKFold, TimeSeriesSplit

from tune_app.data.model import Data
from tune_app.errors import StudyError, choices
from tune_app.parts.splits import build_splits

Positions = NDArray[np.int64]
Pairs = Iterable[tuple[Any, Any]]


def kfold(data: Data, folds: int, seed: int) -> Iterator[tuple[Positions, Positions]]:
    """Shuffled folds of equal size, but for a sample."""
    for split in build_splits(np.zeros(len(data), np.int64), folds, "kfold", seed):
        yield split.train, split.validation


def stratified(data: Data, folds: int, seed: int) -> Iterator[tuple[Positions, Positions]]:
    """Shuffled folds in which the classes keep their shares."""
    _need_classes(data, "stratified", "kfold")
    for split in build_splits(data.targets, folds, "stratified", seed):
        yield split.train, split.validation


def group(data: Data, folds: int, seed: int, groups: str | None = None) -> Pairs:
    """Shuffled groups, about as many in each fold: scikit-learn's `GroupKFold`."""
    column = _read_groups(data, groups, folds)
    pairs: Pairs = GroupKFold(folds, shuffle=True, random_state=seed).split(column, groups=column)
    return pairs


def stratified_group(data: Data, folds: int, seed: int, groups: str | None = None) -> Pairs:
    """Whole groups, the classes' shares as even as these allow: scikit-learn's `StratifiedGroupKFold`.

    It shuffles only groups of like class shares. Refused where some fold must lack a class.
    """
    _need_classes(data, "stratified-group", "group")
    column = _read_groups(data, groups, folds)
    having = {name: len(np.unique(column[data.targets == index])) for index, name in enumerate(data.classes)}
    few = [
        f"class {name} is in {found} of the groups, for {folds} folds; "
        + (f"choose from 2 to {found} folds, or " if found > 1 else "choose ")
        + "splitter group, or leave the class out"
        for name, found in having.items()
        if 0 < found < folds
    ]
    if few:
        raise StudyError(few)
    pairs: Pairs = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(column, data.targets, column)
    return pairs


def leave_one_group_out(data: Data, folds: int, groups: str | None = None) -> Pairs:
    """Each group is held out once, in the order of their names; `folds` is how many groups there are."""
    column = _read_groups(data, groups)
    found = len(np.unique(column))
    if found != folds:
        raise StudyError(f"folds: {folds} folds that each leave one of {found} groups out; write folds: {found}")
    pairs: Pairs = LeaveOneGroupOut().split(column, groups=column)
    return pairs


def predefined(data: Data, folds: int, replicate: int = 0) -> Iterator[tuple[Positions, Positions]]:
    """The folds that the data bring along; -1 is always trained on. Rows of `data.folds` (R, N) are the replicates'."""
    if data.folds is None:
        raise StudyError("splitter predefined: the data have no folds; let the loader give some, or write kfold")
    rows = np.atleast_2d(data.folds)
    if data.folds.ndim == 2 and replicate >= len(rows):
        raise StudyError(
            f"replicates: replicate {replicate}, counted from 0, has none of the {len(rows)} rows of the data's folds; "
            f"write replicates: {len(rows)} or fewer, or let the loader give more rows"
        )
    fold_of = rows[replicate if data.folds.ndim == 2 else 0]
    found = np.unique(fold_of[fold_of >= 0])
    if len(found) != folds:
        raise StudyError(
            f"folds: {folds} folds are asked for, and the samples have {len(found)}; write folds: {len(found)}"
        )
    for fold in found:
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def forward(data: Data, folds: int) -> Iterator[tuple[Positions, Positions]]:
    """Each fold trains on all that is before its held-out part: scikit-learn's `TimeSeriesSplit` over `data.time`.

    Without a time the samples are in order. Samples of one time are one moment, and stay together.
    """
    moments, place = np.unique(np.arange(len(data)) if data.time is None else data.time, return_inverse=True)
    if not 2 <= folds < len(moments):
        most = f"choose from 2 to {len(moments) - 1}" if len(moments) > 2 else "3 moments are the fewest"
        raise StudyError(f"folds: {folds} forward folds of {len(moments)} moments; {most}, or give a finer time")
    for train, validation in TimeSeriesSplit(folds).split(moments):
        yield np.flatnonzero(np.isin(place, train)), np.flatnonzero(np.isin(place, validation))


SPLITTERS: dict[str, Callable[..., Pairs]] = {
    "kfold": kfold,
    "stratified": stratified,
    "group": group,
    "stratified-group": stratified_group,
    "leave-one-group-out": leave_one_group_out,
    "predefined": predefined,
    "forward": forward,
}


def find_groups(data: Data, groups: str | None) -> NDArray[Any]:
    """The column called `groups`, the only one for None; StudyError if it is not there."""
    if not data.groups:
        column = groups or "patient"
        raise StudyError(
            f"groups: the data have no column of groups; write groups: {column} in the definition of an npz or a "
            "table, let your loader give groups, or write splitter: kfold"
        )
    if groups is None and len(data.groups) > 1:
        raise StudyError(f"groups: name the column to keep together; choose from {', '.join(data.groups)}")
    name = next(iter(data.groups)) if groups is None else groups
    if name not in data.groups:
        raise StudyError(f"groups: the data have no column {name!r}{choices(name, data.groups)}")
    return np.asarray(data.groups[name])


def _read_groups(data: Data, groups: str | None, folds: int = 2) -> Positions:
    """Codes of the groups, in the order of their names; StudyError if there are fewer than folds."""
    names, codes = np.unique(find_groups(data, groups), return_inverse=True)
    column = f"groups of {groups}" if groups else "groups"
    if len(names) < 2:
        raise StudyError(f"groups: there are {len(names)} {column}, and splits need 2; choose another column")
    if not 2 <= folds <= len(names):
        raise StudyError(f"folds: {folds} folds of {len(names)} {column}; choose from 2 to {len(names)}")
    return codes.astype(np.int64)


def _need_classes(data: Data, splitter: str, instead: str) -> None:
    if data.task != "classification":
        kind = "sets of labels" if data.task == "multilabel" else "numbers"
        raise StudyError(
            f"splitter {splitter}: the targets are {kind}, and one class a sample is needed; write splitter: {instead}"
        )
