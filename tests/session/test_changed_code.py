"""A change of users' code after a part of the fits: nothing is mixed silently, and everything else goes on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.own_study import LOAD, NETS, OwnStudy

WIDER = NETS.replace("nn.ReLU()", "nn.Tanh()")
LAYERS = "from torch import nn\n\n\ndef build_gate():\n    return nn.ReLU()\n"
OF_LAYERS = "from layers import build_gate\n" + NETS.replace("nn.ReLU()", "build_gate()")
TWO_WIDTHS: dict[str, Any] = {"grid": [{"model": "net", "folds": 2, "width": [4, 8]}]}
CHANGED = (
    "model net has changed since 2 of its fits were made: scores must not be mixed; run them again with "
    "--rerun-changed, start over with --fresh, raise define.net.version to make new trials, or state with --same-code "
    "that the change makes no difference"
)
FIRST = ("--only", "width=4")  # half of the fits


@pytest.fixture
def half_run(tmp_path: Path) -> OwnStudy:
    """A study of two widths in two folds, of which one width has been run; its network takes a layer from a file."""
    study = OwnStudy(tmp_path, {"nets.py": OF_LAYERS, "layers.py": LAYERS}, **TWO_WIDTHS)
    assert study.run(*FIRST) == 0
    assert len(study.read_records().folds) == 2
    return study


def times(study: OwnStudy) -> dict[tuple[str, int], float]:
    """When each fit was started: a fit that runs again has another."""
    return {key: record.started for key, record in study.read_records().folds.items()}


def read_lines(study: OwnStudy) -> list[str]:
    return (study.path / "runs" / "own" / "records.jsonl").read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "text"),
    [("nets.py", WIDER), ("layers.py", LAYERS.replace("ReLU", "Tanh"))],
    ids=["the module named", "a module that it imports"],
)
def test_a_change_of_code_stops_the_study_and_names_the_part(
    half_run: OwnStudy, capsys: Any, name: str, text: str
) -> None:
    before = read_lines(half_run)
    half_run.write(name, text)
    capsys.readouterr()
    assert half_run.run() == 2
    assert capsys.readouterr().err == f"StudyError: {CHANGED}\n"
    assert read_lines(half_run) == before


FROM_FILE = """
from pathlib import Path

import numpy as np

from tune_app import Data


def load():
    held = np.load(Path(__file__).parent / "cells.npz")
    return Data(held["inputs"], held["targets"], ("no", "yes"))
