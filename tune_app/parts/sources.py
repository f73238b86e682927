"""A data set by its name: loaded, checked, described."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tune_app.data import DATASETS, Data, Task, find_data_folder, load_dataset
from tune_app.data.checks import check_data
from tune_app.errors import StudyError, TuneAppError
from tune_app.parts.catalog import build_part
from tune_app.parts.references import Scope, describe_with_traceback
from tune_app.study.define import Definition


@dataclass(frozen=True)
class DataFacts:
    """What a plan needs to know of a data set: the shape of one prepared sample, outputs, numbers of samples.

    `sample_bytes` are those of one sample as it is stored.
    """

    shape: tuple[int, ...]
    outputs: int
    train: int
    test: int  # 0 without a test part
    codes: bool = False  # whether inputs are integers that mean codes, such as tokens
    task: Task = "classification"
    sample_bytes: int = 0


def describe_shipped(name: str) -> DataFacts:
    """The facts of a data set that ships; nothing is loaded."""
    entry = DATASETS[name]
    sizes = entry.train_images, entry.test_images
    return DataFacts(entry.image_shape, entry.classes, *sizes, sample_bytes=math.prod(entry.image_shape))  # grey levels


def describe_data(data: Data) -> DataFacts:
    """The facts of data in memory."""
    shape = tuple(map(int, data.inputs.shape[1:]))
    if data.categorical:  # a column of categories becomes one of 0 and 1 for each
        shape = (shape[0] + sum(int(data.inputs[:, column].max()) for column in data.categorical),)
    codes = bool(data.inputs.dtype.kind in "iu" and not (data.inputs.dtype == np.uint8 and data.inputs.ndim > 2))
    sizes = len(data), 0 if data.test is None else len(data.test)
    return DataFacts(shape, data.outputs, *sizes, codes, data.task, data.inputs.nbytes // max(1, len(data)))


def load_source(
    name: str,
    definitions: Mapping[str, Definition],
    folder: Path | None = None,
    scope: Scope | None = None,
    problems: list[str] | None = None,
) -> Data:
    """The data set called `name`, one that ships or the study's own.

    Raises DataError where a file is missing or damaged, StudyError where the user's loader fails or gives what cannot
    be used, each with the rule, the value and the remedy. With `problems`, what is wrong with the arrays is added to
    them, and the data are given as they are.
    """
    if name not in definitions:
        return load_dataset(name, folder)
    root = scope.root if scope else Path.cwd()
    try:
        data: Any = build_part("data", name, definitions, root=root, cache=find_data_folder(folder))
    except TuneAppError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's loader raises
        told = describe_with_traceback(error, scope or Scope(root))
        raise StudyError(f"define.{name}: loading failed: {told}") from error
    if not isinstance(data, Data):
        raise StudyError(
            f"define.{name}: it gave {type(data).__name__}; a loader returns tune_app.Data(inputs=…, targets=…)"
        )
    found = check_data(data, f"define.{name}")
    if found and problems is None:
        raise StudyError(found)
    if problems is not None:
        problems += found
    return data
