"""Studies multiplied out: conditions, trials and ids that follow from their content."""

import pytest
from pydantic import ValidationError

from tests.builders import build_study, study_content
from tune_app.parts.catalog import build_catalog
from tune_app.study.file import find_study_file, read_study


@pytest.mark.parametrize("name", ["quick", "report"])
def test_the_shipped_studies_have_the_reports_twelve_conditions(name: str) -> None:
    study = read_study(find_study_file(name), catalog=build_catalog())
    specs = [trial.spec for trial in study.grid_trials()]
    conditions = {(s.model, s.regularizer, s.folds) for s in specs}
    assert len(conditions) == 12
    assert sum(folds for *_, folds in conditions) == 72
    assert {(s.model, s.regularizer, s.folds) for s in specs if s.model == "cnn"} == {
        ("cnn", regularizer, folds)
        for regularizer in ("none", "dropout", "batchnorm", "dropout+batchnorm")
        for folds in (4, 10)
    }


def test_reordering_a_study_changes_no_id() -> None:
    grid = [{"model": "cnn", "folds": [3, 4]}, {"model": "vgg10", "width": 0.02, "folds": 3}]
    forward, backward = build_study(grid=grid), build_study(grid=grid[::-1])
    assert {t.spec.id for t in forward.grid_trials()} == {t.spec.id for t in backward.grid_trials()}


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"recipe": {"epochs": 2, "batch_size": 20}},
        {"data": {"name": "digits", "train_images": 121, "test_images": 60}},
        {"splitter": "stratified"},
        {"grid": [{"model": "cnn", "width": 0.06, "regularizer": ["none", "dropout+batchnorm"], "folds": 3}]},
    ],
)
def test_whatever_changes_the_scores_changes_the_id(changes: dict[str, object]) -> None:
    ids = {trial.spec.id for trial in build_study().grid_trials()}
    assert not ids & {trial.spec.id for trial in build_study(**changes).grid_trials()}


def test_a_share_a_title_or_more_replicates_keep_the_ids() -> None:
    entry = study_content()["grid"][0] | {"cpus_per_trial": 0.5}
    more = build_study(title="Other", replicates=2, grid=[entry])
    assert {t.spec.id for t in build_study().grid_trials()} < {t.spec.id for t in more.grid_trials()}


def test_studies_are_frozen() -> None:
    with pytest.raises(ValidationError):
        build_study().recipe.epochs = 3  # type: ignore[misc]


def test_a_level_of_the_recipe_can_vary_in_the_grid() -> None:
    study = build_study(grid=[{"model": "cnn", "folds": 3, "learning_rate": [0.1, 0.01], "batch_size": 10}])
    assert [t.spec.recipe.learning_rate for t in study.grid_trials()] == [0.1, 0.01]
    assert study.varying_factors() == ("learning_rate",)


def test_the_sound_protocol_leaves_ids_as_they_were() -> None:
    """The id that these records had before there were protocols."""
    study = read_study(find_study_file("quick"))
    assert study.grid_trials()[0].spec.id == "cnn-none-k4-r0-e650441d"


def test_numbers_of_replicas_make_one_condition_where_nothing_is_sliced() -> None:
    entry = {"model": "cnn", "regularizer": "batchnorm", "folds": 3, "replicas": [1, 4]}
    study = build_study(grid=[entry | {"protocol": ["sound", "replica-statistics"]}])
    found = [(specs[0].condition["protocol"], specs[0].batch_slices) for specs in study.conditions()]
    assert found == [("sound", 1), ("replica-statistics", 1), ("replica-statistics", 4)]
