"""Two studies compared: what is paired, what is not compared, what differs between them."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.builders import build_effect_results, build_effect_study, build_results, score_with_effect, study_content
from tune_app.analysis.comparison import build_changes, build_comparison
from tune_app.analysis.estimands import METHODS
from tune_app.export.tables.comparison import build_comparison_tables
from tune_app.parts.catalog import build_catalog
from tune_app.parts.references import Scope
from tune_app.study.file import build_study


def test_a_study_compared_with_itself_differs_in_nothing() -> None:
    results = build_effect_results(replicates=2)
    frame = build_comparison(results, results)
    assert set(frame["effect"]) == {0.0}
    assert frame["reason"].str.contains("of them it is 0: without a spread|did not run in turns").all()
    study = results.study.model_dump(mode="json")
    assert build_changes(study, study).empty


def test_studies_compared_show_effects_settings_and_what_only_one_has() -> None:
    first = build_effect_results()
    other_grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": [4, 10]}]
    second_study = build_effect_study(grid=other_grid, recipe={"epochs": 2, "batch_size": 10})
    second = build_results(second_study, lambda spec, fold: score_with_effect(spec, fold) + 0.02 + 0.0001 * fold)
    frame = build_comparison(first, second)
    frame = frame[frame["metric"] == "test_accuracy"]
    assert frame["reason"].str.contains("it is in study A alone").sum() == 2
    tested = frame[frame["status"] == "tested"]
    shifts = {4: 0.02015, 10: 0.02045}
    assert set(tested["row"].str.contains("10 folds")) == {True, False}
    assert tested["effect"].tolist() == pytest.approx([shifts[10 if "10 folds" in row else 4] for row in tested["row"]])
    assert len(tested) == 4
    changes = build_changes(first.study.model_dump(mode="json"), second.study.model_dump(mode="json"))
    rows = list(changes.itertuples(index=False, name=None))
    assert ("recipe.batch_size", "20", "10") in rows
    assert not [row for row in rows if "None" in row], "what is left out on both sides is no change"


def test_other_data_sets_are_not_compared() -> None:
    other = build_effect_study(data={"name": "mnist", "train_images": 120, "test_images": 60})
    frame = build_comparison(build_effect_results(), build_results(other, score_with_effect))
    assert frame["reason"].str.contains("different data sets").all()


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"splitter": "stratified"}, {"data": {"name": "digits", "train_images": 110, "test_images": 60}}],
)
def test_other_splits_are_never_paired(changes: dict[str, Any]) -> None:
    frame = build_comparison(
        build_effect_results(replicates=3),
        build_results(build_effect_study(replicates=3, **changes), score_with_effect),
    )
    assert set(frame[frame["metric"] == "test_accuracy"]["method"]) <= {METHODS["fits", "unpaired"], ""}
    assert frame["n_pairs"].isna().all()


def test_scores_of_other_test_images_are_not_compared() -> None:
    other = build_effect_study(replicates=3, data={"name": "digits", "train_images": 120, "test_images": 50})
    frame = build_comparison(build_effect_results(replicates=3), build_results(other, score_with_effect))
    tests = frame[frame["metric"] != "fit_seconds"]
    assert tests["reason"].str.contains("tested on different numbers of images").all()


def test_studies_with_nothing_in_common_are_compared_in_rows_that_say_so() -> None:
    other = build_effect_study(grid=[{"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 3}], baseline={})
    frame = build_comparison(build_effect_results(), build_results(other, score_with_effect))
    assert frame["effect"].isna().all()
    assert frame["reason"].str.contains("alone").all()
    assert build_comparison_tables(other, frame, build_changes({}, {}))


def test_three_studies_are_each_compared_with_the_first_over_the_replicates_that_both_have() -> None:
    first, second, third = (build_effect_results(replicates=count) for count in (3, 2, 1))
    for results, more in ((second, 0.02), (third, 0.04)):
        for key, record in results.records.folds.items():
            scores = {"test_accuracy": record.scores["test_accuracy"] + more * (1 + 0.01 * record.fold)}
            results.records.folds[key] = replace(record, scores=dict(record.scores) | scores)
    frame = build_comparison(first, second, third)
    frame = frame[(frame["metric"] == "test_accuracy") & frame["row"].str.contains("4 folds")]
    assert frame.groupby("study")["n_pairs"].unique().map(list).to_dict() == {"B": [8], "C": [4]}
    shifts = frame.groupby("study")["effect"].unique().map(list).to_dict()
    assert shifts == {"B": pytest.approx([0.0203] * len(shifts["B"])), "C": pytest.approx([0.0406] * len(shifts["C"]))}


def test_what_holds_of_every_condition_is_said_once_and_of_no_row() -> None:
    other = build_effect_study(replicates=3, data={"name": "digits", "train_images": 120, "test_images": 50})
    frame = build_comparison(build_effect_results(replicates=3), build_results(other, score_with_effect))
    tables = build_comparison_tables(other, frame, build_changes({}, {}))
    notes = [note for table in tables for note in table.notes if "different numbers of images" in note]
    assert len(notes) == 1
    assert not any("images" in reason.text for table in tables for reason in table.reasons)


def test_conditions_that_no_other_study_has_are_counted_and_left_to_the_file() -> None:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": 4}]
    first = build_effect_results(replicates=3)
    second = build_results(build_effect_study(grid=grid, replicates=3), score_with_effect)
    frame = build_comparison(first, second)
    (accuracy, *_) = build_comparison_tables(first.study, frame, build_changes({}, {}))
    assert len(accuracy.rows) == 2
    assert any("of the 6 conditions of A and the 2 of B, 2 are in both" in note for note in accuracy.notes)


def test_studies_whose_networks_take_other_arguments_are_compared(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("def build(*, image_shape, classes, norm=False): ...")
    grid = [{"model": "net", "norm": [False, True], "folds": 4}]
    content = study_content(grid=grid, replicates=3, define={"net": {"model": "nets:build"}})
    study = build_study(content, catalog=partial(build_catalog, scope=Scope(tmp_path)))
    own = build_results(study, lambda spec, fold: 0.9 + 0.001 * fold, epochs=(1,))
    frame = build_comparison(build_effect_results(replicates=3), own)
    assert (frame["status"] == "alone").all()
    assert {"norm", "no norm"} <= {word for row in frame["row"] for word in row.split(", ")}


def test_many_keys_of_a_section_are_one_row_of_what_changed() -> None:
    ours = {"grid": [{"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 3, "b": 2, "c": 4, "d": 5}], "seed": 1}
    changes = build_changes({"study": ours}, {"study": {"grid": [], "seed": 2}})
    assert len(changes) > 6
    results = build_effect_results()
    table = build_comparison_tables(results.study, build_comparison(results, results), changes)[-1]
    assert [row.values["key"] for row in table.rows] == ["study.grid: 9 keys, see changes.csv", "study.seed"]
