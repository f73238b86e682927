"""What a notebook calls: studies built, run, interrupted, resumed, watched; and what comes back."""

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tune_app
from tests.builders import build_results, build_study, study_content
from tune_app.records import RUN_FIELDS, Record, RecordSet

ROOT = Path(__file__).parents[2]
UNKNOWN = "unknown model 'cnnn'; did you mean 'cnn'? choose from cnn, vgg10, vgg12, vgg15, vgg18"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(study: Any, **options: Any) -> tune_app.Results:
    chosen: dict[str, Any] = {"executor": "inline", "device": "cpu", "progress": False} | options
    return tune_app.run_study(study, **chosen)


def results_of(study: tune_app.Study) -> tune_app.Results:
    return tune_app.Results(build_results(study, lambda spec, fold: 0.9 + fold / 100))


def scores_of(records: RecordSet) -> list[Any]:
    by_key: dict[tuple[Any, ...], Record] = {**records.epochs, **records.folds}
    return [
        (key, {k: v for k, v in asdict(record).items() if k not in RUN_FIELDS})
        for key, record in sorted(by_key.items(), key=lambda pair: str(pair[0]))
    ]


class Logger(tune_app.Callback):
    """The fits that ended; it can raise what it is given after so many."""

    def __init__(self, error: BaseException | None = None, after: int = 1) -> None:
        self.fits: list[tuple[str, int]] = []
        self.closed = False
        self._error, self._after = error, after

    def record(self, record: Record) -> None:
        if isinstance(record, tune_app.FoldRecord):
            self.fits.append((record.trial, record.fold))
            if self._error and len(self.fits) >= self._after:
                raise self._error

    def close(self) -> None:
        self.closed = True


# Studies


def test_a_study_built_in_python_says_what_a_study_file_says(tmp_path: Path) -> None:
    content = study_content(recipe={"epoch": 1}, grid=[{"model": "cnnn", "regularizer": "drop", "folds": 1}])
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(content))
    problems = []
    builds: list[Callable[[], tune_app.Study]] = [
        lambda: tune_app.build_study(content),
        lambda: tune_app.read_study("bad.yaml"),
        lambda: tune_app.Study(**content),
    ]
    for build in builds:
        with pytest.raises(tune_app.StudyError) as caught:
            build()
        problems.append(set(caught.value.problems))
    assert problems[0] == problems[1]
    assert problems[0] - problems[2] == {f"grid, entry 1: model: {UNKNOWN}"}, "which is checked when it is run"
    assert len(problems[0]) == 4


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tune_app.Recipe(epochs=0), "epochs: must be greater than or equal to 1, got 0"),
        (lambda: tune_app.Recipe(optimizer="adm"), "unknown optimizer 'adm'; did you mean 'adam'? choose from adam,"),
        (
            lambda: tune_app.Recipe(**{"epoch": 3}),
            "unknown key 'epoch'; did you mean 'epochs'? choose from epochs,",
        ),
        (lambda: tune_app.GridEntry(model="cnn", regularizer=["drop"]), "unknown regularizer 'drop'; did you mean"),
        (lambda: tune_app.Claim(sentence="x", levels={}, expect="higher"), "it is compared with nothing; add against"),
        (lambda: tune_app.Baseline(fold=3), "unknown key 'fold'; did you mean 'folds'?"),
    ],
)
def test_a_section_built_in_python_says_what_is_wrong(build: Any, message: str) -> None:
    with pytest.raises(tune_app.StudyError, match=re.escape(message)):
        build()


def test_an_unknown_network_is_refused_before_anything_starts(tmp_path: Path) -> None:
    study = tune_app.Study(name="small", data={"name": "digits"}, grid=[{"model": "cnnn", "folds": 3}])
    for call in (run, tune_app.build_plan):
        with pytest.raises(tune_app.StudyError, match=re.escape(UNKNOWN)):
            call(study)
    assert not list(tmp_path.iterdir())


def test_overrides_change_a_copy() -> None:
    content = study_content()
    changed = tune_app.build_study(content, ["recipe.epochs=2", "grid.0.folds=4"])
    assert (changed.recipe.epochs, changed.grid[0].folds) == (2, (4,))
    assert content == study_content()
    assert tune_app.build_study(tune_app.build_study(content), ["recipe.epochs=2", "grid.0.folds=4"]) == changed


def test_a_written_study_reads_back_and_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    tune_app.write_study("small.yaml", build_study())
    assert tune_app.read_study("small.yaml") == build_study()
    with pytest.raises(tune_app.ResultsError, match=r"nowhere/small\.yaml cannot be written: No such file"):
        tune_app.write_study("nowhere/small.yaml", build_study())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executer": "inline"}, "unknown option 'executer'; did you mean 'executor'?"),
        ({"executor": "dask"}, "executor 'dask'; choose from ray, inline"),
        ({"cpus_per_trial": "1"}, "--cpus-per-trial '1': a share must be 0 or more"),
        ({"only": {"model": "vgg10"}}, "--only: model 'vgg10' is not in the grid"),
    ],
)
def test_a_wrong_option_is_a_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(tune_app.StudyError, match=re.escape(message)):
        run(build_study(), **options)


