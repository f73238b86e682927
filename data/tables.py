"""Data from a table, a CSV or Parquet file: its columns become inputs, targets, groups, folds and time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tune_app.data.arrays import to_float32
from tune_app.data.columns import Columns, encode
from tune_app.data.model import Data
from tune_app.errors import DataError, choices

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("auto", "classification", "multilabel", "regression")


def load_table(
    file: str,
    target: str | Sequence[str],
    inputs: Sequence[str] = (),
    categories: Sequence[str] = (),
    groups: Sequence[str] = (),
    folds: str = "",
    time: str = "",
    classes: Sequence[str] = (),
    task: Literal["auto", "classification", "multilabel", "regression"] = "auto",
    separator: str = ",",
    *,
    root: Path,
) -> Data:
    """The rows of a `.csv` or `.parquet` file; the arguments are names of its columns.

    `inputs` are all columns with no other part, float32 (N, columns) in the order of the file or of `inputs`. Columns
    of text, bool or of Parquet's dictionaries, and those in `categories`, hold the positions of their sorted values
    and are `categorical`; numbers stay as they are. A `target` of numbers makes it a regression, unless `task` says
    classification; one of text or bool holds classes, sorted or in the order of `classes`. Several targets are a
    regression with several outputs, or for `multilabel` columns of 0 and 1, whose names are the classes. A `time`
    of text is read as ISO 8601 dates. A relative `file` is one in `root`. Raises DataError; missing values are refused.
    """
    if task not in TASKS:
        raise DataError(f"task {task!r} is none{choices(task, TASKS)}")
    path = root / file
    table = _read(path, separator)
    wanted, grouped, coded, predicted = (_as_names(names) for names in (inputs, groups, categories, target))
    columns = Columns(path, table)
    taken = [*predicted, *grouped, *(name for name in (folds, time) if name)]
    columns.require([*wanted, *coded, *taken])
    used = wanted or columns.find_rest(taken)
    for name in predicted:
        if name in used:
            raise DataError(f"{path}: column {name!r} is target and input; a network would read the answer")
    for name in coded:
        if name not in used:
            raise DataError(f"{path}: categories has {name!r}, which is no input{choices(name, used)}")
    columns.refuse_missing([*used, *(name for name in taken if name not in used)])
    values, categorical = columns.read_inputs(used, coded)
    targets, names = _read_targets(columns, predicted, tuple(str(name) for name in classes), task)
    return Data(
        values,
        targets,
        names,
        {name: columns.read_plain(name) for name in grouped},
        folds=columns.read_folds(folds) if folds else None,
        time=columns.read_time(time) if time else None,
        categorical=categorical,
    )


def _as_names(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _read(path: Path, separator: str) -> "pd.DataFrame":
    import pandas as pd  # here: half a second that other data sets need not pay

    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path} is no table that can be read; choose from .csv, .parquet")
    if not path.is_file():
        near = sorted(other.name for other in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        raise DataError(f"{path} is missing" + (choices(path.name, near) if near else ""))
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            table = table.reset_index() if any(table.index.names) else table  # a named index is a column
        else:
            table = pd.read_csv(path, sep=separator, low_memory=False)
    except (ValueError, OSError) as error:  # those of pandas and pyarrow, and of text that is not UTF-8, are among them
        kind = "a CSV file in UTF-8" if path.suffix == ".csv" else "a Parquet file"
        raise DataError(f"{path} cannot be read as {kind}: {' '.join(str(error).split())}") from error
    if table.empty:
        raise DataError(f"{path} has no rows")
    if path.suffix == ".csv" and not table.index.equals(pd.RangeIndex(len(table))):
        raise DataError(f"{path}: its rows have more cells than its header has names; give each column a name")
    return table


def _read_targets(
    columns: Columns, target: list[str], classes: tuple[str, ...], task: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The targets as their task has them, and the names of the classes, none for a regression."""
    if not target:
        raise DataError(f"{columns.path}: target names no column; choose from {', '.join(columns.names)}")
    numbers = all(columns.is_number(name) for name in target)
    if task == "auto":
        task = "regression" if numbers and not classes else "classification"
    elif classes and task != "classification":
        raise DataError(f"classes are {', '.join(classes)}, and task {task} takes none; say task: classification")
    if task != "classification":
        columns.refuse_texts(target, task)
    if task == "regression":
        values = to_float32(columns.read_numbers(target))
        return (values if len(target) > 1 else values[:, 0]), ()
    if task == "multilabel":
        return _read_labels(columns, target)
    if len(target) > 1:
        raise DataError(
            f"{columns.path}: {len(target)} targets for a classification; name one column, "
            "or say task: multilabel for columns of 0 and 1"
        )
    return encode(columns.read_plain(target[0]), classes, f"{columns.path}: target {target[0]!r}")


def _read_labels(columns: Columns, target: list[str]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    values = columns.read_numbers(target)
    for position, name in enumerate(target):
        other = ~np.isin(values[:, position], (0, 1))
        if other.any():
            row = int(other.argmax())
            raise DataError(
                f"{columns.path}: target {name!r} is {values[row, position]:g} in row {row + 1}, counted from 1 below "
                "the header; 0 and 1 are allowed for task multilabel"
            )
    return values.astype(np.uint8), tuple(target)
