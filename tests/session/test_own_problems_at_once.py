"""Bad input of every stage at once: the file, its parts, the data and what the parts do, with nothing that follows."""

from pathlib import Path
from typing import Any

import pytest

from tests.own_study import LOAD, METRICS, NETS, STUDY, OwnStudy, refuse
from tune_app import StudyError, build_study

WIDE = NETS.replace("nn.Linear(width, outputs)", "nn.Linear(width, 3)").replace("build_net", "build_wide")
MORE = {
    "nets.py": f"{NETS}\n{WIDE}",
    "broken.py": "import einopsy\n",
    "load.py": LOAD.replace("    return Data(", "    inputs[3, 4] = np.nan\n    return Data("),
    "metrics.py": f"{METRICS}\n\ndef cost(targets, outputs):\n    raise KeyError('price')\n",
}
WIDE_SHAPE = "define.wide: wide(width=8) gave (2, 3) for 2 samples; (2, 2) is needed"
NAN = "define.cells: inputs have 1 value missing or not finite, the first is nan in sample 3"
PRICE = "define.cost: cost failed: KeyError: 'price'"


def refuse_all(study: OwnStudy, capsys: Any) -> list[str]:
    """The problems, without the users' tracebacks below them."""
    told = [line.removeprefix("StudyError: ") for line in refuse(study, capsys) if not line.startswith("    ")]
    assert len(told) == len(set(told)), "no problem is told twice"
    return told


def matches(told: list[str], *beginnings: str) -> None:
    """Each problem begins as one of these, each of these begins a problem: none is lacking, none is too many."""
    lacking = [text for text in beginnings if not any(line.startswith(text) for line in told)]
    surplus = [line for line in told if not line.startswith(beginnings)]
    assert (lacking, surplus) == ([], [])


def test_problems_of_the_file_do_not_hide_each_other(tmp_path: Path, capsys: Any) -> None:
    define = {
        "typo": {"model": "nets:build_net", "wdith": 3},
        "lost": {"model": "broken:build_net"},
        "shell": {"loss": "os:system"},
        "nested": {"augment": "flips", "p": {"of": 3}},
    }
    grid = [
        {"model": "net", "folds": 2, "widht": [4, 8]},
        {"model": "net", "folds": 2, "width": ["wide"], "epochs": 0},
        {"model": ["lost", "nett"], "folds": 1},
    ]
    recipe = {"epochs": 1, "batch_size": -4, "learning_rat": 0.1, "optimizer": "adamm", "loss": "shell"}
    metrics = {"primary": "share", "also": ["macro_f2"]}
    study = OwnStudy(tmp_path, MORE, define=define, grid=grid, recipe=recipe, metrics=metrics, tets="none")
    text = (tmp_path / "study.yaml").read_text()
    study.write("study.yaml", text.replace("  net:\n", "  net: {model: nets:build_net, width: 4}\n  net:\n"))
    matches(
        refuse_all(study, capsys),
        f"study file {tmp_path / 'study.yaml'} is not plain YAML: the key 'net' is given twice",
        "unknown key 'tets'; did you mean 'test'?",
        "define.nested: p is nested",
        "define.typo: nets:build_net has no argument 'wdith'; did you mean 'width'?",
        "define.lost: importing broken failed: No module named 'einopsy' (broken.py, line 1)",
        "define.shell: module 'os' is not beside the study",
        "grid, entry 1: unknown key 'widht'; did you mean 'width'?",
        "grid, entry 2: width: must be a whole number, got 'wide'",
        "grid, entry 2: epochs: must be greater than or equal to 1, got 0",
        "grid, entry 3: model: unknown model 'nett'",
        "grid, entry 3: folds: must be greater than or equal to 2, got 1",
        "recipe.batch_size: must be greater than or equal to 1, got -4",
        "recipe: unknown key 'learning_rat'; did you mean 'learning_rate'?",
        "recipe: unknown optimizer 'adamm'; did you mean 'adam'?",
        "metrics: unknown metric 'macro_f2'; did you mean 'macro_f1'?",
        NAN,
    )