# Runs


def test_a_study_runs_and_gives_what_its_folder_gives(capsys: pytest.CaptureFixture[str]) -> None:
    results = run(build_study())
    assert capsys.readouterr() == ("", ""), "without progress nothing is printed"
    assert results.folder == Path("results/small").resolve()
    assert len(results.folds) == 6
    again = tune_app.read_results("results/small")
    for name, frame in results.build_frames().items():
        pd.testing.assert_frame_equal(frame, again.build_frames()[name])
    assert run(build_study()).records.completed() == results.records.completed()


def test_with_progress_every_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    run(build_study(), progress=True)
    out = capsys.readouterr().out
    assert "small: 6 fits in 2 trials to run." in out
    assert len(re.findall(r"^\[\d/6\] cnn-\S+ fold \d/3: test accuracy", out, re.MULTILINE)) == 6
    assert "Tables and page: results/small/index.html" in out


def test_an_interrupt_leaves_everything_finished_on_disk_and_the_same_call_resumes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = Logger(KeyboardInterrupt(), after=2)
    with pytest.raises(KeyboardInterrupt, match="2 of 6 fits are done and on disk"):
        run(build_study(), callbacks=[logger], progress=True)
    assert "Interrupted: 2 of 6 fits are done and on disk. Resume with: the same call" in capsys.readouterr().out
    assert logger.closed
    assert set(tune_app.read_results("results/small").records.completed()) == set(logger.fits)
    assert Path("results/small/index.html").is_file()

    rest = Logger()
    resumed = run(build_study(), callbacks=[rest])
    assert len(rest.fits) == 4
    assert not set(rest.fits) & set(logger.fits)
    undisturbed = run(build_study(), runs="other/runs", results="other/results")
    assert scores_of(resumed.records) == scores_of(undisturbed.records)


def test_a_callback_that_raises_is_dropped_and_the_study_continues(caplog: pytest.LogCaptureFixture) -> None:
    broken, good = Logger(ZeroDivisionError("oops")), Logger()
    results = run(build_study(), callbacks=[broken, good])
    assert len(broken.fits) == 1
    assert not broken.closed
    assert set(good.fits) == results.records.completed()
    assert len(good.fits) == 6
    assert "Logger stopped: ZeroDivisionError: oops" in caplog.text


@pytest.mark.slow
@pytest.mark.ray
def test_callbacks_are_called_here_when_trials_run_on_ray(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # actors find the package as a user's do, not by pytest's path
    broken, good = Logger(ZeroDivisionError("oops")), Logger()
    results = run(build_study(), executor="ray", callbacks=[broken, good])
    assert set(good.fits) == results.records.completed()
    assert len(good.fits) == 6
    assert good.closed
    assert len(broken.fits) == 1
    assert "Logger stopped: ZeroDivisionError: oops" in caplog.text


def test_failed_fits_are_rows_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 3, "learning_rate": [1e30, 0.001]}]
    results = run(build_study(grid=grid), progress=True)
    assert results.folds.groupby("learning_rate")["status"].first().to_dict() == {0.001: "completed", 1e30: "failed"}
    out = capsys.readouterr().out
    assert "failed, FitError: the training loss is" in out
    assert "3 fits failed; the same command runs them again." in out


def test_a_part_of_a_study_does_not_replace_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    results_of(build_study()).write("results/small")
    part = run(build_study(), only={"regularizer": "none"}, progress=True)
    assert part.folder == Path("results/small.partial").resolve()
    assert "holds records that this run lacks or cannot read, so its tables are in" in capsys.readouterr().out
    assert len(tune_app.read_results("results/small").folds) == 6


def test_a_kept_network_loads_and_what_is_none_is_an_error(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    run(build_study())
    results = run(build_study(), keep="best", progress=True)
    out = capsys.readouterr().out
    assert "6 fits in 2 trials to run." in out, "without a network they all run again, and are counted so"
    assert [int(done) for done in re.findall(r"^\[(\d)/6\]", out, re.MULTILINE)] == [1, 2, 3, 4, 5, 6]
    assert not caplog.text, "no monitor stopped"
    for trial in Path("runs/small/tensorboard").iterdir():
        curve = EventAccumulator(str(trial / "fold-1")).Reload().Scalars("loss/validation")
        assert [event.step for event in curve] == [1], "no doubled curves"
    trial = results.trials["trial"][0]
    assert not tune_app.load_network(f"runs/small/weights/{trial}.pt").training
    assert tune_app.read_weights(f"runs/small/weights/{trial}.pt")["facts"]["trial"] == trial
    with pytest.raises(tune_app.ResultsError, match=r"nothing\.pt cannot be read: No such file"):
        tune_app.load_network("nothing.pt")


# Results


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
    assert comparison.changes.to_dict("records") == [{"key": "study.seed", "first": "0", "second": "3"}]
    assert "A: small<br>B: second" in comparison._repr_html_()
    with pytest.raises(tune_app.ResultsError, match="nothing is not a results folder"):
        tune_app.compare_results(first, "nothing")
