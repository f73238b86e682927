"""What a study says about its own parts: names, references, arguments and levels that cannot be."""

from pathlib import Path
from typing import Any

import pytest

from tests.own_study import NETS, OwnStudy, refuse, refuse_one

IN_GRID = "grid, entry 1: "
NORM = {
    "nets.py": "from typing import Literal\n"
    + NETS.replace("int = 8", 'int = 8, norm: Literal["none", "batch"] = "none"')
}
OUTSIDE = "is not beside the study"
OF_YOURS = "name a function in one of yours"
NO_WIDTH = "has no argument 'wdith'; did you mean 'width'? choose from width"


@pytest.mark.parametrize(
    ("define", "problem"),
    [
        ({"net": {"model": "nets:build_net", "wdith": 3}}, f"define.net: nets:build_net {NO_WIDTH}"),
        (
            {"net": {"model": "nets:build_net", "width": "wide"}},
            "define.net: width: must be a whole number, got 'wide'",
        ),
        (
            {"cells": {"data": "load:load", "stride": 3}},
            "define.cells: load:load takes no arguments; leave stride out",
        ),
        (
            {"net": {"model": "netz:build_net"}},
            "define.net: there is no module 'netz' beside the study; did you mean 'nets'? choose from load, metrics, "
            "nets",
        ),
        (
            {"net": {"model": "nets:build_nett"}},
            "define.net: nets has no 'build_nett'; did you mean 'build_net'? choose from build_net",
        ),
        (
            {"net": {"model": "nets:nn"}},
            "define.net: nets:nn is module, no function and no class; name one that can be called",
        ),
        (
            {"net": {"model": "nets:build_net()"}},
            "define.net: reference 'nets:build_net()' is none; write module:function, such as "
            "my_package.nets:build_net",
        ),
        ({"digits": {"data": "load:load"}}, "define.digits: a data set that ships has this name; choose another"),
        ({"cnn": {"model": "nets:build_net"}}, "define.cnn: a model that ships has this name; choose another"),
        (
            {"shifts": {"augment": "parts:jitter"}},
            "define.shifts: an augmentation that ships has this name; choose another",
        ),
        (
            {"accuracy": {"metric": "metrics:share"}},
            "define.accuracy: a metric that ships has this name; choose another",
        ),
        (
            {"net": {"model": "nets:build_net", "width": {"of": 3}}},
            "define.net: width is nested; an argument is a name, a number or a list of them",
        ),
    ],
)
def test_a_definition_that_cannot_be_is_refused(
    tmp_path: Path, capsys: Any, define: dict[str, Any], problem: str
) -> None:
    assert refuse_one(OwnStudy(tmp_path, define=define), capsys) == (problem, "")


@pytest.mark.parametrize(
    ("levels", "problem"),
    [
        ({"nrom": ["none"]}, "unknown key 'nrom'; did you mean 'norm'? choose from model, "),
        ({"norm": ["none", "bacth"]}, "unknown norm 'bacth'; did you mean 'batch'? choose from none, batch"),
        ({"norm": [1]}, "unknown norm 1; choose from none, batch"),
    ],
)
def test_levels_of_the_grid_are_those_of_the_signature(
    tmp_path: Path, capsys: Any, levels: dict[str, Any], problem: str
) -> None:
    told, _ = refuse_one(OwnStudy(tmp_path, NORM, grid=[{"model": "net", "folds": 2, **levels}]), capsys)
    assert told.startswith(IN_GRID + problem)


