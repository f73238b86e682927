"""Bad input of users' own parts: refused before anything starts, with the place, the value and the remedy."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.own_study import LOAD, NETS, OwnStudy, refuse, refuse_one

GROUPS = {"kind": "group", "groups": "patient"}
THREE_PATIENTS = {"load.py": LOAD.replace("// 2", "% 3")}


def factory(body: str) -> dict[str, str]:
    return {"nets.py": f"from torch import nn\n\n\ndef build_net(width: int = 8, *, inputs, outputs):\n    {body}\n"}


def forward(body: str) -> dict[str, str]:
    """A network whose forward ends in `body`; `scores` are those of a linear layer on `x`."""
    return {
        "nets.py": f"""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.last = nn.Linear(inputs[0], outputs)

    def forward(self, x):
        scores = self.last(x)
        {body}


def build_net(*, inputs, outputs):
    return Net(inputs, outputs)
"""
    }


def load(line: str) -> dict[str, str]:
    """The loader with a line before its last."""
    return {"load.py": LOAD.replace("    return Data(", f"    {line}\n    return Data(")}


def metric(body: str) -> dict[str, str]:
    return {"metrics.py": f"def share(targets, outputs):\n    {body}\n"}


@pytest.mark.parametrize(
    ("files", "problem", "trace"),
    [
        ({"nets.py": "\nimport einopsy\n"}, r"No module named 'einopsy' \(nets\.py, line 2\)", "import einopsy"),
        (
            {"nets.py": "from torch.nn import Lineal\n"},
            r"cannot import name 'Lineal' from 'torch\.nn' .*\(nets\.py, line 1\)",
            "from torch.nn import Lineal",
        ),
        ({"nets.py": "def build_net(:\n"}, r"invalid syntax \(nets\.py, line 1\)", "def build_net(:"),
        (
            {"nets.py": "import layers\n", "layers.py": "SIZE = 1\nSIZE = SIZE / 0\n"},
            r"ZeroDivisionError: division by zero \(layers\.py, line 2\)",
            "import layers",
        ),
        ({"nets.py": "raise SystemExit(3)\n"}, r"SystemExit: 3 \(nets\.py, line 1\)", "raise SystemExit(3)"),
    ],
)
def test_a_failing_import_is_told_with_cause_file_and_line(
    tmp_path: Path, capsys: Any, files: dict[str, str], problem: str, trace: str
) -> None:
    told, traceback = refuse_one(OwnStudy(tmp_path, files), capsys)
    assert re.fullmatch(f"define\\.net: importing nets failed: {problem}", told)
    assert trace in traceback
    assert str(tmp_path / "nets.py") in traceback
    assert "importlib" not in traceback


NEEDED = "a torch Module, or an object with fit and predict, is needed; return one"
APART = (
    "gives a sample another output in eval() where the batch has another order or other samples; let samples not see "
    "each other: no statistics of the batch, nothing over dimension 0"
)
COPY = "changes its input in place; copy it first, or leave inplace=True out of the first layer"
RANDOM = "gives the same samples other outputs each time in eval(); let random numbers depend on self.training"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (factory("return {'layers': 3}"), f"gave dict; {NEEDED}"),
        (factory("nn.Linear(inputs[0], outputs)"), f"gave NoneType; {NEEDED}"),
        (factory("return nn.ReLU"), f"gave type; {NEEDED}"),
        (
            factory("return nn.Linear(inputs[0], 3)"),
            "gave (2, 3) for 2 samples; (2, 2) is needed; end it with 2 numbers a sample, as outputs says",
        ),
        (factory("return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(inputs[0], outputs))"), COPY),
        (
            factory("return nn.Linear(99, outputs)"),
            "failed on 2 samples of shape (30,), for outputs of (2, 2): RuntimeError: mat1 and mat2 shapes cannot be "
            "multiplied (2x30 and 99x2)",
        ),
        (forward("return scores, x"), "gave tuple for 2 samples; a tensor is needed"),
        (
            forward("return scores / 0"),
            "has a first loss of nan on two samples of classification; check its outputs and the inputs",
        ),
        (forward("return torch.softmax(scores, 0)"), APART),
        (forward("return scores.cumsum(0)"), APART),
        (forward("return nn.functional.batch_norm(scores, None, None, training=True)"), APART),
        (forward("return nn.functional.dropout(scores, 0.5)"), RANDOM),
        (forward("x += 1; return scores"), COPY),
    ],
)
def test_a_network_is_refused_for_what_it_does_to_two_samples(
    tmp_path: Path, capsys: Any, files: dict[str, str], problem: str
) -> None:
    told, traceback = refuse_one(OwnStudy(tmp_path, files), capsys)
    told = told.replace("addmm: ", "")  # torch names the operation from 2.15 on
    assert re.sub(r"net\((width=8)?\)", "net", told) == f"define.net: net {problem}"
    assert traceback == "", "the user's code raised nothing"


def test_samples_that_see_each_other_in_training_alone_are_fine(tmp_path: Path, capsys: Any) -> None:
    body = "return nn.Sequential(nn.BatchNorm1d(inputs[0]), nn.Dropout(0.5), nn.Linear(inputs[0], outputs))"
    assert OwnStudy(tmp_path, factory(body)).run("--check") == 0
    assert "nothing is wrong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "problem", "frames"),
    [
        (
            forward("raise KeyError('no gate')"),
            r"define\.net: .*KeyError: 'no gate' \(nets\.py, line 13\)",
            ["forward"],
        ),
        (factory("return outputs + 'x'"), r"define\.net: .*TypeError: .*\(nets\.py, line 5\)", ["build_net"]),
        (
            {"load.py": "def load():\n    return read()\n\n\ndef read():\n    raise RuntimeError('disk is full')\n"},
            r"define\.cells: loading failed: RuntimeError: disk is full \(load\.py, line 6\)",
            ["load", "read"],
        ),
        (
            {"load.py": "def load():\n    raise SystemExit('no licence')\n"},
            r"define\.cells: loading failed: SystemExit: no licence \(load\.py, line 2\)",
            ["load"],
        ),
        (
            metric("return targets.no_such"),
            r"define\.share: share failed: AttributeError: .*no_such' \(metrics\.py, line 2\)",
            ["share"],
        ),
    ],
)
def test_the_users_own_traceback_is_shown_where_their_code_raised(
    tmp_path: Path, capsys: Any, files: dict[str, str], problem: str, frames: list[str]
) -> None:
    told, traceback = refuse_one(OwnStudy(tmp_path, files), capsys)
    assert re.fullmatch(problem, told)
    assert re.findall(r'File ".*", line \d+, in (\w+)', traceback) == frames


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            load("targets[5] = 2"),
            "1 target is outside the 2 classes, the first is 2 in sample 5, counted from 0; 0 to 1 are allowed",
        ),
        (
            load("inputs[3, 4] = np.nan"),
            "inputs have 1 value missing or not finite, the first is nan in sample 3 at (4,), counted from 0; fill "
            "them in or leave those samples out",
        ),
        (
            load("inputs = inputs.astype(object)"),
            "inputs are Python objects (the first is of type float); an array of numbers of one type is needed, and "
            "rows of different lengths must be padded or cut to one length",
        ),
        (
            {"load.py": "def load():\n    return {'inputs': 1}\n"},
            "it gave dict; a loader returns tune_app.Data(inputs=…, targets=…)",
        ),
    ],
)
def test_data_are_refused_for_what_cannot_be_trained_on(
    tmp_path: Path, capsys: Any, files: dict[str, str], problem: str
) -> None:
    assert refuse_one(OwnStudy(tmp_path, files), capsys) == (f"define.cells: {problem}", "")


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("group", "folds: 5 folds of 3 groups of patient; choose from 2 to 3"),
        ("stratified-group", "folds: 5 folds of 3 groups of patient; choose from 2 to 3"),
    ],
)
def test_fewer_groups_than_folds_are_refused(tmp_path: Path, capsys: Any, kind: str, problem: str) -> None:
    study = OwnStudy(tmp_path, THREE_PATIENTS, splitter={**GROUPS, "kind": kind}, grid=[{"model": "net", "folds": 5}])
    assert refuse_one(study, capsys) == (problem, "")


@pytest.mark.parametrize(
    ("body", "returned"),
    [
        ("return outputs.mean(axis=0)", "ndarray of shape (2,) and type float64"),
        ("outputs.mean()", "None; a return is lacking"),
        ("return 'good'", "str 'good'"),
    ],
)
def test_a_metric_that_returns_no_number_is_refused(tmp_path: Path, capsys: Any, body: str, returned: str) -> None:
    told = f"define.share: metric share returned {returned}; one number is needed, such as float(errors.mean())"
    assert refuse_one(OwnStudy(tmp_path, metric(body)), capsys) == (told, "")


def test_bad_input_of_several_parts_is_told_at_once(tmp_path: Path, capsys: Any) -> None:
    files = {**THREE_PATIENTS, **factory("return nn.Linear(inputs[0], 3)"), **metric("return outputs")}
    study = OwnStudy(tmp_path, files, splitter=GROUPS, grid=[{"model": "net", "folds": 5}])
    told = [line.removeprefix("StudyError: ").partition(": ")[0] for line in refuse(study, capsys)]
    assert told == ["folds", "define.share", "define.net"]


def test_networks_and_metrics_are_tried_even_where_the_data_are_refused(tmp_path: Path, capsys: Any) -> None:
    line = "inputs[0, 0] = np.inf; targets[1] = -1; inputs = inputs.astype(object)"
    study = OwnStudy(tmp_path, {**load(line), **factory("return nn.Linear(1, outputs)"), **metric("return {}")})
    told = [line.removeprefix("StudyError: ") for line in refuse(study, capsys)]
    assert [line.partition(": ")[0] for line in told] == ["define.cells", "define.cells", "define.share", "define.net"]
    assert "shapes cannot be multiplied (2x30 and 1x2)" in told[-1]


def test_the_tool_is_as_ready_after_a_refusal_as_before(tmp_path: Path, capsys: Any) -> None:
    study = OwnStudy(tmp_path, factory("return nn.Linear(inputs[0], 3)"))
    refuse(study, capsys)
    study.write("nets.py", NETS)
    assert study.run() == 0
    assert len(study.read_records().folds) == 2
