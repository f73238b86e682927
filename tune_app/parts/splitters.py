"""Data in, splits out, whatever a study splits by; and what is carved from a training part or lacking in held-out ones.

A user's splitter is a function like those that ship, or an object with scikit-learn's `split(X, y, groups)`, or a class
or function that gives such an object.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tune_app.data.model import Data
from tune_app.errors import StudyError, choices, describe_error
from tune_app.parts.shipped_splitters import SPLITTERS, find_groups
from tune_app.parts.signatures import bind_part
from tune_app.parts.splits import Split

Positions = NDArray[np.int64]


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

    `split` is a user's splitter, and `splitter` then only its name. Raises StudyError for splits that the data cannot
    give, and for splits of a user's that are none or differ between two calls.
    """
    if split is None and splitter not in SPLITTERS:
        raise StudyError(f"unknown splitter {splitter!r}{choices(splitter, SPLITTERS)}")
    part = _take(data, positions)
    if groups is not None:
        find_groups(part, groups)
    source: Any = SPLITTERS[splitter] if split is None else split
    filled = {"data": part, "folds": folds, "seed": seed, "groups": groups, "replicate": replicate}
    first, *others = [
        _check_pairs(_draw_pairs(source, splitter, filled), splitter, len(part), folds)
        for _ in range(1 if split is None else 2)
    ]
    if any(not _are_equal(first, other) for other in others):
        raise StudyError(
            f"splitter {splitter}: two calls with the same seed give different splits, so that conditions could not be "
            "compared in pairs; draw from numpy.random.default_rng(seed), or leave random_state out"
        )
    return first


def _take(data: Data, positions: Positions) -> Data:
    if np.array_equal(positions, np.arange(len(data))):
        return replace(data, test=None)
    return replace(
        data,
        inputs=data.inputs[positions],
        targets=data.targets[positions],
        groups={name: column[positions] for name, column in data.groups.items()},
        folds=None if data.folds is None else data.folds[..., positions],
        time=None if data.time is None else data.time[positions],
        test=None,
    )


def _draw_pairs(source: Any, name: str, filled: Mapping[str, Any]) -> list[Any]:
    """What the splitter yields, one pair more than the folds at most: a user's generator might never end."""
    data, groups = filled["data"], filled["groups"]
    try:
        if inspect.isclass(source) or not hasattr(source, "split"):
            named = _read_names(source)
            source = source(**{key: value for key, value in filled.items() if key in named})
        if hasattr(source, "split"):
            source = copy.copy(source)
            if getattr(source, "random_state", 0) is None:
                source.random_state = filled["seed"]
            column = None if groups is None else find_groups(data, groups)
            source = source.split(data.inputs.reshape(len(data), -1), data.targets, column)
        return list(islice(source, filled["folds"] + 1))
    except StudyError:
        raise
    except Exception as error:  # whatever a user's splitter raises
        hint = f"; if it needs groups, name one of {', '.join(data.groups)}" if data.groups and groups is None else ""
        raise StudyError(f"splitter {name} raised {describe_error(error)}{hint}") from error


def _read_names(source: Callable[..., Any]) -> set[str]:
    """What the tool may fill in: the names of the signature, less those that the study gives."""
    given = source.keywords if isinstance(source, functools.partial) else {}
    return set(inspect.signature(source).parameters) - set(given)


def _check_pairs(pairs: list[Any], name: str, samples: int, folds: int) -> tuple[Split, ...]:
    if len(pairs) != folds:
        found = f"more than {folds}" if len(pairs) > folds else str(len(pairs))
        raise StudyError(f"splitter {name}: it gives {found} splits for {folds} folds; as many are needed")
    splits = []
    for fold, pair in enumerate(pairs):
        place = f"splitter {name}, split {fold + 1} of {folds}"
        try:
            train, validation = pair
        except (TypeError, ValueError):
            raise StudyError(f"{place}: it is no pair; yield (train, validation), two arrays of positions") from None
        train = _check_positions(train, f"{place}: its training part", samples)
        validation = _check_positions(validation, f"{place}: its held-out part", samples)
        both = np.intersect1d(train, validation, assume_unique=True)
        if len(both):
            raise StudyError(
                f"{place}: {len(both)} of its samples are trained on and held out, the first is {both[0]}; "
                "a sample is in one part alone"
            )
        splits.append(Split(fold, train, validation))
    return tuple(splits)


