"""Studies built in Python, read and written: the sentences of a study file, before anything starts."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import tune_app
from tests.builders import build_study, study_content
from tests.calls import run

UNKNOWN = "unknown model 'cnnn'; did you mean 'cnn'? choose from cnn, vgg10, vgg12, vgg15, vgg18"
pytestmark = pytest.mark.usefixtures("empty_folder")


def test_a_study_built_in_python_says_what_a_study_file_says(tmp_path: Path) -> None:
    content = study_content(recipe={"epoch": 1}, grid=[{"model": "cnnn", "regularizer": "drop", "folds": 1}])
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(content))
    problems = []
    builds: list[Callable[[], tune_app.Study]] = [
        lambda: tune_app.build_study(content),
        lambda: tune_app.read_study("bad.yaml"),
        lambda: tune_app.Study(**content),
    ]
    for build in builds:
        with pytest.raises(tune_app.StudyError) as caught:
            build()
        problems.append(set(caught.value.problems))
    assert problems[0] == problems[1]
    left = {text for text in problems[0] - problems[2] if "regularizer" not in text}
    assert left == {f"grid, entry 1: model: {UNKNOWN}"}, "networks and their arguments are checked when it is run"
    assert len(problems[0]) >= 3


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tune_app.Recipe(epochs=0), "epochs: must be greater than or equal to 1, got 0"),
        (
            lambda: tune_app.build_study(study_content(recipe={"optimizer": "adm"})),
            "recipe: unknown optimizer 'adm'; did you mean 'adam'? choose from adam,",
        ),
        (
            lambda: tune_app.Recipe(**{"epoch": 3}),
            "unknown key 'epoch'; did you mean 'epochs'? choose from epochs,",
        ),
        (
            lambda: tune_app.build_study(study_content(grid=[{"model": "cnn", "regularizer": ["drop"]}])),
            "unknown regularizer 'drop'; did you mean",
        ),
        (lambda: tune_app.Claim(sentence="x", levels={}, expect="higher"), "it is compared with nothing; add against"),
        (lambda: tune_app.Study(**study_content(baseline={"fold": 3})), "unknown key 'fold'; did you mean 'folds'?"),
    ],
)
def test_a_section_built_in_python_says_what_is_wrong(build: Any, message: str) -> None:
    with pytest.raises(tune_app.StudyError, match=re.escape(message)):
        build()


def test_an_unknown_network_is_refused_before_anything_starts(tmp_path: Path) -> None:
    study = tune_app.Study(name="small", data={"name": "digits"}, grid=[{"model": "cnnn", "folds": 3}])
    for call in (run, tune_app.build_plan):
        with pytest.raises(tune_app.StudyError, match=re.escape(UNKNOWN)):
            call(study)
    assert not list(tmp_path.iterdir())


def test_overrides_change_a_copy() -> None:
    content = study_content()
    changed = tune_app.build_study(content, ["recipe.epochs=2", "grid.0.folds=4"])
    assert (changed.recipe.epochs, changed.grid[0].folds) == (2, (4,))
    assert content == study_content()
    assert tune_app.build_study(tune_app.build_study(content), ["recipe.epochs=2", "grid.0.folds=4"]) == changed


def test_a_written_study_reads_back_and_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    tune_app.write_study("small.yaml", build_study())
    assert tune_app.read_study("small.yaml") == build_study()
    with pytest.raises(tune_app.ResultsError, match=r"nowhere/small\.yaml cannot be written: No such file"):
        tune_app.write_study("nowhere/small.yaml", build_study())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executer": "inline"}, "unknown option 'executer'; did you mean 'executor'?"),
        ({"executor": "dask"}, "executor 'dask'; choose from ray, inline"),
        ({"cpus_per_trial": "1"}, "--cpus-per-trial '1': a share must be 0 or more"),
        ({"only": {"model": "vgg10"}}, "--only: model 'vgg10' is not in the grid"),
    ],
)
def test_a_wrong_option_is_a_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(tune_app.StudyError, match=re.escape(message)):
        run(build_study(), **options)
