"""What comes back to a notebook: frames, figures, plans and comparisons, and how they show themselves."""

import re
from pathlib import Path

import pytest

import tune_app
from tests.builders import build_results, build_study
from tests.calls import results_of, run

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.mark.slow
def test_a_changed_frame_changes_no_other_and_no_export(tmp_path: Path) -> None:
    results = results_of(build_study())
    results.write("before")
    for name in ("epochs", "folds", "trials", "conditions", "contrasts", "verdicts"):
        frame = getattr(results, name)
        frame.iloc[:, 0] = "changed"
        del frame[frame.columns[1]]
        assert list(getattr(results, name).columns) != list(frame.columns)
        assert "changed" not in set(getattr(results, name).iloc[:, 0])
    results.write("after")
    for path in sorted((tmp_path / "before").iterdir()):
        if path.is_file() and path.suffix != ".png":
            assert path.read_bytes() == (tmp_path / "after" / path.name).read_bytes(), path.name
    assert "cnn" in results._repr_html_()


@pytest.mark.slow
def test_a_changed_plan_reaches_no_export() -> None:
    results = run(build_study())
    digest = Path("results/small/results.json").read_text()
    plan = results.plan
    plan["fits"] = 99
    results.write("again")
    assert Path("again/results.json").read_text() == digest


def test_writing_refuses_to_lose_records() -> None:
    whole = results_of(build_study())
    whole.write("folder")
    other = results_of(build_study(seed=1))
    with pytest.raises(tune_app.ResultsError, match="folder holds records that these results lack"):
        other.write("folder")
    assert tune_app.read_results("folder").study == whole.study
    with pytest.raises(tune_app.ResultsError, match=r"/dev/null/x cannot be written"):
        whole.write("/dev/null/x")


def test_frames_without_a_subject_are_empty() -> None:
    results = results_of(build_study())
    for frame in (results.audit, results.reference_check, results.networks, results.plan, results.verdicts):
        assert len(frame) == 0
    assert results.conclusions == []
    assert results.environment == {}


def test_figures_come_by_name_for_the_study_and_for_a_trial() -> None:
    results = results_of(build_study())
    assert {"scores", "accuracy", "loss"} <= set(results.build_figures())
    trial = results.trials["trial"][0]
    figures = results.build_figures(trial)
    assert {"accuracy", "loss"} <= set(figures)
    svg = figures["accuracy"]._repr_svg_()
    assert svg.startswith("<svg")
    assert "Accuracy by epoch" in svg
    drawn = figures["accuracy"].draw()
    assert drawn.svg == svg
    assert drawn.png.startswith(b"\x89PNG")
    with pytest.raises(tune_app.ResultsError, match=f"has no trial '{trial[:-1]}'; did you mean '{trial}'"):
        results.build_figures(trial[:-1])


def test_what_a_notebook_shows_is_escaped() -> None:
    study = build_study(
        title="<script>alert(1)</script>",
        labels=[{"label": "<b>plain</b>", "regularizer": "none"}],
        claims=[
            {
                "sentence": "<img src=x> helps.",
                "levels": {"regularizer": "dropout+batchnorm"},
                "against": {"regularizer": "none"},
                "expect": "higher",
            }
        ],
    )
    results = results_of(study)
    shown = (results, tune_app.build_plan(study, executor="inline"), tune_app.compare_results(results, results))
    for each in shown:
        html = each._repr_html_()
        tags = set(re.findall(r"</?([a-z0-9]+)[ >]", html))
        assert tags <= {"p", "h4", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "br"}, tags
        assert len(repr(each)) < 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: 6 of 6 fits completed" in results._repr_html_()
    assert "&lt;b&gt;plain&lt;/b&gt;" in results._repr_html_()
    assert "&lt;img src=x&gt; helps." in results._repr_html_()


def test_the_plan_of_a_study_shows_every_trial_and_undecidable_claims() -> None:
    claim = {
        "sentence": "More folds help.",
        "metric": "validation_accuracy",  # held out: of other splits, replicates are needed
        "levels": {"folds": 4},
        "against": {"folds": 3},
        "expect": "higher",
    }
    study = build_study(grid=[{"model": "cnn", "width": 0.05, "folds": [3, 4]}], claims=[claim])
    plan = tune_app.build_plan(study, executor="inline")
    assert [trial.id in plan._repr_html_() for trial in plan] == [True, True]
    assert "2 trials, 7 fits, about" in repr(plan)
    assert plan.find_undecidable()
    assert "More folds help." in plan._repr_html_()


def test_two_results_are_compared_by_condition_and_by_setting() -> None:
    first = results_of(build_study())
    second = tune_app.Results(build_results(build_study(seed=3), lambda spec, fold: 0.8 + fold / 100))
    second.write("second")
    comparison = tune_app.compare_results(first, "second")
    accuracy = comparison.scores[comparison.scores["metric"] == "test_accuracy"]
    assert list(accuracy["mean_second"] - accuracy["mean_first"]) == pytest.approx([-0.1, -0.1])
    assert comparison.changes.to_dict("records") == [{"key": "study.seed", "A": "0", "B": "3"}]
    assert "A: small<br>B: second" in comparison._repr_html_()
    with pytest.raises(tune_app.ResultsError, match="nothing is not a results folder"):
        tune_app.compare_results(first, "nothing")
