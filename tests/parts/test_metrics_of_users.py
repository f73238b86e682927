"""Users' own metrics: functions in a file of theirs, what they may return, and what is said of what they may not."""

import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference

from tests.predictions import Pair, progression, tumours
from tune_app.errors import RefusedError, StudyError
from tune_app.parts import metric_functions
from tune_app.parts.metrics import METRICS, build_users_metric, compute_from_labels, compute_metric

SOURCE = '''
import json
from fractions import Fraction

import numpy as np
from sklearn.metrics import f1_score, recall_score


def cost(targets, labels, missed=1.0, alarm=1.0):
    """A missed tumour (class 0) costs more than a false alarm."""
    return missed * np.mean((targets == 0) & (labels == 1)) + alarm * np.mean((targets == 1) & (labels == 0))


def margin(targets, outputs):
    outputs -= outputs.mean(axis=1, keepdims=True)
    targets[:] = 1 - targets
    return outputs[np.arange(len(targets)), 1 - targets].mean()


def told(y_true, y_pred, *, classes, task, weights):
    return classes + len(weights) if task == "classification" else -1


def within(targets, numbers, distance):
    return np.mean(np.abs(targets - numbers) <= distance)


def returns(targets, labels, what):
    return {"array": targets == labels, "zero-d": np.array(0.5), "nothing": None, "text": "0.5", "list": [0.5],
            "yes": True, "numpy yes": np.True_, "complex": 1j, "tuple": (0.5,), "nan": float("nan"),
            "numpy nan": np.float32("nan"), "infinite": -np.inf, "float": 0.5, "integer": 1, "half": np.float16(0.5),
            "numpy integer": np.int8(1), "fraction": Fraction(1, 2)}[what]


def reads(targets, labels):
    return _parse("{not json")


def _parse(text):
    return json.loads(text)["cost"]


def stops(targets, labels):
    raise KeyError


def wraps(targets, labels):
    return f1_score(targets, labels, average="macro", labels=[0, 1, 2])


def chooses(targets, labels):
    return recall_score(targets, labels, average="macro", labels=[0, 1, 2], zero_division=0)
'''


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "scores_of_mine.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("scores_of_mine", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scores_of_mine"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["scores_of_mine"]


def _tumours() -> Pair:
    """Outputs as they are recorded, in half precision."""
    targets, outputs = tumours()
    return targets.copy(), outputs.astype(np.float16)


def _value(function: Callable[..., Any], needs: Any = "labels", **arguments: Any) -> float:
    metric = build_users_metric("mine", function, arguments, "lower", "EUR", needs)
    return compute_metric(metric, *_tumours(), "classification")


def test_a_metric_of_labels_is_given_labels_and_its_arguments(users: Any) -> None:
    targets, outputs = _tumours()
    metric = build_users_metric("cost", users.cost, {"missed": 10.0, "alarm": 0.5}, "lower", "EUR", "labels")
    (_, alarms), (missed, _) = reference.confusion_matrix(1 - targets, outputs.argmax(1) == 0)
    expected = (10 * missed + 0.5 * alarms) / len(targets)
    assert compute_metric(metric, targets, outputs, "classification") == pytest.approx(expected)
    assert compute_from_labels(metric, targets, outputs.argmax(1), "classification", 2) == pytest.approx(expected)
    assert (metric.better, metric.unit, metric.needs, metric.averages) == ("lower", "EUR", "labels", False)


def test_a_metric_of_scores_is_given_raw_outputs_in_full_precision_and_may_write_to_them(users: Any) -> None:
    targets, outputs = _tumours()
    before = outputs.copy()
    metric = build_users_metric("margin", users.margin, {})
    centred = before.astype(np.float64) - before.astype(np.float64).mean(axis=1, keepdims=True)
    expected = centred[np.arange(len(targets)), targets].mean()
    assert compute_metric(metric, targets, outputs, "classification") == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(outputs, before)
    assert np.array_equal(targets, tumours()[0])


def test_classes_and_task_are_filled_in_where_the_signature_names_them_and_lists_are_lists(users: Any) -> None:
    assert _value(users.told, weights=(1, 2, 3)) == 5


@pytest.mark.parametrize("needs", ["labels", "scores"])
def test_a_metric_of_a_regression_is_given_numbers(users: Any, needs: Any) -> None:
    targets, outputs = progression()
    metric = build_users_metric("within", users.within, {"distance": 50}, needs=needs)
    expected = np.mean(np.abs(targets - outputs) <= 50)
    assert compute_metric(metric, targets, outputs[:, None], "regression") == pytest.approx(expected)


