"""Reported figures beside ours: which condition is the counterpart, and what the difference says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.builders import build_results, build_study
from tune_app.analysis.reported import find_counterparts
from tune_app.export.frames import build_frames
from tune_app.export.headline import spell_reported
from tune_app.export.tables.cells import spell
from tune_app.export.tables.document import StudyTables, build_document, build_tables
from tune_app.records.results import Reported, Results, read_reference, read_results
from tune_app.study.file import SHIPPED, find_study_file, read_study

ROOT = Path(__file__).parents[2]
REFERENCE = {
    ("cnn", "none", 3): Reported("CNN(k=3)", 0.91, "as printed", table="CNN"),
    ("cnn", "dropout", 3): Reported("CNN+DP(k=3)", 0.5, "", table="CNN"),
    ("vgg10", "none", 3): Reported("vgg10", 0.99, "", table="VGG"),
    ("vgg18", "none", 3): Reported("vgg18", 0.99, "", table="VGG"),
}


def reported_results(**changes: Any) -> Results:
    grid = [
        {"model": "cnn", "regularizer": ["none", "dropout"], "folds": 3},
        {"model": "vgg10", "width": 0.125, "folds": 3},
    ]
    labels = [{"label": "CNN+DP", "model": "cnn", "regularizer": "dropout"}]
    study = build_study(**({"data": {"name": "digits"}, "grid": grid, "labels": labels} | changes))
    source = np.random.default_rng(0)
    results = build_results(study, lambda spec, fold: float(0.9 + 0.02 * source.random()))
    return replace(results, reference=REFERENCE)


def tables_of(results: Results) -> StudyTables:
    return build_tables(results, build_frames(results))


def test_each_reported_figure_stands_beside_ours_with_the_verdict_on_the_difference() -> None:
    first, second = tables_of(reported_results()).on_paper[:2]
    assert (first.title, second.title) == ("Reported figures, CNN", "Reported figures, VGG")
    rows = [{column.heading: spell(row, column) for column in first.columns} for row in first.rows]
    assert [(row["row"], row["reported"]) for row in rows] == [("cnn, no regularizer", "0.9100"), ("CNN+DP", "0.5000")]
    assert [row["reported figure is"] for row in rows] == ["inside the interval", "outside the interval"]
    assert float(rows[1]["difference"]) == pytest.approx(float(rows[1]["ours"]) - 0.5)
    assert first.notes == ("cnn, no regularizer: as printed.", "CNN+DP: model cnn, regularizer dropout.")
    (vgg,) = ({column.heading: spell(row, column) for column in second.columns} for row in second.rows)
    assert (vgg["difference"], vgg["reported figure is"]) == ("–", "of another experiment")
    (reason,) = second.reasons
    assert (reason.rows, reason.text) == (("vgg10, no regularizer",), "ours has width 0.125.")


def test_the_headline_counts_the_figures_of_the_same_experiment() -> None:
    assert spell_reported(reported_results()) == "Of 2 reported figures 1 lies inside the interval of our mean."
    few = reported_results(data={"name": "digits", "train_images": 1200})
    assert spell_reported(few) == "", "all are of another experiment"


def test_a_figure_of_another_data_set_or_of_fewer_images_is_of_another_experiment() -> None:
    few = find_counterparts(reported_results(data={"name": "digits", "train_images": 1200}))
    assert few[0].reason == "ours has 1,200 training images."
    other = {key: replace(figure, dataset="mnist") for key, figure in REFERENCE.items()}
    foreign = find_counterparts(replace(reported_results(), reference=other))
    assert foreign[0].reason == "ours has data set digits."
    assert foreign[2].reason == "ours has width 0.125, data set digits."
    assert {counterpart.verdict for counterpart in (*few, *foreign)} == {"of another experiment"}
    assert all(c.numbers["difference"] is None for c in (*few, *foreign))


def test_where_the_figure_lies_as_reported_is_said_beside_the_sound_row() -> None:
    protocols = {"protocol": ["sound", "as-reported"]}
    grid = [
        {"model": "cnn", "regularizer": "none", "folds": 3} | protocols,
        {"model": "cnn", "regularizer": "dropout", "folds": 3},
        {"model": "cnn", "regularizer": "dropout", "folds": 3, "batch_size": 40, "protocol": "as-reported"},
    ]
    found = find_counterparts(reported_results(grid=grid, replicates=3))
    assert [counterpart.spec.protocol for counterpart in found] == [(), ()]
    assert found[0].place in ("inside", "undecidable with 3 replicates", "outside")
    assert found[1].place == "outside (batches of 40)"


def test_the_headline_says_how_many_figures_a_run_as_reported_reaches() -> None:
    grid = [
        {"model": "cnn", "regularizer": ["none", "dropout"], "folds": 3, "protocol": ["sound", "as-reported"]},
    ]
    text = spell_reported(reported_results(grid=grid, replicates=3))
    assert text.startswith("Of 2 reported figures 1 lies inside the interval of our mean. Run as reported, ")
    assert text.endswith("1 of 2 is reproduced: it lies among our replicates; 1 is not.")


def test_a_figure_without_a_mean_of_ours_is_undecided() -> None:
    results = reported_results()
    trial = results.study.grid_trials()[0].spec.id
    del results.records.folds[trial, 0]
    first = find_counterparts(results)[0]
    assert (first.verdict, first.reason) == ("undecided", "ours has no mean: 1 missing.")


def test_the_reports_own_two_tables_begin_the_document() -> None:
    results = read_results(ROOT / "results" / "report")
    study = read_study(find_study_file("report"))
    results = replace(results, study=study, reference=read_reference(SHIPPED / "report.csv"))
    tables = tables_of(results).on_paper
    assert [table.title for table in tables[:3]] == ["Reported figures, CNN", "Reported figures, VGG", "Claims"]
    cnn, vgg = ([row.values["row"] for row in table.rows] for table in tables[:2])
    assert cnn == [f"{name}, {folds} folds" for folds in (4, 10) for name in ("CNN+DP+BN", "CNN+DP", "CNN+BN", "CNN")]
    assert vgg == ["vgg10", "vgg12", "vgg15", "vgg18"]
    assert {row.values["verdict"] for row in tables[1].rows} == {"of another experiment"}
    assert "n_split" not in build_document(results, tables)