def _check_positions(part: Any, what: str, samples: int) -> Positions:
    try:
        array = np.asarray(part)
    except ValueError:  # rows of different lengths
        raise StudyError(f"{what} is no array; give positions, integers from 0 to {samples - 1}") from None
    if array.ndim != 1:
        raise StudyError(f"{what} has shape {array.shape}; give (n,) positions, integers from 0 to {samples - 1}")
    if not len(array):
        raise StudyError(f"{what} is empty; each part needs a sample, so choose fewer folds or another splitter")
    if array.dtype.kind not in "iu":
        hint = "; numpy.flatnonzero makes positions of a mask" if array.dtype.kind == "b" else ""
        raise StudyError(f"{what} is {array.dtype.name}; give positions, integers from 0 to {samples - 1}{hint}")
    outside = array[(array < 0) | (array >= samples)]
    if len(outside):
        raise StudyError(f"{what} holds position {outside[0]}; 0 to {samples - 1} are allowed, counted in `data`")
    counts = np.bincount(array.astype(np.int64), minlength=samples)
    if counts.max() > 1:
        raise StudyError(f"{what} holds position {counts.argmax()} {counts.max()} times; once is allowed")
    return array.astype(np.int64)


def _are_equal(first: Sequence[Split], second: Sequence[Split]) -> bool:
    return all(
        np.array_equal(a.train, b.train) and np.array_equal(a.validation, b.validation)
        for a, b in zip(first, second, strict=True)
    )


def read_split(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[..., Any]:
    """A user's splitter with the study's arguments, as `build_data_splits` takes it."""
    return functools.partial(function, **bind_part(function, "splitter", arguments))


def find_alike_replicates(
    data: Data,
    positions: Positions,
    folds: int,
    splitter: str,
    groups: str | None,
    seeds: Sequence[int],
    split: Any = None,
) -> str:
    """What `find_alike_splits` says of replicates with these `seeds`; StudyError if they cannot split."""
    return find_alike_splits(
        [
            build_data_splits(data, positions, folds, splitter, groups, seed, replicate, split)
            for replicate, seed in enumerate(seeds)
        ]
    )


def find_alike_splits(all_splits: Sequence[Sequence[Split]]) -> str:
    """A sentence if two replicates have the same held-out parts, in any order; empty if none have."""
    seen: dict[tuple[bytes, ...], int] = {}
    for replicate, splits in enumerate(all_splits):
        partition = tuple(sorted(np.sort(split.validation).tobytes() for split in splits))
        if partition in seen:
            return (
                f"replicates {seen[partition]} and {replicate} split alike: their held-out parts are the same, so that "
                "they repeat no splits; write replicates: 1, or choose a splitter that shuffles them"
            )
        seen[partition] = replicate
    return ""


def carve_holdout(
    data: Data, positions: Positions, train: Positions, share: float, groups: str | None, seed: int
) -> tuple[Positions, Positions]:
    """About `share` of the training positions, whole groups if a column is named, else by class where there are any.

    The rest and the holdout, sorted; both count within `positions`, as `train` does. Raises StudyError where one of
    them would be empty.
    """
    if not 0 < share < 1:
        raise StudyError(f"holdout: {share:g} of the training part; choose a share above 0 and below 1, such as 0.1")
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(train)
    wanted = round(share * len(train))
    if not 0 < wanted < len(train):
        raise StudyError(
            f"holdout: {share:g} of {len(train)} training samples is {wanted}, and some must be held out and some "
            "trained on; choose another share, or train on more samples"
        )
    if groups is not None:
        chosen = _choose_groups(find_groups(data, groups)[positions[shuffled]], wanted, groups)
    else:
        if data.task == "classification":  # at even distances along the classes, so that each gives its share
            shuffled = shuffled[np.argsort(data.targets[positions[shuffled]], kind="stable")]
        start = int(generator.integers(len(train)))
        chosen = np.zeros(len(train), bool)
        chosen[(np.arange(wanted) * len(train) + start) // wanted] = True
    return np.sort(shuffled[~chosen]), np.sort(shuffled[chosen])


def _choose_groups(column: NDArray[Any], wanted: int, groups: str) -> NDArray[np.bool_]:
    """Which samples the holdout takes: groups in the order given, each that brings it nearer to the size wanted."""
    names, first, sizes = np.unique(column, return_index=True, return_counts=True)
    if len(names) < 2:
        raise StudyError(
            f"holdout: the training part has one of the groups of {groups}, and a holdout takes whole groups; "
            "leave out holdout, or choose fewer folds"
        )
    taken, total = list[int](), 0
    order = np.argsort(first)
    for index in order:
        if len(taken) < len(names) - 1 and abs(total + sizes[index] - wanted) < abs(total - wanted):
            taken.append(index)
            total += int(sizes[index])
    if not taken:  # each is more than twice of what is wanted
        taken.append(order[np.argmin(sizes[order])])
    return np.isin(column, names[taken])


def find_absent_classes(data: Data, positions: Positions, splits: Sequence[Split]) -> list[str]:
    """A sentence for each class or label that no sample of some folds' held-out part has; none for a regression."""
    if data.task == "regression":
        return []
    targets = data.targets[positions]
    found = []
    for index, name in enumerate(data.classes):
        having = targets[:, index] == 1 if data.task == "multilabel" else targets == index
        absent = sum(not having[split.validation].any() for split in splits)
        if absent:
            found.append(f"class {name} is absent from the held-out part of {absent} of {len(splits)} folds")
    return found
