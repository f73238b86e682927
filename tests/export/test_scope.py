"""What readers are told of the numbers: what they speak of, what their error is made of, what was adjusted or cut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from tests.builders import build_results, build_study
from tests.own_study import OwnStudy
from tune_app.analysis.comparable import APART
from tune_app.analysis.conditions import INTERVALS, build_condition_scores
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.export.figures.shares import build_shares, build_shares_chart
from tune_app.export.figures.study import collect_figures
from tune_app.export.frames import build_frames
from tune_app.export.tables.cells import spell
from tune_app.export.tables.document import StudyTables, build_document, build_tables
from tune_app.export.tables.model import Medium, Table
from tune_app.export.tables.reading import build_reading
from tune_app.export.tables.scope import build_scope
from tune_app.records.results import Results, read_results
from tune_app.study import TrialSpec

ROOT = Path(__file__).parents[2]
CLAIM = {"levels": {"regularizer": "dropout"}, "against": {"regularizer": "none"}, "expect": "higher", "by": 0.0}


@pytest.fixture(scope="module")
def report() -> Results:
    return read_results(ROOT / "results" / "report")


@pytest.fixture(scope="module")
def frames(report: Results) -> dict[str, pd.DataFrame]:
    return build_frames(report)


@pytest.fixture(scope="module")
def tables(report: Results, frames: dict[str, pd.DataFrame]) -> StudyTables:
    return build_tables(report, frames)


def list_cells(table: Table, heading: str) -> list[str]:
    (column,) = (column for column in table.columns if column.heading == heading)
    return [spell(row, column) for row in table.rows]


def list_headings(table: Table) -> list[str]:
    return [column.heading for column in table.columns]


def small_results(score: Callable[[TrialSpec, int], float], **changes: Any) -> Results:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": 3}]
    return build_results(build_study(**({"grid": grid, "replicates": 3} | changes)), score)


def score_noisily(spec: TrialSpec, fold: int) -> float:
    noise = np.random.default_rng([spec.replicate, fold, len(spec.regularizer)]).normal(0, 0.006)
    return float(0.9 + 0.01 * (spec.regularizer != "none") + noise)


def test_a_sentence_says_what_is_new_and_what_is_not(report: Results) -> None:
    study = report.study
    assert build_scope([("new images", "test_accuracy")], study) == (
        "The numbers speak of new images: other test images like these and other seeds and splits, on the same "
        "training images."
    )
    held_out = build_scope([("new images", "validation_accuracy")], study)
    assert held_out == "The numbers speak of new images: other images like these and other seeds and splits."
    both = build_scope([("new images", "test_accuracy"), ("these images", "test_loss"), ("", "x")], study)
    assert both.startswith("The numbers speak of what each row says. New images: other test images")
    assert both.endswith("; these images: the very images of the study, with other seeds and splits.")
    assert build_scope([("", "test_accuracy"), (None, "test_loss")], study).startswith("Without an interval")


def test_every_table_on_paper_says_what_it_speaks_of(report: Results, tables: StudyTables) -> None:
    document = build_document(report, tables.on_paper)
    for table in (*tables.reported, tables.claims, tables.check, tables.conditions, *tables.contrasts):
        assert table is not None
        assert " speak of " in table.scope, table.name
        assert f"{table.scope}\n" in document, table.name
    assert "test metrics the numbers speak of new seeds" not in document


def test_users_data_are_samples_to_its_readers_and_the_reading_is_of_held_out_folds(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"recipe": {"epochs": 8, "batch_size": 16, "learning_rate": 0.01}, "replicates": 2}
    keys["grid"] = [{"model": "net", "folds": 3}]
    study = OwnStudy(tmp_path, metrics={"primary": "accuracy"}, define={"share": None}, **keys)
    assert study.run() == 0
    results = read_results(tmp_path / "results" / "own")
    text = " ".join(build_reading(results))
    assert "image" not in text
    assert "The corrected resampled interval" in text
    table = build_tables(results, build_frames(results)).conditions
    assert table.scope == "The numbers speak of new samples: other samples like these and other seeds and splits."


def test_rows_that_speak_of_different_things_say_so_each() -> None:
    claims = [
        CLAIM | {"sentence": "On the test.", "metric": "test_accuracy"},
        CLAIM | {"sentence": "On held-out folds.", "metric": "validation_accuracy"},
    ]
    results = small_results(score_noisily, claims=claims)
    table = build_tables(results, build_frames(results)).claims
    assert table is not None
    assert list_cells(table, "speaks of") == ["these images", "new images"], "there are no predictions to cross"
    assert table.scope.startswith("The numbers speak of what each row says.")
    one = small_results(score_noisily, claims=claims[:1])
    alone = build_tables(one, build_frames(one)).claims
    assert alone is not None
    assert "speaks of" not in list_headings(alone)


def test_the_intervals_of_means_have_names_of_their_own(report: Results, frames: dict[str, pd.DataFrame]) -> None:
    methods = set(frames["conditions"]["method"]) - {""}
    assert methods == set(INTERVALS.values()), "a study with a test set and replicates has all four"
    held = frames["conditions"].set_index("metric")["method"]
    assert set(held["test_accuracy"]) <= {"crossed interval (fits × images)", ""}
    document = (ROOT / "docs" / "results.md").read_text()
    assert all(f"`{name}`" in document for name in methods)


def test_the_shares_of_an_error_stand_in_the_table_and_in_a_figure(
    report: Results, tables: StudyTables, frames: dict[str, pd.DataFrame]
) -> None:
    scores = frames["conditions"]
    scores = scores[(scores["metric"] == "test_accuracy") & scores["share_seeds"].notna()]
    names = ["share_seeds", "share_images", "share_interaction"]
    expected = [" / ".join(f"{100 * share:.0f}%" for share in shares) for shares in scores[names].to_numpy()]
    found = [cell for cell in list_cells(tables.conditions, "seeds / images / both") if cell != "–"]
    assert sorted(found) == sorted(expected)
    drawn = build_shares(report)
    assert drawn.groupby("row")["share"].sum().to_numpy() == pytest.approx(1)
    assert set(drawn["row"]) == set(scores["row"])
    figures, failed = collect_figures(report)
    assert failed == {}
    (figure,) = (figure for figure in figures if figure.name == "shares")
    assert "More replicates make the seeds' part smaller" in figure.caption
    assert build_shares_chart(drawn, "image").to_dict()["layer"]


def test_a_study_without_crossed_intervals_has_no_shares() -> None:
    results = small_results(score_noisily)
    assert build_shares(results).empty
    shown = build_tables(results, build_frames(results)).conditions.select_columns(Medium.SCREEN)
    assert not [column for column in shown if column.name == "shares"]


def test_contrasts_of_one_factor_come_first_and_each_family_is_adjusted_by_itself(
    frames: dict[str, pd.DataFrame], tables: StudyTables
) -> None:
    for _, rows in frames["contrasts"].groupby("metric", sort=False):
        assert rows["family"].is_monotonic_increasing, "one factor, then several"
        assert ((rows["n_factors"] > 1) == (rows["family"] == "several factors")).all()
        for _, family in rows.groupby("family"):
            tested = family.dropna(subset="p_value")
            if len(tested):
                adjusted = multipletests(tested["p_value"].astype(float), method="holm")[1]
                assert tested["p_holm"].astype(float).to_numpy() == pytest.approx(adjusted)
    one, several = tables.contrasts
    assert all("Replicates were added until claims were decided" in table.notes[0] for table in tables.contrasts)
    assert "differs" not in list_headings(one)
    cells = list_cells(several, "differs")
    assert len(cells) == 10
    assert all(" → " in cell and cell.count(": ") > 1 for cell in cells)
    assert (one.name, several.name) == ("contrasts-test_accuracy", "contrasts-test_accuracy-several")


def test_an_argument_that_one_of_two_networks_takes_is_no_change_of_its_own(tmp_path: Path) -> None:
    define = {"share": None, "forest": {"model": "sklearn.ensemble:RandomForestClassifier"}}
    grid = [{"model": "net", "width": [4, 8], "folds": 3}, {"model": "forest", "n_estimators": 5, "folds": 3}]
    baseline, metrics = {"model": "net", "width": 4}, {"primary": "accuracy"}
    study = OwnStudy(tmp_path, define=define, grid=grid, baseline=baseline, metrics=metrics)
    assert study.run("--allow", "sklearn") == 0
    contrasts = build_contrasts(read_results(tmp_path / "results" / "own"))
    assert dict(zip(contrasts["differs"], contrasts["n_factors"], strict=True)) == {
        "width: 4 → 8": 1,
        "model: net → forest": 1,
    }


def test_companions_are_in_the_csv_file_and_the_table_says_so(tables: StudyTables) -> None:
    one, _ = tables.contrasts
    assert not {"p (sign flip)", "median effect", "P(superior)"} & {column.heading for column in one.columns}
    assert any("is in contrasts.csv; it counts fits, on these very images" in note for note in one.notes)


def test_times_that_did_not_run_in_turns_are_one_note(tables: StudyTables) -> None:
    times = next(family for family in tables.other_contrasts if family[0].name == "contrasts-fit_seconds")
    for table in times:
        assert [note for note in table.notes if "in turns" in note] == [f"Times without an interval: {APART}"]


def test_a_shipped_study_says_where_an_interval_is_cut_and_of_which_row(
    report: Results, tables: StudyTables, frames: dict[str, pd.DataFrame]
) -> None:
    scores = build_condition_scores(report)
    beyond = scores[(scores["metric"] == "test_accuracy") & (scores["ci95_high"] > 1)]["row"].tolist()
    assert beyond, "by the formula"
    (reason,) = (reason for reason in tables.conditions.reasons if "is cut at" in reason.text)
    assert reason.text == "the interval is cut at 1, where accuracy ends; conditions.csv has it uncut."
    assert list(reason.rows) == beyond
    (figure,) = (figure for figure in collect_figures(report)[0] if figure.name == "scores")
    assert "Intervals are cut where the metric ends; conditions.csv has them uncut." in figure.caption
    assert frames["conditions"]["ci95_high"].max() > 1


def test_an_unadjusted_verdict_stands_beside_where_it_is_another_one() -> None:
    claims = [CLAIM | {"sentence": f"Claim {number}."} for number in range(6)]
    results = small_results(score_noisily, claims=claims)
    frames = build_frames(results)
    verdicts = frames["claims"]
    assert set(verdicts["verdict"]) == {"undecided"}
    assert set(verdicts["verdict_unadjusted"]) == {"supported"}
    table = build_tables(results, frames).claims
    assert table is not None
    assert list_cells(table, "unadjusted verdict") == ["supported"] * 6
    assert list_cells(table, "adjusted interval") != list_cells(table, "95% interval, unadjusted")
    alone = small_results(score_noisily, claims=claims[:1])
    one = build_tables(alone, build_frames(alone)).claims
    assert one is not None
    assert list_cells(one, "verdict") == ["supported"]
    shown = [column.heading for column in one.select_columns(Medium.SCREEN)]
    assert not {"unadjusted verdict", "95% interval, unadjusted"} & set(shown)


def test_what_a_claim_needs_is_that_of_the_data_file(tables: StudyTables, frames: dict[str, pd.DataFrame]) -> None:
    claims = tables.claims
    assert claims is not None
    for heading, name in (("replicates for 80%", "needed_replicates"), ("for 90%", "needed_replicates_90")):
        expected = [
            f"{needed:,}" if not pd.isna(needed) else "–" if pd.isna(most) else f"over {most:,}"
            for needed, most in zip(frames["claims"][name], frames["claims"]["most_replicates"], strict=True)
        ]
        assert "over 30" in expected, "more than the last look has is another answer than not known"
        assert list_cells(claims, heading) == expected
    assert any(cell != "–" for cell in list_cells(claims, "for 90%"))


def test_a_note_on_a_claim_is_below_its_table(tables: StudyTables) -> None:
    assert tables.claims is not None
    note = next(note for note in tables.claims.notes if "dropout at work" in note)
    assert note.startswith("Claims 4 and 5: ")
