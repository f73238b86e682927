"""How conditions are grouped into tables: what splits them, what their captions say, what is left for the rows."""

from typing import Any

import pytest

from tests.builders import build_study
from tune_app.analysis.labels import build_groups, build_rows
from tune_app.study import Study
from tune_app.study.file import find_study_file, read_study


def groups_of(study: Study) -> dict[str, list[str]]:
    return {group.caption: [group.label(row) for row in group.rows] for group in build_groups(study)}


def study_of(**levels: Any) -> Study:
    return build_study(grid=[{"model": "cnn", "width": 1, "folds": 3} | levels])


def test_rows_of_the_report_read_as_the_report_prints_them_under_captions_of_their_own() -> None:
    groups = groups_of(read_study(find_study_file("report")))
    assert groups["sound protocol, 10 folds, batches of 100"] == ["CNN", "CNN+DP", "CNN+BN", "CNN+DP+BN"]
    assert groups["as-reported protocol, 4 folds, batches of 1,000"] == ["CNN+BN", "CNN+DP+BN"]
    assert "vgg10, width 0.125" in groups["sound protocol, 4 folds, batches of 100"]


def test_one_network_under_many_protocols_has_the_protocols_for_rows() -> None:
    groups = groups_of(read_study(find_study_file("audit")))
    assert groups["CNN+DP, 4 folds, 6,000 images, batches of 100"][:3] == [
        "sound",
        "as-reported",
        "as-reported without carry-over",
    ]


@pytest.mark.parametrize("factor", ["folds", "batch_size", "learning_rate", "train_images", "protocol"])
def test_a_single_factor_is_what_the_rows_are_called_by(factor: str) -> None:
    levels = {"folds": [2, 3], "train_images": [60, 100], "protocol": ["sound", "as-reported"]}
    study = study_of(**{factor: levels.get(factor, [1, 2])})
    ((caption, rows),) = groups_of(study).items()
    assert len(rows) == 2
    assert not any(row in caption for row in rows)


@pytest.mark.parametrize(
    ("levels", "tables", "rows"),
    [
        ({"folds": [2, 3], "batch_size": [1, 2, 4], "learning_rate": [0.1, 0.2, 0.3, 0.4, 0.5]}, 6, 5),
        ({"model": ["cnn", "vgg10"], "learning_rate": [0.1, 0.2, 0.3, 0.4, 0.5], "batch_size": [1, 2, 4]}, 6, 5),
        ({"batch_size": list(range(1, 31))}, 1, 30),
        ({"model": ["cnn", "vgg10"], "folds": [2, 3]}, 1, 4),
        ({"model": ["cnn", "vgg10", "vgg12"], "folds": [2, 3]}, 2, 3),
        ({"model": ["cnn", "vgg10"], "train_images": [60, 70, 80, 90]}, 2, 4),
    ],
)
def test_a_product_of_levels_gives_few_tables_of_several_rows(levels: Any, tables: int, rows: int) -> None:
    groups = groups_of(study_of(**levels))
    assert [len(labels) for labels in groups.values()] == [rows] * tables


@pytest.mark.parametrize("name", ["quick", "report", "audit", "vgg", "replicas"])
def test_what_is_constant_is_in_the_caption_and_no_row_of_a_table_is_called_as_another(name: str) -> None:
    study = read_study(find_study_file(name))
    for group in build_groups(study):
        labels = [group.label(row) for row in group.rows]
        assert len(set(labels)) == len(labels)
        conditions = [row.trials[0].condition for row in group.rows]
        for factor, words in (("folds", "folds"), ("batch_size", "batches of")):
            is_constant = len({condition[factor] for condition in conditions}) == 1
            assert (words in group.caption) == is_constant
            assert not (is_constant and any(words in label for label in labels))


def test_every_condition_is_in_one_group() -> None:
    study = read_study(find_study_file("report"))
    grouped = [row.label for group in build_groups(study) for row in group.rows]
    assert sorted(grouped) == sorted(row.label for row in build_rows(study))


def test_a_condition_from_elsewhere_is_named_by_what_sets_it_apart() -> None:
    study = read_study(find_study_file("report"))
    baseline = study.conditions()[0][0].condition
    labels = {group.caption: group.labelling.label(baseline) for group in build_groups(study)}
    assert labels["sound protocol, 4 folds, batches of 100"] == "CNN"
    assert labels["sound protocol, 10 folds, batches of 100"] == "CNN, 4 folds"
    assert labels["as-reported protocol, 4 folds, batches of 1,000"] == "CNN, sound, batches of 100"
