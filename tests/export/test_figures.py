"""Figures, from small frames that are shaped like real ones."""

import base64
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from tests.builders import build_study, fold_record, results_of
from tests.export.broken import Broken
from tune_app import data
from tune_app.analysis.confusion import build_confusions, count_confusions, rank_confused
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.analysis.curves import build_curves
from tune_app.analysis.schedule import build_plan_table, build_schedule
from tune_app.errors import ExportError
from tune_app.export.figures import (
    Figure,
    build_figures,
    build_forest_chart,
    build_waterfall_chart,
    study,
    write_figures,
)
from tune_app.export.figures.confusion import encode_png
from tune_app.export.figures.write import drawing
from tune_app.export.folder import is_current, write_results
from tune_app.records import EpochRecord, RecordSet
from tune_app.records.results import Results
from tune_app.session.testset import build_test_set

STEPS = pd.DataFrame(
    {
        "step": ["reported protocol", "fresh network per fold", "correct protocol"],
        "kind": ["total", "change", "total"],
        "points": [98.6, -0.5, 98.1],
        "ci95_low": [None, -0.6, None],
        "ci95_high": [None, -0.4, None],
    }
)
CONTRASTS = pd.DataFrame(
    {
        "metric": ["test_accuracy", "test_accuracy", "test_loss"],
        "unit": ["share", "share", "nats/image"],
        "row": ["CNN+BN", "CNN+DP", "CNN+BN"],
        "baseline_row": "CNN",
        "effect": [0.002, -0.01, 0.1],
        "ci95_low": [-0.003, None, 0.0],
        "ci95_high": [0.007, None, 0.2],
        "rope": [0.001, 0.001, 0.0],
        "method": ["corrected resampled t-test, paired on (replicate, fold)", "", ""],
        "p_holm": [0.1, None, None],
        "estimand": ["new images", "", ""],
        "differs": "regularizer: none → batchnorm",
        "family": "one factor",
        "better": ["higher", "higher", "lower"],
    }
)
STEPS.attrs |= {"setting": "CNN+BN", "method": "Shapley value over all sets of defects"}


def epoch_record(trial: str, fold: int, epoch: int, accuracy: float) -> EpochRecord:
    return EpochRecord(
        trial=trial,
        replicate=0,
        fold=fold,
        epoch=epoch,
        scores={
            "train_loss": 1.0 / epoch,
            "train_accuracy": accuracy,
            "validation_loss": 0.9 / epoch,
            "validation_accuracy": accuracy,
        },
        learning_rate=0.001,
        seconds=1.0,
        samples_per_second=100.0,
    )


@pytest.fixture
def results(digits: data.Data) -> Results:
    """Two conditions, three folds, two epochs; every fit gets the same images wrong."""
    study = build_study()
    whole = results_of(study, [0.9, 0.91, 0.95])
    records = RecordSet(whole.records.folds.values())
    for trial in study.grid_trials():
        for fold in range(3):
            for epoch in (1, 2):
                records.add(epoch_record(trial.spec.id, fold, epoch, 0.5 + 0.1 * epoch + 0.01 * fold))
    whole = replace(whole, records=records)
    return replace(whole, test=build_test_set(whole, digits))


