"""What the checks say of arrays, and that they say nothing of sound ones."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tune_app.data.bundled import load_bundled
from tune_app.data.checks import check_data
from tune_app.data.model import Data

IRIS = load_bundled("iris")
DIABETES = load_bundled("diabetes")
LABELS = replace(IRIS, targets=(IRIS.inputs > IRIS.inputs.mean(axis=0)).astype(np.uint8), classes=tuple("abcd"))


def with_value(array: np.ndarray[Any, Any], position: Any, value: Any) -> np.ndarray[Any, Any]:
    copy = array.copy()
    copy[position] = value
    return copy


SPOILT: list[tuple[Data, dict[str, Any], str]] = [
    (IRIS, {"inputs": IRIS.inputs.tolist()}, "inputs are of type list, and a NumPy array is needed"),
    (IRIS, {"inputs": IRIS.inputs.astype(object)}, r"inputs are Python objects \(the first is of type float\)"),
    (IRIS, {"inputs": IRIS.inputs.astype(np.float64)}, "inputs are float64; choose from uint8, float32, int64"),
    (IRIS, {"inputs": IRIS.inputs[:, 0]}, r"inputs have shape \(150,\); \(N, …\) is needed"),
    (IRIS, {"inputs": IRIS.inputs[:, :0]}, "a sample holds no number"),
    (
        IRIS,
        {"inputs": with_value(IRIS.inputs, ([7, 9], [2, 0]), np.nan)},
        r"inputs have 2 values missing or not finite, the first is nan in sample 7 at \(2,\)",
    ),
    (IRIS, {"inputs": with_value(IRIS.inputs, (3, 1), -np.inf)}, r"1 value missing .* is -inf in sample 3 at \(1,\)"),
    (DIABETES, {"targets": with_value(DIABETES.targets, 5, np.nan)}, "targets have 1 value missing .* in sample 5,"),
    (DIABETES, {"targets": DIABETES.targets.astype(np.float64)}, "targets are float64 without class names"),
    (DIABETES, {"targets": DIABETES.targets.astype(np.int64)}, "targets are int64 without class names"),
    (DIABETES, {"targets": DIABETES.targets[:, None, None]}, r"targets have shape \(442, 1, 1\)"),
    (DIABETES, {"targets": DIABETES.targets[:-2]}, "there are 440 targets for 442 inputs"),
    (IRIS, {"targets": IRIS.targets + 1}, "50 targets are outside the 3 classes, the first is 3 in sample 100,"),
    (
        IRIS,
        {"targets": with_value(IRIS.targets, 8, -1)},
        "1 target is outside the 3 classes, the first is -1 in sample 8,",
    ),
    (IRIS, {"targets": IRIS.targets.astype(np.float32)}, "targets are float32; class indices are integers from 0 to 2"),
    (IRIS, {"targets": IRIS.targets.astype(object)}, "targets are Python objects"),
    (IRIS, {"targets": IRIS.targets[:, None]}, r"targets have 1 columns for 3 classes; .* targets\.ravel\(\)"),
    (IRIS, {"targets": np.eye(3, dtype=np.uint8)[IRIS.targets]}, r"exactly one class, .*targets\.argmax\(axis=1\)"),
    (IRIS, {"classes": ("a", "b", "a")}, "class names are repeated: 'a'"),
    (IRIS, {"classes": ("a",), "targets": IRIS.targets * 0}, "'a' is the only class, and at least 2 are needed"),
    (IRIS, {"classes": (0, 1, 2)}, "a tuple of their names, texts, is needed"),
    (LABELS, {"targets": LABELS.targets.astype(np.float32)}, "targets of several labels are float32; uint8"),
    (LABELS, {"targets": LABELS.targets * 2}, "targets of several labels hold 2; 0 and 1 are allowed"),
    (LABELS, {"targets": LABELS.targets[:, :3]}, "targets have 3 columns for 4 classes"),
    (IRIS, {"groups": {"patient": np.arange(149)}}, "groups 'patient' have 149 values for 150 inputs"),
    (IRIS, {"groups": {"patient": np.full(150, None)}}, "groups 'patient' are Python objects"),
    (IRIS, {"groups": {"patient": with_value(np.ones(150), 4, np.nan)}}, "groups 'patient' have 1 value missing"),
    (IRIS, {"folds": np.arange(10)}, "folds have 10 values for 150 inputs"),
    (IRIS, {"folds": np.zeros((3, 10), int)}, "folds have 10 values for 150 inputs"),
    (IRIS, {"folds": np.full(150, -2)}, "folds hold -2; folds are counted from 0, and -1 is always trained on"),
    (IRIS, {"folds": np.zeros(150)}, "folds are float64; integers are needed"),
    (IRIS, {"time": np.arange(10)}, "time have 10 values for 150 inputs"),
    (IRIS, {"time": np.full(150, "monday")}, r"time is str\d+; numbers or dates"),
    (IRIS, {"time": np.full(150, "NaT", dtype="datetime64[D]")}, "time have 150 values missing .* is NaT in sample 0,"),
    (IRIS, {"categorical": (4,)}, "categorical column 4 is none of the 4 columns"),
    (IRIS, {"categorical": (0,)}, "categorical column 0 holds values that are no codes"),
    (IRIS, {"normalise": "folds"}, "normalise is 'folds'; did you mean 'fold'"),
    (IRIS, {"normalise": (0.5,)}, "or give a"),
    (IRIS, {"normalise": (0.5, 0.0)}, "it must be above 0"),
    (IRIS, {"inputs": IRIS.inputs[:1], "targets": IRIS.targets[:1]}, "there are 1 samples, and at least 2 are needed"),
    (IRIS, {"test": replace(IRIS, inputs=IRIS.inputs[:, :3])}, r"test part: a sample has shape \(3,\), and \(4,\)"),
    (IRIS, {"test": replace(IRIS, inputs=IRIS.inputs.astype(np.uint8))}, "test part: inputs are uint8, and float32"),
    (IRIS, {"test": replace(IRIS, classes=("a", "b", "c"))}, "test part: its classes are"),
    (IRIS, {"test": replace(IRIS, targets=IRIS.targets[:9])}, "test part: there are 9 targets for 150 inputs"),
    (
        DIABETES,
        {"test": replace(DIABETES, targets=DIABETES.targets.repeat(2).reshape(-1, 2))},
        "test part: 2 numbers to predict, and 1 elsewhere",
    ),
]


@pytest.mark.parametrize(("data", "change", "message"), SPOILT, ids=[str(index) for index in range(len(SPOILT))])
def test_each_thing_that_is_wrong_has_one_sentence(data: Data, change: dict[str, Any], message: str) -> None:
    sentences = check_data(replace(data, **change), "define.scans")
    assert len(sentences) == 1, sentences
    assert re.search(message, sentences[0]), sentences[0]
    assert sentences[0].startswith("define.scans")


@pytest.mark.parametrize("data", [IRIS, DIABETES, LABELS, load_bundled("digits")])
def test_sound_data_have_no_sentence(data: Data) -> None:
    assert check_data(data, "define.scans") == []
    assert check_data(replace(data, test=data, normalise=(0.5, 0.2)), "define.scans") == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    spoilt = replace(IRIS, inputs=IRIS.inputs.astype(np.float64), targets=IRIS.targets + 1, folds=np.arange(9))
    assert len(check_data(spoilt, "scans")) == 3


def test_another_thing_than_data_is_named() -> None:
    [sentence] = check_data((IRIS.inputs, IRIS.targets), "scans")  # type: ignore[arg-type]
    assert sentence == "scans: a loader returns tune_app.data.model.Data, and this one gave tuple"