"""


def test_a_change_of_the_loaders_code_stops_the_study_and_names_it(half_run: OwnStudy, capsys: Any) -> None:
    half_run.write("load.py", LOAD.replace("[::4]", "[::3]"))
    assert half_run.run() == 2
    err = capsys.readouterr().err
    assert err.startswith("StudyError: data cells has changed since 2 of its fits were made: ")
    assert "raise define.cells.version" in err


ERRORS = (
    "def share(targets, outputs, weight=1):\n    return 1 - weight * float((outputs.argmax(1) != targets).mean())\n"
)
WEIGHTED = {"metric": "metrics:share", "weight": 2}


def test_a_change_of_a_metric_or_of_its_arguments_stops_the_study_and_names_it(half_run: OwnStudy, capsys: Any) -> None:
    said = "StudyError: metric share has changed since 2 of its fits were made: "
    half_run.write("metrics.py", ERRORS)
    assert half_run.run() == 2
    assert capsys.readouterr().err.startswith(said)
    assert half_run.run("--rerun-changed") == 0
    half_run.write_study(define={"share": WEIGHTED}, **TWO_WIDTHS)
    assert half_run.run() == 2
    err = capsys.readouterr().err
    assert err.startswith(said.replace("2 of", "4 of"))
    assert "to make new trials" not in err, "the version of a metric makes none"


def test_a_metric_that_is_added_afterwards_is_watched_from_then_on(half_run: OwnStudy, capsys: Any) -> None:
    before = times(half_run)
    second: dict[str, Any] = {
        "define": {"again": {"metric": "more:again"}},
        "metrics": {"primary": "share", "also": ["again"]},
    }
    half_run.write("more.py", ERRORS.replace("share", "again"))
    half_run.write_study(**TWO_WIDTHS, **second)
    assert half_run.run(*FIRST) == 0
    assert times(half_run) == before, "nothing was trained for it"
    for record in half_run.read_records().folds.values():
        assert record.scores["test_again"] == pytest.approx(record.scores["test_share"])
    half_run.write("more.py", ERRORS.replace("share", "again").replace("1 -", "2 -"))
    assert half_run.run(*FIRST) == 2
    assert "metric again has changed since 2 of its fits were made" in capsys.readouterr().err


def test_a_change_of_the_files_that_a_loader_reads_stops_the_study_too(tmp_path: Path, capsys: Any) -> None:
    numbers = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    np.savez(tmp_path / "cells.npz", inputs=numbers, targets=np.arange(20) % 2)
    study = OwnStudy(tmp_path, {"load.py": FROM_FILE}, **TWO_WIDTHS)
    assert study.run(*FIRST) == 0
    numbers[3, 3] += 1
    np.savez(tmp_path / "cells.npz", inputs=numbers, targets=np.arange(20) % 2)
    assert study.run() == 2
    assert "data set cells has changed since 2 of its fits were made" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nets.py", '"""Networks."""\n# what was tried\n' + OF_LAYERS.replace("(width: int", "(\n    width: int")),
        ("layers.py", LAYERS.replace("    return", '    """The gate."""\n    return  ')),
        ("notes.py", "nothing imports this\n"),
    ],
    ids=["comments and line breaks", "a docstring of what is imported", "another file"],
)
def test_what_is_no_change_of_code_does_not_matter(half_run: OwnStudy, name: str, text: str) -> None:
    before = times(half_run)
    half_run.write(name, text)
    assert half_run.run() == 0
    after = times(half_run)
    assert len(after) == 4
    assert before.items() <= after.items()


def test_rerun_changed_runs_exactly_the_fits_of_the_change_again(half_run: OwnStudy) -> None:
    half_run.write_study(
        define={"other": {"model": "others:build_net"}},
        grid=[{"model": "net", "folds": 2, "width": 4}, {"model": "other", "folds": 2, "width": 4}],
    )
    half_run.write("others.py", NETS)
    assert half_run.run() == 0
    before = times(half_run)
    half_run.write("layers.py", LAYERS.replace("ReLU", "Tanh"))
    assert half_run.run("--rerun-changed") == 0
    after = times(half_run)
    changed = {key for key, started in after.items() if before[key] != started}
    records = half_run.read_records()
    assert before.keys() == after.keys()
    assert len(changed) == 2
    code = {key: record.fingerprints["model"] for key, record in records.folds.items()}
    assert {code[key] for key in changed}.isdisjoint(code[key] for key in code.keys() - changed)
    assert half_run.run() == 0
    assert times(half_run) == after, "nothing is changed any more"


def test_same_code_goes_on_from_what_there_is_and_says_so(half_run: OwnStudy) -> None:
    before = times(half_run)
    half_run.write("layers.py", LAYERS.replace("nn.ReLU()", "nn.ReLU(inplace=False)"))
    assert half_run.run("--same-code") == 0
    after = times(half_run)
    assert len(after) == 4
    assert before.items() <= after.items()
    environment = json.loads((half_run.path / "results" / "own" / "environment.json").read_text())
    assert environment["same_code"] == ["model net has changed since 2 of its fits were made"]


@pytest.mark.slow
def test_a_raised_version_makes_new_trials_and_leaves_the_old_ones(half_run: OwnStudy, capsys: Any) -> None:
    before = times(half_run)
    half_run.write("nets.py", WIDER)
    half_run.write_study(define={"net": {"model": "nets:build_net", "version": 2}}, **TWO_WIDTHS)
    assert half_run.run() == 0
    after = times(half_run)
    assert len(after) == 6
    assert before.items() <= after.items()
    assert len({trial for trial, _ in after}) == 3
    assert "records of 1 trials no longer match" in capsys.readouterr().out