@pytest.mark.parametrize(
    ("keys", "define", "problem"),
    [
        ({"sed": 3}, {}, "unknown key 'sed'; did you mean 'seed'?"),
        ({"allow": ["os"]}, {}, "unknown key 'allow'"),
        ({"seed": -1}, {}, "seed: must be greater than or equal to 0, got -1"),
        ({"recipe": {"epochs": 1, "loss": "mes"}}, {}, "recipe: unknown loss 'mes'"),
        ({"recipe": {"epochs": 1, "stop": 3}}, {}, "recipe: stop 3; write stop: "),
        ({"recipe": {"stop": {"patience": -1}}}, {}, "recipe.patience: must be greater than or equal to 0, got -1"),
        ({"splitter": {"kind": "group", "groups": 5}}, {}, "groups: must be a valid string, got 5"),
        ({"replicas": 0}, {}, "batch_slices: must be greater than or equal to 1, got 0"),
        ({"splitter": {"knd": "group"}}, {}, "splitter {'knd': 'group'}; write splitter: "),
        ({"splitter": "kfolds"}, {}, "unknown splitter 'kfolds'; did you mean 'kfold'?"),
        ({"test": "non"}, {}, "unknown test 'non'; did you mean 'none'?"),
        ({"claims": [{"sentence": "It is so.", "levels": {}}]}, {}, "claims, entry 1: the key 'expect' is missing"),
        ({}, {"lost": {"model": "broken:build_net"}}, "define.lost: importing broken failed: No module named"),
        ({}, {"cells2": {"data": "os:system"}}, "define.cells2: module 'os' is not beside the study"),
        ({}, {"lost": {"loss": "focal", "gamma": float("nan")}}, "define.lost"),
        ({}, {3: {"loss": "mse"}}, "define: "),
        ({}, {"two words": {"loss": "mse"}}, "define: define.two words: a name is 1 to 40 letters"),
    ],
)
def test_what_is_wrong_elsewhere_hides_neither_data_nor_parts(
    tmp_path: Path, capsys: Any, keys: dict[str, Any], define: dict[str, Any], problem: str
) -> None:
    parts = {"wide": {"model": "nets:build_wide"}, "cost": {"metric": "metrics:cost"}, **define}
    both = {"grid": [{"model": ["net", "wide"], "folds": 2}], "metrics": {"primary": "cost"}}
    study = OwnStudy(tmp_path, MORE, define=parts, **both, **keys)
    matches(refuse_all(study, capsys), problem, NAN, PRICE, WIDE_SHAPE)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"model": "net", "widht": 4}, "grid, entry 1: unknown key 'widht'; did you mean 'width'?"),
        ({"model": "net", "width": 0.5}, "grid, entry 1: width: must be a whole number, got 0.5"),
        ({"model": "net", "folds": None}, "grid, entry 1: folds: must be a valid integer, got None"),
        ({"model": "net", 3: 4}, "grid, entry 1: the key 3 is no name"),
        ({"model": "net", "folds": 1}, "grid, entry 1: folds: must be greater than or equal to 2, got 1"),
        ({"model": "nt"}, "grid, entry 1: model: unknown model 'nt'; did you mean 'net'?"),
        ({"folds": 2}, "grid, entry 1: the key 'model' is missing; add it"),
        (
            {"model": "net", "width": [4, 8], "optimizer": "adamm"},
            "grid, entry 1: unknown optimizer 'adamm'; did you mean 'adam'?",
        ),
        ({"model": "net", "components": {"width": {"with": 4}}}, "grid, entry 1: component width: the side 'without'"),
        ("net", "grid, entry 1: must be a"),
    ],
)
def test_an_entry_that_cannot_be_hides_no_other_and_no_claim_about_it_is_missed(
    tmp_path: Path, capsys: Any, entry: Any, problem: str
) -> None:
    about = {
        "claims": [{"sentence": "It is better.", "levels": {"width": 4}, "against": {"width": 8}, "expect": "higher"}],
        "labels": [{"label": "narrow", "model": "net", "width": 4}],
        "baseline": {"width": 8},
    }
    parts = {"wide": {"model": "nets:build_wide"}}
    grid = [entry, {"model": "wide", "folds": 2}]
    matches(refuse_all(OwnStudy(tmp_path, MORE, define=parts, grid=grid, **about), capsys), problem, NAN, WIDE_SHAPE)


def test_an_argument_without_default_is_not_missed_where_it_is_misspelt(tmp_path: Path, capsys: Any) -> None:
    files = {"nets.py": NETS.replace("width: int = 8", "width: int")}
    misspelt = OwnStudy(tmp_path, files, grid=[{"model": "net", "folds": 2, "widht": 4}])
    matches(refuse_all(misspelt, capsys), "grid, entry 1: unknown key 'widht'; did you mean 'width'?")
    misspelt.write_study(grid=[{"model": "net", "folds": 2}])
    matches(refuse_all(misspelt, capsys), "grid, entry 1: net needs a level of width; add width: … to the entry")


def test_a_part_that_cannot_be_used_has_no_consequences(tmp_path: Path, capsys: Any) -> None:
    lost = {name: {name: "broken:lost"} for name in ("metric", "loss", "schedule", "augment", "optimizer", "splitter")}
    define = {**lost, "cells": {"data": "load:laod"}}
    recipe = {"epochs": 1, "stop": {"metric": "metric", "patience": 2}}
    recipe |= {name: name for name in ("loss", "schedule", "augment", "optimizer")}
    sides = {"levels": {"width": 4}, "against": {"width": 8}}
    about = {
        "splitter": "splitter",
        "metrics": {"primary": "metric"},
        "grid": [{"model": "net", "folds": 2, "width": [4, 8]}],
        "claims": [{"sentence": "It is cheap.", "metric": "test_metric", "expect": "lower", **sides}],
    }
    study = OwnStudy(tmp_path, MORE, define=define, recipe=recipe, **about)
    places = [line.partition(":")[0] for line in refuse_all(study, capsys)]
    assert places == [f"define.{name}" for name in ("cells", *lost)]


def test_the_data_that_remain_are_tried(tmp_path: Path, capsys: Any) -> None:
    files = {**MORE, "other.py": LOAD.replace("def load", "def read")}
    study = OwnStudy(tmp_path, files, define={"others": {"data": "other:load"}}, data=["others", "cells", "cellz"])
    matches(
        refuse_all(study, capsys),
        "define.others: other has no 'load'",
        "data.others: unknown data set 'cellz'; did you mean 'cells'?",
        NAN,
    )


def test_a_study_built_in_python_tells_all_problems_of_its_content_and_loads_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    OwnStudy(tmp_path, {**MORE, "load.py": "def load():\n    open('loaded', 'w').close()\n"})
    monkeypatch.chdir(tmp_path)
    grid = [{"model": "net", "folds": 2, "widht": 4}, {"model": "net", "epochs": 0}]
    content = {**STUDY, "sed": 1, "grid": grid, "define": {**STUDY["define"], "shell": {"loss": "os:system"}}}
    with pytest.raises(StudyError) as caught:
        build_study(content)
    matches(
        list(caught.value.problems),
        "unknown key 'sed'",
        "grid, entry 1: unknown key 'widht'",
        "grid, entry 2: epochs: must be greater",
        "define.shell: module 'os'",
    )
    assert not (tmp_path / "loaded").exists()
