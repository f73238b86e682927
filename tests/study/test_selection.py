"""A part of a study, selected by factors and their levels."""

import pytest

from tests.builders import RATES, build_study
from tune_app.errors import StudyError
from tune_app.plan import Shares, build_plan
from tune_app.study.selection import parse_only


def test_only_selects_by_factor_and_level() -> None:
    study = build_study(grid=[{"model": "cnn", "width": [0.05, 0.5], "folds": [3, 5]}])
    plan = build_plan(study, Shares(), RATES, parse_only("width=.5,folds=3"))
    assert [(t.spec.width, t.spec.folds) for t in plan] == [(0.5, 3)]


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("modle=cnn", "unknown factor 'modle'; did you mean 'model'"),
        ("model", "write factor=level"),
        ("model=cnm", "model 'cnm' is not in the grid; did you mean 'cnn'"),
        ("folds=7", "folds '7' is not in the grid"),
    ],
)
def test_a_selection_of_nothing_is_refused(only: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        build_plan(build_study(), Shares(), RATES, parse_only(only))


@pytest.mark.parametrize("only", ["", "model=cnn,model=vgg10"])
def test_an_empty_or_repeated_part_is_refused(only: str) -> None:
    with pytest.raises(StudyError, match="--only"):
        parse_only(only)
