"""Bad input of users' own parts of a recipe, and of their splitters."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.own_study import OwnStudy, refuse_one

RECIPE_PARTS = """
def twice(p=1.0):
    return lambda batch, targets, generator: (batch.repeat(2, 1), targets)


def rising(step, steps):
    return steps / (step - step)


def each():
    return lambda outputs, targets: (outputs**2).sum(dim=1)


def lazy(parameters):
    return [*parameters]


def split(data, folds, seed):
    raise ValueError("no days")
"""


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        (
            "augment",
            "twice",
            r"it made \(4, 30\) torch\.float32 of \(2, 30\) torch\.float32; shape and type stay",
        ),
        ("schedule", "rising", r"rising failed: ZeroDivisionError: division by zero \(recipes\.py, line 7\)"),
        ("loss", "each", r"it gave \(2,\); the mean over the batch, a scalar tensor, is needed"),
        ("optimizer", "lazy", r"it gave list; a torch\.optim\.Optimizer is needed"),
    ],
)
def test_a_recipes_part_is_named_by_its_own_definition(
    tmp_path: Path, capsys: Any, kind: str, name: str, problem: str
) -> None:
    recipe = {"epochs": 1, "batch_size": 64, kind: name}
    study = OwnStudy(tmp_path, {"recipes.py": RECIPE_PARTS}, define={name: {kind: f"recipes:{name}"}}, recipe=recipe)
    told, _ = refuse_one(study, capsys)
    assert re.fullmatch(f"define\\.{name}: {problem}", told)


def test_a_splitter_that_raises_is_shown_with_its_traceback(tmp_path: Path, capsys: Any) -> None:
    define = {"days": {"splitter": "recipes:split"}}
    study = OwnStudy(tmp_path, {"recipes.py": RECIPE_PARTS}, define=define, splitter="days")
    told, traceback = refuse_one(study, capsys)
    assert told.startswith("splitter days raised ValueError: no days")
    assert 'raise ValueError("no days")' in traceback
