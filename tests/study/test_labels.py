"""Labels: a study names its conditions, and a name that is wrong or ambiguous is refused."""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import build_study, write_study_file
from tune_app.errors import StudyError
from tune_app.study.file import SHIPPED, build_yaml, find_study_file, read_study
from tune_app.study.labels import spell_constant, spell_level

DROPOUT = {"label": "CNN+DP", "model": "cnn", "regularizer": "dropout"}


def labels_of(*grid: dict[str, Any], **changes: Any) -> list[str]:
    study = build_study(grid=[{"model": "cnn", "folds": 3} | entry for entry in grid], **changes)
    return [study.labelling.label(specs[0].condition) for specs in study.conditions()]


def test_a_label_replaces_its_levels_and_other_factors_follow_in_plain_words() -> None:
    grid = {"regularizer": ["none", "dropout"], "folds": [3, 4], "batch_size": [20, 1000]}
    assert labels_of(grid, labels=[DROPOUT])[:4] + labels_of(grid, labels=[DROPOUT])[-1:] == [
        "no regularizer, 3 folds, batches of 20",
        "no regularizer, 3 folds, batches of 1,000",
        "no regularizer, 4 folds, batches of 20",
        "no regularizer, 4 folds, batches of 1,000",
        "CNN+DP, 4 folds, batches of 1,000",
    ]


def test_without_labels_the_varying_levels_are_the_label_and_constant_ones_are_not() -> None:
    assert labels_of({"learning_rate": [0.1, 0.01]}) == ["learning rate 0.1", "learning rate 0.01"]
    assert labels_of({"folds": [3, 4]}) == ["3 folds", "4 folds"]
    assert labels_of({"model": ["cnn", "vgg10"], "width": 0.05}) == ["cnn", "vgg10"]
    assert labels_of({"train_images": [60, 1200]}) == ["60 images", "1,200 images"]
    assert labels_of({}) == ["cnn"], "a study of one condition has its name"


def test_a_factor_that_does_not_vary_under_a_name_is_left_out_unless_it_departs_from_the_baseline() -> None:
    narrow = {"model": "vgg10", "width": 0.05}
    found = labels_of({"folds": [3, 4]}, narrow, narrow | {"model": "vgg12", "folds": 4})
    assert found == ["cnn, 3 folds", "cnn, 4 folds", "vgg10, width 0.05", "vgg12, width 0.05, 4 folds"]


def test_the_label_with_the_most_levels_counts_and_labels_of_other_factors_join_it() -> None:
    labels = [
        {"label": "network", "model": "cnn"},
        {"label": "dropped", "model": "cnn", "regularizer": "dropout"},
        {"label": "small", "batch_size": 20},
        {"label": "large", "batch_size": 30},
    ]
    grid = {"regularizer": ["none", "dropout"], "batch_size": [20, 30]}
    assert labels_of(grid, labels=labels) == [
        "no regularizer, small",
        "no regularizer, large",
        "dropped, small",
        "dropped, large",
    ], "network says nothing where the model does not vary"


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_labels_are_unique_in_every_study_that_ships(name: str) -> None:
    study = read_study(find_study_file(name))
    labels = [study.labelling.label(specs[0].condition) for specs in study.conditions()]
    assert len(set(labels)) == len(labels)
    assert not any("n_split" in label for label in labels)
    assert all(labels)


def test_labels_of_a_product_of_many_factors_are_unique() -> None:
    grid = {"regularizer": ["none", "batchnorm"], "folds": [3, 4], "batch_size": [4, 20], "width": [1, 0.5]}
    labels = labels_of(grid | {"protocol": ["sound", "as-reported"], "epochs": [1, 2], "learning_rate": [0.1, 0.01]})
    assert len(labels) == len(set(labels)) == 128


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([{"label": "A", "modell": "cnn"}], "labels, entry 1: unknown key 'modell'; did you mean 'model'?"),
        ([{"label": "A", "model": "vgg11"}], "labels, entry 1: model vgg11 is not in the grid; choose from cnn"),
        ([{"label": "A", "regularizer": "drop"}], "labels, entry 1: unknown regularizer 'drop'; did you mean"),
        ([{"label": "A", "folds": "3"}, {"label": "B", "folds": 7}], "labels, entry 2: folds 7 is not in the grid"),
        ([{"label": "A"}], "labels, entry 1: it names no level; add one or more, such as model: cnn"),
        ([{"model": "cnn"}], "labels, entry 1: the key 'label' is missing; add it"),
        ([{"label": "", "model": "cnn"}], "labels, entry 1: the label '' must be one line of 1 to 60 characters"),
        ([{"label": "A\nB", "model": "cnn"}], r"labels, entry 1: the label 'A\nB' must be one line"),
        ([{"label": "A", "protocol": "bad"}], "labels, entry 1: protocol: unknown defect 'bad'"),
        (
            [DROPOUT, DROPOUT | {"label": "B"}],
            "labels, entry 2: it stands for the same levels as entry 1, model=cnn, regularizer=dropout; keep one",
        ),
        (
            [DROPOUT, {"label": "CNN+DP", "regularizer": "none"}],
            "labels: 'CNN+DP' would be the name of more than one condition; give each its own, or name more levels",
        ),
        (
            [{"label": "A", "regularizer": ["none", "dropout"]}],
            "labels, entry 1: regularizer: a level is a name or a number, not [",
        ),
        ({"label": "A"}, "labels: must be a list of entries"),
    ],
)
def test_a_label_that_is_wrong_is_refused(tmp_path: Path, labels: Any, message: str) -> None:
    grid = [{"model": "cnn", "folds": 3, "regularizer": ["none", "dropout"]}]
    with pytest.raises(StudyError) as error:
        read_study(write_study_file(tmp_path, grid=grid, labels=labels))
    assert message in str(error.value)


def test_levels_that_never_occur_together_have_no_label() -> None:
    grid = [{"model": "cnn", "folds": 3}, {"model": "vgg10", "width": 0.05, "regularizer": "dropout", "folds": 3}]
    with pytest.raises(ValueError, match="no condition of the grid has model=cnn, regularizer=dropout; name levels"):
        build_study(grid=grid, labels=[DROPOUT])


def test_labels_change_no_id_and_come_back_from_the_file(tmp_path: Path) -> None:
    grid = [{"model": "cnn", "folds": 3, "regularizer": ["none", "dropout"]}]
    plain, named = build_study(grid=grid), build_study(grid=grid, labels=[DROPOUT])
    ids = [[trial.spec.id for trial in study.grid_trials()] for study in (plain, named)]
    assert ids[0] == ids[1]
    path = tmp_path / "named.yaml"
    path.write_text(build_yaml(named))
    assert read_study(path) == named
    assert read_study(path).labels[0].meaning == "model cnn, regularizer dropout"


def test_one_of_something_is_singular_and_a_caption_says_what_a_level_is_of() -> None:
    assert [spell_level("epochs", 1), spell_level("epochs", 2)] == ["1 epoch", "2 epochs"]
    assert spell_level("batch_size", 1) == "batches of 1"
    assert spell_level("train_images", None) == "all images"
    assert [spell_level("protocol", "sound"), spell_constant("protocol", "sound")] == ["sound", "sound protocol"]
    assert spell_constant("protocol", "as-reported without carry-over") == "protocol as-reported without carry-over"