def test_a_study_gives_every_figure_as_svg_png_and_pdf(results: Results, tmp_path: Path) -> None:
    contrasts = build_contrasts(results).assign(effect=0.002, ci95_low=-0.003, ci95_high=0.007, p_holm=0.1)
    figures = build_figures(results, contrasts, STEPS)
    write_figures(tmp_path, figures)
    names = ["scores", "shares", "contrasts", "audit", "accuracy", "loss", "confusion", "confused", "schedule"]
    files = {f"{name}{ending}" for name in names for ending in (".svg", ".dark.svg", ".png", ".pdf")}
    in_columns = ("scores", "shares", "contrasts", "audit", "schedule")
    files |= {f"{name}.column.pdf" for name in in_columns}
    assert {path.name for path in tmp_path.iterdir()} == files
    for path in tmp_path.glob("*.svg"):
        texts = "".join(ElementTree.parse(path).getroot().itertext())
        assert len(texts) > 20, path
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")
    for name, inches in (("scores.pdf", 6.9), ("scores.column.pdf", 3.35)):
        content = (tmp_path / name).read_bytes()
        box = re.search(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", content)
        assert box is not None
        assert float(box[1]) / 72 == pytest.approx(inches, abs=0.01)
        assert b"/FontFile2" in content, "its type is embedded"
    for figure in figures:
        high = re.search(r'height="([0-9.]+)"', (tmp_path / f"{figure.name}.svg").read_text())
        assert high is not None
        assert float(high[1]) <= 720, figure.name


def test_the_same_results_give_the_same_bytes(results: Results, tmp_path: Path) -> None:
    def read() -> dict[str, bytes]:
        write_figures(tmp_path / "again", [f for f in build_figures(results) if f.name in ("scores", "confusion")])
        return {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}

    assert read() == read()


def test_a_figure_that_is_no_longer_made_goes(results: Results, tmp_path: Path) -> None:
    scores, *others = build_figures(results)
    write_figures(tmp_path, [scores, next(figure for figure in others if figure.name == "confusion")])
    write_figures(tmp_path, [scores])
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"scores"}


def test_curves_hold_mean_lowest_and_highest_fit(results: Results) -> None:
    row = "no regularizer"
    chosen = f"row == '{row}' and metric == 'accuracy' and split == 'validation' and epoch == 2"
    (last,) = build_curves(results).query(chosen).to_dict("records")
    assert [last["mean"], last["low"], last["high"]] == pytest.approx([0.71, 0.7, 0.72])
    assert last["fits"] == 3


def test_confusions_count_every_prediction_once() -> None:
    labels = np.array([0, 1, 1, 2], dtype=np.uint8)
    found = [np.array([0, 1, 2, 2], dtype=np.uint8), np.array([0, 2, 2, 2], dtype=np.uint8)]
    counts = count_confusions(found, labels, 3).pivot(index="true", columns="predicted", values="count")
    assert counts.to_numpy().tolist() == [[2, 0, 0], [0, 1, 3], [0, 0, 2]]


def test_the_image_that_most_fits_get_wrong_comes_first() -> None:
    labels = np.array([0, 1, 1, 2], dtype=np.uint8)
    found = [np.array(guess, dtype=np.uint8) for guess in ([0, 0, 2, 2], [0, 1, 2, 2], [0, 1, 0, 1])]
    assert rank_confused(found, labels, most=10) == [(2, 3, 2), (1, 1, 0), (3, 1, 1)]


def test_the_test_set_holds_the_pictures_of_confused_images_only(results: Results, digits: data.Data) -> None:
    test = results.test
    assert test is not None
    assert len(test.labels) == len(test.positions) == 60
    assert 0 < len(test.images) <= 20
    np.testing.assert_array_equal(test.images, digits.test_part.inputs[test.positions[test.image_rows], 0])
    wrong = build_confusions(results).query("true != predicted")["count"].sum()
    assert wrong > 0


def test_a_picture_survives_as_png() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    content = base64.b64decode(encode_png(image).removeprefix("data:image/png;base64,"))
    start = content.index(b"IDAT") + 4
    lines = np.frombuffer(zlib.decompress(content[start:-16]), np.uint8).reshape(3, 5)
    np.testing.assert_array_equal(lines[:, 1:], image)


