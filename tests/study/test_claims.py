"""Claims in a study file: what is refused, with its place and the remedy."""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import CLAIM, EFFECT_GRID, build_effect_study, problems_of, write_study_file
from tune_app.errors import StudyError
from tune_app.parts.catalog import build_catalog
from tune_app.study.file import build_yaml, find_study_file, read_study


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"levels": {"regulariser": "dropout"}},
            "claims, entry 1: levels: unknown factor 'regulariser'; did you mean 'regularizer'",
        ),
        (
            {"levels": {"regularizer": "dropuot"}},
            "claims, entry 1: regularizer dropuot is not in the grid; choose from none,",
        ),
        ({"metric": "accuracy"}, "claims, entry 1: unknown metric 'accuracy'; did you mean"),
        ({"against": {}}, "claims, entry 1: it is compared with nothing; add against"),
        ({"epochs": [1, 2]}, "test_accuracy has no epochs; leave the window out"),
        ({"metric": "train_loss", "epochs": [2, 1]}, "the window [2, 1] ends before it begins"),
        ({"metric": "train_loss", "epochs": [1, 3]}, "the window [1, 3] goes beyond the last epoch, 2"),
        ({"metric": "fit_seconds", "expect": "equal"}, "fit_seconds needs a margin; add by"),
        ({"levels": {"regularizer": "dropout"}}, "its conditions have 4 and 10 folds; name folds in levels"),
        ({"against": {"regularizer": "dropout"}}, "no condition with folds=10, regularizer=dropout has a counterpart"),
        ({"expects": "higher"}, "claims, entry 1: unknown key 'expects'; did you mean 'expect'?"),
    ],
)
def test_bad_claims_are_refused_with_place_and_remedy(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    claim = CLAIM | {"expect": "higher"} | changes
    recipe = {"epochs": 2, "batch_size": 20}
    path = write_study_file(tmp_path, grid=EFFECT_GRID, recipe=recipe, claims=[claim])
    with pytest.raises(StudyError) as caught:
        read_study(path, catalog=build_catalog())
    assert message in "\n".join(caught.value.problems)


def test_a_baseline_that_no_condition_has_is_refused(tmp_path: Path) -> None:
    grid = [{"model": "cnn", "folds": 3}, {"model": "vgg10", "regularizer": "dropout", "folds": 3}]
    path = write_study_file(tmp_path, grid=grid, baseline={"model": "vgg10", "regularizer": "none"})
    with pytest.raises(StudyError, match=r"no condition of the grid has model=vgg10, regularizer=none"):
        read_study(path)


def test_claims_and_rope_leave_the_ids_and_survive_being_written(tmp_path: Path) -> None:
    study = build_effect_study(claims=[CLAIM | {"expect": "higher"}], rope=0.01, target_accuracy=0.5)
    assert [t.spec.id for t in study.grid_trials()] == [t.spec.id for t in build_effect_study().grid_trials()]
    (tmp_path / "again.yaml").write_text(build_yaml(study))
    assert read_study(tmp_path / "again.yaml") == study


def test_the_report_ships_with_its_conclusions_as_claims() -> None:
    claims = read_study(find_study_file("report"), catalog=build_catalog()).claims
    assert {claim.sentence.split(":")[0] for claim in claims} == {f"Conclusion {number}" for number in range(1, 7)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": {"folds": "3"}}, "claims, entry 1: folds '3' is text where the grid has a number"),
        ({"levels": {"folds": None}}, "claims, entry 1: levels: folds: a level is a name or a number, not None"),
        ({"levels": {"folds": True}}, "claims, entry 1: levels: folds: a level is a name or a number, not True"),
        ({3: 4}, "claims, entry 1: the key 3 is no name; keys are sentence, metric"),
    ],
)
def test_levels_and_keys_of_the_wrong_type_are_one_line_each(
    tmp_path: Path, changes: dict[Any, Any], message: str
) -> None:
    claim: dict[Any, Any] = {"sentence": "s", "levels": {"folds": 3}, "against": {"folds": 3}, "expect": "higher"}
    problems = problems_of(tmp_path, claims=[claim | changes])
    assert [problem for problem in problems if problem.startswith(message)], problems
    assert len(problems) == 1