@pytest.mark.parametrize("needs", ["labels", "scores"])
def test_a_metric_of_several_labels_is_given_them(needs: Any) -> None:
    targets, outputs = np.array([[1, 0, 1], [0, 0, 1]], dtype=np.uint8), np.array([[2.0, -1, -3], [-1, 0, 1]])
    metric = build_users_metric("size", lambda targets, given: given.sum(), {}, needs=needs)
    assert compute_metric(metric, targets, outputs, "multilabel") == (2 if needs == "labels" else outputs.sum())


@pytest.mark.parametrize(
    ("what", "value"), [("float", 0.5), ("integer", 1), ("half", 0.5), ("numpy integer", 1), ("fraction", 0.5)]
)
def test_any_real_number_is_a_value(users: Any, what: str, value: float) -> None:
    found = _value(users.returns, what=what)
    assert type(found) is float
    assert found == value


@pytest.mark.parametrize(
    ("what", "returned"),
    [
        ("array", r"ndarray of shape \(369,\) and type bool"),
        ("zero-d", r"ndarray of shape \(\) and type float64"),
        ("nothing", "None; a return is lacking"),
        ("text", "str '0.5'"),
        ("list", r"list \[0.5\]"),
        ("tuple", r"tuple \(0.5,\)"),
        ("yes", "bool True"),
        ("numpy yes", r"bool of shape \(\) and type bool"),
        ("complex", "complex 1j"),
    ],
)
def test_what_is_no_number_is_described(users: Any, what: str, returned: str) -> None:
    with pytest.raises(StudyError, match=f"^metric mine returned {returned}; one number is needed, such as "):
        _value(users.returns, what=what)


@pytest.mark.parametrize("what", ["nan", "numpy nan"])
def test_nan_means_undefined(users: Any, what: str) -> None:
    with pytest.raises(RefusedError, match=r"^mine is undefined for the 369 samples tested.$"):
        _value(users.returns, what=what)


def test_an_infinite_value_is_refused(users: Any) -> None:
    with pytest.raises(RefusedError, match=r"^mine is infinite for the 369 samples tested.$"):
        _value(users.returns, what="infinite")


def test_an_exception_is_shown_with_the_last_line_of_the_users_own_file(users: Any) -> None:
    """The error is raised in Python's json; the line that led there is the one to mend."""
    line = SOURCE.splitlines().index('    return json.loads(text)["cost"]') + 1
    with pytest.raises(StudyError) as raised:
        _value(users.reads)
    message = "metric mine failed: JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2"
    assert str(raised.value) == f"{message} (char 1) ({users.__file__}, line {line})"
    assert type(raised.value.__cause__).__name__ == "JSONDecodeError"


def test_an_exception_without_a_message_and_a_wrong_argument_are_told_as_well(users: Any) -> None:
    with pytest.raises(StudyError, match=r"^metric mine failed: KeyError \(.*scores_of_mine.py, line \d+\)$"):
        _value(users.stops)
    with pytest.raises(StudyError, match=r"metric mine failed: TypeError: within\(\) missing 1 required positional"):
        _value(users.within)


def test_what_scikit_learn_calls_undefined_is_refused_in_a_users_metric_too(users: Any) -> None:
    """It would warn and put 0 in the place of class 2, which neither is there nor is named."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in a run, where no warning is an error by itself
        with pytest.raises(RefusedError, match=r"^mine is undefined: F-score is ill-defined .*[^.]\.$"):
            _value(users.wraps)
    assert _value(users.chooses) == pytest.approx(
        2 / 3 * compute_metric(METRICS["recall_macro"], *_tumours(), "classification")
    )


@pytest.mark.parametrize(
    "metric", [each for each in METRICS.values() if "classification" in each.tasks], ids=lambda each: each.name
)
def test_metrics_that_ship_take_no_way_that_a_users_cannot(metric: Any) -> None:
    """The same function by reference, as a study may name it, gives the same value or the same refusal."""
    function = getattr(metric_functions, metric.name)
    own = build_users_metric("mine", function, {}, metric.better, metric.unit, metric.needs)
    if metric.name == "top5_accuracy":
        with pytest.raises(RefusedError, match=r"^mine: top5_accuracy is undefined: it is for more than five classes"):
            compute_metric(own, *_tumours(), "classification")
    else:
        shipped = compute_metric(metric, *_tumours(), "classification")
        assert compute_metric(own, *_tumours(), "classification") == shipped


def test_functions_of_scikit_learn_are_metrics_as_they_stand() -> None:
    targets, outputs = _tumours()
    expected = reference.fbeta_score(targets, outputs.argmax(1), beta=2)
    assert _value(reference.fbeta_score, beta=2) == pytest.approx(expected)
    with pytest.raises(StudyError, match=r"metric mine failed: .*beta.* line"):
        _value(reference.fbeta_score, beta=-1)
