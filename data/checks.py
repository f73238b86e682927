"""What is wrong with arrays, before anything is trained on them: one sentence for each thing."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tune_app.data.model import Data
from tune_app.errors import choices

INPUT_TYPES = ("uint8", "float32", "int64")
NORMALISATIONS = ("fold", "all-training", "none")


def check_data(data: Data, what: str) -> list[str]:
    """A sentence for each thing that keeps `data` from being trained on; each begins with `what`, its name."""
    if not isinstance(data, Data):
        return [f"{what}: a loader returns tune_app.data.model.Data, and this one gave {_kind(data)}"]
    problems = [*_check_inputs(data), *_check_classes(data), *_check_targets(data), *_check_columns(data)]
    problems += [*_check_folds(data), *_check_categorical(data), *_check_normalise(data.normalise)]
    sentences = [f"{what}: {problem}" for problem in problems]
    if data.test is not None:
        sentences += _check_test(data, data.test, what)
    return sentences


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _check_array(name: str, array: object) -> Iterator[str]:
    """Nothing where `array` is a NumPy array of something that has a size."""
    if not isinstance(array, np.ndarray):
        yield f"{name} are of type {_kind(array)}, and a NumPy array is needed; convert them with numpy.asarray"
    elif array.dtype.hasobject:
        first = type(array.flat[0]).__name__ if array.size else "nothing"
        yield (
            f"{name} are Python objects (the first is of type {first}); an array of numbers of one type is needed, "
            "and rows of different lengths must be padded or cut to one length"
        )


def _check_finite(name: str, array: NDArray[Any]) -> Iterator[str]:
    """Nothing where every number is finite; else how many are not, and where the first is."""
    if array.dtype.kind not in "fcmM" or not array.ndim:
        return
    missing = np.isnat(array) if array.dtype.kind in "mM" else ~np.isfinite(array)
    count = int(missing.sum())
    if count:
        position = np.unravel_index(int(missing.argmax()), missing.shape)
        inside = f" at {tuple(int(index) for index in position[1:])}" if len(position) > 1 else ""
        value = array[position]
        yield (
            f"{name} have {count} value{'s' * (count > 1)} missing or not finite, the first is {value} in sample "
            f"{int(position[0])}{inside}, counted from 0; fill them in or leave those samples out"
        )


def _check_inputs(data: Data) -> Iterator[str]:
    inputs = data.inputs
    found = [*_check_array("inputs", inputs)]
    if found:
        yield from found
        return
    if inputs.dtype.name not in INPUT_TYPES:
        yield f"inputs are {inputs.dtype.name}; choose from {', '.join(INPUT_TYPES)}, with .astype(numpy.float32) say"
    if inputs.ndim < 2:
        yield f"inputs have shape {inputs.shape}; (N, …) is needed, and one number a sample is (N, 1)"
    elif 0 in inputs.shape[1:]:
        yield f"inputs have shape {inputs.shape}; a sample holds no number"
    if inputs.ndim and len(inputs) < 2:
        yield f"there are {len(inputs)} samples, and at least 2 are needed"
    yield from _check_finite("inputs", inputs)


def _check_classes(data: Data) -> Iterator[str]:
    if isinstance(data.classes, str) or not all(isinstance(name, str) for name in data.classes):
        yield f"classes are {data.classes!r}; a tuple of their names, texts, is needed"
        return
    repeated = [name for name, count in Counter(data.classes).items() if count > 1]
    if repeated:
        yield f"class names are repeated: {', '.join(map(repr, repeated))}; each class needs a name of its own"
    if len(data.classes) == 1 and isinstance(data.targets, np.ndarray) and data.targets.ndim < 2:
        yield f"{data.classes[0]!r} is the only class, and at least 2 are needed; for a regression leave classes empty"


def _check_targets(data: Data) -> Iterator[str]:
    targets = data.targets
    found = [*_check_array("targets", targets)]
    if found:
        yield from found
        return
    if targets.ndim not in (1, 2):
        yield f"targets have shape {targets.shape}; (N,), (N, C) or (N, T) is needed"
        return
    if isinstance(data.inputs, np.ndarray) and data.inputs.ndim and len(targets) != len(data.inputs):
        yield f"there are {len(targets)} targets for {len(data.inputs)} inputs; one for each is needed"
    check = {"regression": _check_numbers, "multilabel": _check_labels, "classification": _check_indices}[data.task]
    yield from check(targets, data.classes)


def _check_numbers(targets: NDArray[Any], classes: tuple[str, ...]) -> Iterator[str]:
    if targets.dtype != np.float32:
        yield (
            f"targets are {targets.dtype.name} without class names; a regression needs float32, "
            "and a classification the names of its classes"
        )
    elif targets.ndim == 2 and targets.shape[1] == 0:
        yield f"targets have shape {targets.shape}; there is no number to predict"
    yield from _check_finite("targets", targets)


def _check_labels(targets: NDArray[Any], classes: tuple[str, ...]) -> Iterator[str]:
    if targets.shape[1] != len(classes):
        hint = "; class indices are (N,), from targets.ravel()" if targets.shape[1] == 1 else ""
        yield f"targets have {targets.shape[1]} columns for {len(classes)} classes; one for each is needed{hint}"
        return
    if targets.dtype != np.uint8:
        yield f"targets of several labels are {targets.dtype.name}; uint8 of 0 and 1 is needed"
        return
    if len(targets) and targets.max(initial=0) > 1:
        yield f"targets of several labels hold {int(targets.max())}; 0 and 1 are allowed"
    elif len(targets) and (targets.sum(axis=1) == 1).all():
        yield (
            "each row of targets holds exactly one class, so they are no sets of labels; "
            "give class indices, targets.argmax(axis=1)"
        )


def _check_indices(targets: NDArray[Any], classes: tuple[str, ...]) -> Iterator[str]:
    if targets.dtype.kind not in "iu":
        yield (
            f"targets are {targets.dtype.name}; class indices are integers from 0 to {len(classes) - 1}, int64, "
            "and a regression has no class names"
        )
        yield from _check_finite("targets", targets)
        return
    outside = (targets < 0) | (targets >= len(classes))
    count = int(outside.sum())
    if count:
        first = int(outside.argmax())
        yield (
            f"{count} target{'s are' if count > 1 else ' is'} outside the {len(classes)} classes, the first is "
            f"{int(targets[first])} in sample {first}, counted from 0; 0 to {len(classes) - 1} are allowed"
        )


def _check_columns(data: Data) -> Iterator[str]:
    """Groups and time: a value for each sample."""
    columns = {f"groups {name!r}": column for name, column in data.groups.items()}
    if data.time is not None:
        columns["time"] = data.time
    for name, column in columns.items():
        found = [*_check_array(name, column)]
        if not found and column.ndim != 1:
            found = [f"{name} have shape {column.shape}; (N,) is needed, one value for each sample"]
        if not found:
            found = [*_check_length(name, len(column), data), *_check_finite(name, column)]
        yield from found
    if isinstance(data.time, np.ndarray) and data.time.dtype.kind not in "biufMO":
        yield f"time is {data.time.dtype.name}; numbers or dates (datetime64) are needed, which have an order"


def _check_length(name: str, length: int, data: Data) -> Iterator[str]:
    if isinstance(data.inputs, np.ndarray) and data.inputs.ndim and length != len(data.inputs):
        yield f"{name} have {length} values for {len(data.inputs)} inputs; one for each is needed"


def _check_folds(data: Data) -> Iterator[str]:
    folds = data.folds
    if folds is None:
        return
    found = [*_check_array("folds", folds)]
    if found:
        yield from found
    elif folds.dtype.kind not in "iu":
        yield f"folds are {folds.dtype.name}; integers are needed: each sample's fold from 0, -1 is always trained on"
    elif folds.ndim not in (1, 2):
        yield f"folds have shape {folds.shape}; (N,) is needed, or (R, N) for R replicates"
    else:
        yield from _check_length("folds", folds.shape[-1], data)
        if folds.size and int(folds.min()) < -1:
            yield f"folds hold {int(folds.min())}; folds are counted from 0, and -1 is always trained on"


def _check_categorical(data: Data) -> Iterator[str]:
    if not data.categorical or not isinstance(data.inputs, np.ndarray) or data.inputs.dtype.kind not in "uif":
        return
    if data.inputs.ndim != 2:
        yield f"categorical columns are those of inputs (N, columns), and these inputs have shape {data.inputs.shape}"
        return
    for column in data.categorical:
        if not 0 <= column < data.inputs.shape[1]:
            yield f"categorical column {column} is none of the {data.inputs.shape[1]} columns, counted from 0"
            continue
        codes = data.inputs[:, column]
        if (codes < 0).any() or (codes != np.floor(codes)).any():
            yield f"categorical column {column} holds values that are no codes; whole numbers from 0 are needed"


def _check_normalise(normalise: object) -> Iterator[str]:
    if isinstance(normalise, str):
        if normalise not in NORMALISATIONS:
            tail = choices(normalise, NORMALISATIONS)
            yield f"normalise is {normalise!r}{tail}, or give a (mean, std)"
    elif not isinstance(normalise, tuple) or len(normalise) != 2:
        yield f"normalise is {normalise!r}; choose from {', '.join(NORMALISATIONS)}, or give a (mean, std)"
    elif not (np.asarray(normalise[1]) > 0).all():
        yield f"normalise has the standard deviation {normalise[1]}; it must be above 0"


def _check_test(data: Data, test: Data, what: str) -> list[str]:
    sentences = check_data(test, f"{what}, test part")
    if not isinstance(test, Data):
        return sentences
    shapes = [getattr(part.inputs, "shape", ())[1:] for part in (data, test)]
    types = [getattr(part.inputs, "dtype", None) for part in (data, test)]
    if shapes[0] != shapes[1]:
        sentences.append(f"{what}, test part: a sample has shape {shapes[1]}, and {shapes[0]} elsewhere")
    if types[0] != types[1]:
        sentences.append(f"{what}, test part: inputs are {types[1]}, and {types[0]} elsewhere")
    if data.classes != test.classes:
        sentences.append(f"{what}, test part: its classes are {test.classes}, and {data.classes} elsewhere")
    elif isinstance(test.targets, np.ndarray) and isinstance(data.targets, np.ndarray) and data.outputs != test.outputs:
        sentences.append(f"{what}, test part: {test.outputs} numbers to predict, and {data.outputs} elsewhere")
    return sentences