@pytest.mark.parametrize(
    ("reference", "more", "problem"),
    [
        ("os:system", "", "module 'os' {outside} ({folder}); {own}"),
        ("builtins:eval", "", "module 'builtins' {outside} ({folder}); {own}"),
        (
            "nets:system",
            "from os import system",
            "nets:system is posix:system; module 'posix' {outside} ({folder}); {own}",
        ),
        (
            "nets:call",
            "import functools, os\ncall = functools.partial(os.system, 'touch proof')",
            "nets:call is posix:system; module 'posix' {outside} ({folder}); {own}",
        ),
        ("nets:call", "call = eval", "nets:call is builtins:eval; module 'builtins' {outside} ({folder}); {own}"),
        (
            "sklearn.ensemble:RandomForestClassifier",
            "",
            "module 'sklearn.ensemble' {outside} ({folder}); allow it with --allow sklearn, or {own}",
        ),
        (
            "nets:Linear",
            "from torch.nn import Linear",
            "nets:Linear is torch.nn.modules.linear:Linear; module 'torch.nn.modules.linear' {outside} ({folder}); "
            "allow it with --allow torch, or {own}",
        ),
        (
            "tests.own_study:OwnStudy",
            "",
            "module 'tests.own_study' {outside} ({folder}); allow it with --allow tests, or {own}",
        ),
    ],
)
def test_a_reference_leads_beside_the_study_or_to_what_is_allowed(
    tmp_path: Path, capsys: Any, reference: str, more: str, problem: str
) -> None:
    study = OwnStudy(tmp_path, {"nets.py": f"{NETS}\n{more}\n"}, define={"net": {"model": reference}})
    expected = problem.format(outside=OUTSIDE, folder=tmp_path, own=OF_YOURS)
    assert refuse_one(study, capsys) == (f"define.net: {expected}", "")
    assert not (tmp_path / "proof").exists()


def test_a_package_that_the_command_allows_may_be_named(tmp_path: Path, capsys: Any) -> None:
    forest = {"net": {"model": "sklearn.ensemble:RandomForestClassifier", "n_estimators": 3}}
    study = OwnStudy(tmp_path, define=forest, metrics={"primary": "accuracy"})
    assert study.run("--check", "--allow", "sklearn") == 0
    assert study.run("--check", "--allow", "scipy") == 2
    assert "--allow sklearn" in capsys.readouterr().err


def test_the_study_itself_cannot_allow_a_package(tmp_path: Path, capsys: Any) -> None:
    told, _ = refuse_one(OwnStudy(tmp_path, allow=["os"]), capsys)
    assert told.startswith("unknown key 'allow'")


def test_two_definitions_of_one_name_are_refused_with_their_line(tmp_path: Path, capsys: Any) -> None:
    study = OwnStudy(tmp_path)
    text = (tmp_path / "study.yaml").read_text()
    study.write("study.yaml", text.replace("  net:\n", "  net: {model: nets:build_net, width: 4}\n  net:\n"))
    told, _ = refuse_one(study, capsys)
    assert "the key 'net' is given twice" in told
    line = 1 + (tmp_path / "study.yaml").read_text().splitlines().index("  net:")
    assert f"line {line}, column 3" in told


def test_a_definition_that_nothing_uses_is_a_warning(tmp_path: Path, capsys: Any) -> None:
    study = OwnStudy(tmp_path, define={"spare": {"model": "nets:build_net"}, "mirror": {"augment": "flips", "p": 0.5}})
    for more in (["--check"], []):
        assert study.run(*more) == 0
        out = capsys.readouterr().out
        for name in ("spare", "mirror"):
            assert out.count(f"Warning: define.{name}: nothing uses it; leave it out, or name it.") == 1


def test_every_problem_of_a_study_file_is_told_at_once(tmp_path: Path, capsys: Any) -> None:
    define = {"net": {"model": "nets:build_nett"}, "cells": {"data": "os:system"}, "share": {"metric": "metrics:shore"}}
    study = OwnStudy(
        tmp_path, {"metrics.py": "def share(targets, outputs):\n    raise\n"}, define=define, splitter="kfolds"
    )
    told = [line.removeprefix("StudyError: ") for line in refuse(study, capsys)]
    assert [line.partition(":")[0] for line in told[:3]] == ["define.cells", "define.net", "define.share"]
    assert told[3].startswith("unknown splitter 'kfolds'; did you mean 'kfold'?")