def test_fits_that_overlap_lie_in_lanes_of_their_own_and_idle_time_is_cut_out() -> None:
    study = build_study()
    first, second = (trial.spec.id for trial in study.grid_trials())
    times = {(first, 0): 0.0, (first, 1): 2.0, (second, 0): 1.0, (second, 1): 7203.0}
    records = [
        replace(fold_record(trial, fold, 0.9), started=1e9 + start, fit_seconds=2.0)
        for (trial, fold), start in times.items()
    ]
    schedule = build_schedule(Results(study, RecordSet(records), {})).to_dict("records")
    fits = {(row["trial"], row["fold"]): row for row in schedule}
    assert fits[first, 1]["lane"] == fits[first, 2]["lane"] == 1
    assert fits[second, 1]["lane"] == 2
    assert fits[second, 2]["idle_seconds"] == pytest.approx(7199)
    assert fits[second, 2]["start_minutes"] * 60 == pytest.approx(4)


def test_the_plan_is_set_against_the_mean_of_completed_fits(results: Results) -> None:
    trial = results.study.grid_trials()[0].spec.id
    plan = pd.DataFrame(
        [(trial, 3, 10, 1e6, 4.0, 1.0, 0.0)],
        columns=["trial", "fits", "parameters", "flops", "predicted_fit_seconds", "cpus", "gpus"],
    )
    (row,) = build_plan_table(replace(results, plan=plan)).to_dict("records")
    assert (row["fits_completed"], row["measured_fit_seconds"], row["measured_to_predicted"]) == (3, 2.0, 0.5)


def test_a_waterfall_ends_where_its_last_total_stands() -> None:
    spec = build_waterfall_chart(STEPS).to_dict()
    (rows,) = spec["datasets"].values()
    assert rows[1]["end"] == pytest.approx(rows[2]["start"])
    assert (rows[1]["low"], rows[1]["high"]) == pytest.approx((98.0, 98.2))


def test_the_forest_shows_the_contrasts_of_test_accuracy_that_have_an_interval() -> None:
    datasets = build_forest_chart(CONTRASTS).to_dict()["datasets"].values()
    (rows,) = [rows for rows in datasets if "effect" in rows[0]]
    assert [(row["row"], row["baseline_row"]) for row in rows] == [("CNN+BN", "CNN")]
    assert rows[0]["effect"] == pytest.approx(0.2)
    assert rows[0]["reading"] == "not decided"


def _break(figure: Figure) -> Figure:
    return Broken(figure.name, figure.title, figure.caption, figure.chart)


def test_a_figure_that_cannot_be_drawn_is_an_error_and_the_others_are_drawn(results: Results, tmp_path: Path) -> None:
    first, second = build_figures(results)[:2]
    with pytest.raises(ExportError, match=f"figure {first.name} cannot be drawn"):
        write_figures(tmp_path, [_break(first), second])
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {second.name}
    write_figures(tmp_path, [first])
    assert (tmp_path / f"{first.name}.svg").read_text().startswith("<svg")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["built", "drawn"])
def test_a_broken_figure_costs_that_figure_and_never_the_tables(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    build = study._build_schedule

    def fail(*arguments: Any) -> list[Figure]:
        if where == "built":
            raise ZeroDivisionError("of nothing")
        return [_break(figure) for figure in build(*arguments)]

    monkeypatch.setattr(study, "_build_schedule", fail)
    (sentence,) = write_results(tmp_path, results)
    assert sentence.startswith("Figure schedule cannot be drawn, and the page is without it: ")
    page = (tmp_path / "index.html").read_text()
    assert "The figure schedule is left out, because it cannot be drawn" in page
    assert 'data-chart="scores"' in page
    assert 'data-chart="schedule"' not in page
    assert {"scores.svg"} <= {path.name for path in (tmp_path / "figures").iterdir()}
    assert (tmp_path / "table.md").exists()
    assert not is_current(tmp_path, results), "so that the next call tries again"
    monkeypatch.undo()
    assert write_results(tmp_path, results) == []
    assert is_current(tmp_path, results)


def test_what_interrupts_a_drawing_leaves_no_answer_for_the_next(results: Results) -> None:
    first, second = build_figures(results)[:2]
    with pytest.raises(KeyboardInterrupt), drawing([first]):
        raise KeyboardInterrupt
    with drawing([second]) as finish:
        assert list(finish().figures) == [second.name]
