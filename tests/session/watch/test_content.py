"""What the page of a running study says, from records that are not all there."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import CLAIM, build_results, build_study, fold_record
from tune_app.analysis.leaderboard import build_leaderboard
from tune_app.records import Record, RecordSet
from tune_app.records.results import Results
from tune_app.session.watch.content import SECTIONS, build_page, build_record_sections, build_state_sections
from tune_app.study import TrialSpec

STATE: dict[str, Any] = {
    "done": 3,
    "failed": 1,
    "total": 6,
    "elapsed": 12.0,
    "remaining": None,
    "phase": "",
    "running": [{"label": "a <b>", "fold": "2/3", "epoch": "–", "score": None, "seconds": 4.0}],
    "more": 0,
}


def build_running(left: int = 1, **changes: Any) -> Results:
    """Two conditions of three folds, dropout and batch normalisation ahead; `left` folds of it are not there."""
    study = build_study(**changes)

    def score(spec: TrialSpec, fold: int) -> float:
        return 0.8 + 0.1 * (spec.regularizer != "none") + fold / 100

    whole = build_results(study, score, epochs=(1,))
    last = study.grid_trials()[-1].spec.id
    kept: list[Record] = [*whole.records.epochs.values(), *whole.records.folds.values()]
    return replace(whole, records=RecordSet(r for r in kept if r.trial != last or r.fold < 3 - left))


def build_parts(results: Results) -> dict[str, str]:
    return build_record_sections(results, {trial.spec.id for trial in results.study.grid_trials()})


def test_the_leaderboard_has_means_of_the_fits_that_are_there() -> None:
    frame = build_leaderboard(build_running())
    assert list(frame["label"]) == ["dropout+batchnorm", "no regularizer"]
    assert list(frame["fits"]) == [2, 3]
    assert list(frame["planned"]) == [3, 3]
    assert frame["mean"].tolist() == pytest.approx([0.905, 0.81])


def test_conditions_without_a_score_are_last_and_have_no_place() -> None:
    frame = build_leaderboard(build_running(left=3))
    assert list(frame["label"]) == ["no regularizer", "dropout+batchnorm"]
    assert frame["place"].isna().tolist() == [False, True]


def test_what_the_command_does_not_run_is_left_out() -> None:
    results = build_running()
    selected = {results.study.grid_trials()[0].spec.id}
    assert list(build_leaderboard(results, selected)["label"]) == ["no regularizer"]
    assert "1 conditions that this command does not run" in build_record_sections(results, selected)["conditions"]


def test_without_records_there_is_a_page_too() -> None:
    claim = CLAIM | {"levels": {"regularizer": "dropout+batchnorm"}, "expect": "higher"}
    results = replace(build_running(claims=[claim]), records=RecordSet())
    parts = build_parts(results) | build_state_sections(STATE)
    assert set(parts) == set(SECTIONS)
    page = build_page(results.study, parts)
    assert "No fit has ended so far." in page
    assert "undecided" in page


def test_failures_and_names_are_told_as_text() -> None:
    results = build_running()
    failed = replace(fold_record(results.study.grid_trials()[-1].spec.id, 2, None), error_message="<script>alert(1)")
    parts = build_parts(replace(results, records=RecordSet([*results.records.folds.values(), failed])))
    assert "FitError: &lt;script&gt;alert(1)" in parts["failures"]
    assert "1 failed" in parts["conditions"]
    assert "a &lt;b&gt;" in build_state_sections(STATE)["running"]


def test_a_fit_is_a_bar_of_the_schedule() -> None:
    parts = build_parts(build_running())
    assert parts["schedule"].count("<rect") == 5


def test_time_that_is_not_known_is_not_spelled() -> None:
    assert "left" not in build_state_sections(STATE)["progress"]
    assert "about 1 min 40 s left" in build_state_sections(STATE | {"remaining": 100.0})["progress"]


def test_the_page_has_no_script_and_no_style_of_its_own() -> None:
    page = build_page(build_study(), build_parts(build_running()) | build_state_sections(STATE))
    assert page.count("<script") == page.count('<script src="watch.js" defer></script>') == 1
    assert "<style" not in page
    assert " style=" not in page
