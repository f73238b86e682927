"""What is wrong with a study is said all at once, with place, rule, value and remedy."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.builders import problems_of, write_study_file
from tune_app.errors import StudyError
from tune_app.study.file import read_study


def test_all_errors_of_a_study_come_at_once_with_place_and_remedy(tmp_path: Path) -> None:
    problems = problems_of(
        tmp_path,
        sed=3,
        data={"name": "digit"},
        recipe={"epochs": 0, "learning_rate": -1, "precision": "fp33"},
        grid=[{"model": ["cnn", "vgg11"], "folds": 1}],
    )
    text = "\n".join(problems)
    for part in (
        "unknown key 'sed'; did you mean 'seed'?",
        "data.name: unknown data set 'digit'; did you mean 'digits'? choose from mnist,",
        "recipe.epochs: must be greater than or equal to 1, got 0",
        "recipe.learning_rate: must be greater than 0, got -1",
        "recipe: unknown precision 'fp33'",
        "grid, entry 1: model: unknown model 'vgg11'",
        "choose from cnn, vgg10, vgg12, vgg15, vgg18",
        "grid, entry 1: folds: must be greater than or equal to 2, got 1",
    ):
        assert part in text
    assert len(problems) == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data": {"name": "digits", "train_images": 2000}},
            "data.train_images: 2000 images asked for, digits has 1437",
        ),
        ({"data": {"name": "digits", "test_images": 361}}, "digits has 360; choose 1 to 360"),
        ({"grid": [{"model": "cnn", "folds": 121}]}, "121 folds of 120 training images; choose 2 to 120"),
        ({"grid": [{"model": "cnn", "folds": [4, 4]}]}, "level 4 is listed twice"),
        ({"grid": [{"model": "cnn"}, {"model": "cnn"}]}, "entries 1 and 2 both ask for cnn-none-k4-r0"),
        ({"grid": []}, "grid: it has no entry; add one"),
        ({"baseline": {"model": "vgg10"}}, "baseline: model vgg10 is not in the grid; choose from cnn"),
        ({"name": "../up"}, "must be 1 to 64 letters"),
        ({"seed": True}, "a number is needed, not true"),
        ({"recipe": {"batch_size": "many"}}, "recipe.batch_size: must be a valid integer"),
        ({"grid": [{"model": "cnn", "cpus_per_trial": -1}]}, "cpus_per_trial: must be greater than or equal to 0"),
    ],
)
def test_bad_studies_are_refused_with_the_rule_and_the_value(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    assert any(message in problem for problem in problems_of(tmp_path, **changes))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"protocol": "replica-statistics"}, r"'replica-statistics' with regularizer none: .* changes nothing there"),
        (
            {"protocol": "test-skips-layers"},
            r"with regularizer none: test-skips-layers changes nothing there; leave it",
        ),
        (
            {"protocol": "as-reported without replica-statistics", "regularizer": "dropout"},
            "replica-statistics changes",
        ),
        ({"protocol": "carryover"}, r"unknown defect 'carryover'; write sound, as-reported, .* the defects are carry-"),
        (
            {"protocol": "replica-statistics", "regularizer": "batchnorm", "batch_slices": 3},
            "3 slices do not divide a batch of 20 images; choose batch_slices that do",
        ),
        (
            {"protocol": "carry-over", "engine": "stacked"},
            "engine stacked trains by sound protocol only, not with carry",
        ),
        ({"replicas": [1, 4]}, "batch_slices 1, 4: no condition there has the defect replica-statistics"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused(tmp_path: Path, entry: dict[str, Any], problem: str) -> None:
    problems = problems_of(tmp_path, grid=[{"model": "cnn", "folds": 3} | entry])
    assert re.search(problem, "\n".join(problems)), problems


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicates": 10**9}, "replicates: must be less than or equal to 1000"),
        ({"recipe": {"epochs": 10**9}}, "recipe.epochs: must be less than or equal to 100000"),
        ({"grid": [{"model": "cnn", "width": 1e9}]}, "width: must be less than or equal to 64"),
        (
            {"grid": [{"model": "cnn", "folds": [*range(2, 401)], "batch_size": [*range(1, 400)]}]},
            "it asks for 159,201 trials, at most 100,000 are planned",
        ),
    ],
)
def test_a_slip_of_the_finger_is_an_error_at_once(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_study(write_study_file(tmp_path, **changes))
    assert message in "\n".join(caught.value.problems)
