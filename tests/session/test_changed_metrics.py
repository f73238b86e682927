"""A metric whose code changes: recorded outputs are scored anew, and nothing trains that need not."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from tests.own_study import METRICS, OwnStudy
from tune_app.records import FoldRecord

F1 = """
from sklearn.metrics import f1_score


def share(targets, outputs, positive=1):
    return float(f1_score(targets, outputs.argmax(axis=1), pos_label=positive))
"""
STOP = {"metric": "share", "patience": 1, "holdout": 0.3}
RECIPE = {"epochs": 3, "batch_size": 32}
CHANGED = "StudyError: metric share has changed since 2 of its fits were made: scores must not be mixed; "
REST = "start over with --fresh, raise define.share.version, which computes them anew too, or state with --same-code"


@pytest.fixture
def study(tmp_path: Path) -> OwnStudy:
    """Two fits that have run, scored by accuracy."""
    made = OwnStudy(tmp_path, recipe=RECIPE)
    assert made.run() == 0
    return made


def read_fits(study: OwnStudy) -> dict[int, FoldRecord]:
    return {fold: record for (_, fold), record in study.read_records().folds.items()}


def read_started(study: OwnStudy) -> dict[int, float]:
    """When each fit was started: a fit that trains again has another."""
    return {fold: record.started for fold, record in read_fits(study).items()}


def score_by(study: OwnStudy, metric: Any) -> dict[int, float]:
    """scikit-learn's own value of what each side file holds."""
    found = {}
    for fold, record in read_fits(study).items():
        with np.load(study.path / "runs" / "own" / str(record.outputs)) as held:
            found[fold] = metric(held["targets"], held["outputs"].argmax(axis=1))
    return found


def read_scores(study: OwnStudy) -> dict[int, float]:
    return {fold: record.scores["test_share"] for fold, record in read_fits(study).items()}


def test_the_message_says_that_nothing_needs_to_be_trained(study: OwnStudy, capsys: Any) -> None:
    study.write("metrics.py", F1)
    capsys.readouterr()
    assert study.run() == 2
    how = "compute them anew from the recorded outputs with --rerun-changed, which trains nothing, "
    assert capsys.readouterr().err == f"{CHANGED}{how}{REST} that the change makes no difference\n"


def test_rerun_changed_scores_the_recorded_outputs_and_trains_nothing(study: OwnStudy, capsys: Any) -> None:
    started = read_started(study)
    assert read_scores(study) == pytest.approx(score_by(study, accuracy_score))
    study.write("metrics.py", F1)
    assert study.run("--rerun-changed") == 0
    out = capsys.readouterr().out
    assert "2 fits scored anew by share from their recorded outputs; none is trained again." in out
    assert "fits in" not in out, "nothing is announced to run"
    assert read_started(study) == started
    assert read_scores(study) == pytest.approx(score_by(study, f1_score))
    table = pd.read_csv(study.path / "results" / "own" / "folds.csv")
    assert table["test_share"].tolist() == pytest.approx(list(score_by(study, f1_score).values()))
    assert study.run() == 0, "nothing is changed any more"
    assert read_started(study) == started


@pytest.mark.slow
def test_scores_of_the_old_metric_over_epochs_are_not_left_beside_the_new_ones(study: OwnStudy) -> None:
    assert all("validation_share" in epoch.scores for epoch in study.read_records().epochs.values())
    study.write("metrics.py", F1)
    assert study.run("--rerun-changed") == 0
    records = study.read_records()
    assert len(records.epochs) == 6
    assert not any("validation_share" in epoch.scores for epoch in records.epochs.values())
    assert all("validation_loss" in epoch.scores for epoch in records.epochs.values())
    assert [record.best_epoch for record in records.folds.values()] == [None, None]


@pytest.mark.slow
def test_fits_whose_outputs_are_gone_are_trained_again_and_the_others_are_not(study: OwnStudy, capsys: Any) -> None:
    started = read_started(study)
    (study.path / "runs" / "own" / str(read_fits(study)[1].outputs)).unlink()
    study.write("metrics.py", F1)
    capsys.readouterr()
    assert study.run() == 2
    told = capsys.readouterr().err
    assert "1 are computed anew from recorded outputs, and 1 without outputs are trained again" in told
    assert ".version" not in told, "it would not do without training"
    assert study.run("--rerun-changed") == 0
    out = capsys.readouterr().out
    assert "1 fits scored anew by share from their recorded outputs; 1 are trained again." in out
    assert "own: 1 fits in 1 trials to run, 1 done before." in out
    assert read_started(study)[0] == started[0]
    assert read_started(study)[1] > started[1]
    assert read_scores(study) == pytest.approx(score_by(study, f1_score))


def test_a_raised_version_of_a_metric_scores_anew_by_itself(study: OwnStudy, capsys: Any) -> None:
    started, trials = read_started(study), {trial for trial, _ in study.read_records().folds}
    study.write("metrics.py", F1)
    raised = {"share": {"metric": "metrics:share", "version": 2, "positive": 0}}
    study.write_study(define=raised, recipe=RECIPE)
    assert study.run() == 0
    assert "2 fits scored anew by share" in capsys.readouterr().out
    assert read_started(study) == started
    assert {trial for trial, _ in study.read_records().folds} == trials
    assert read_scores(study) == pytest.approx(score_by(study, lambda t, o: f1_score(t, o, pos_label=0)))
    study.write("metrics.py", METRICS.replace("(targets, outputs)", "(targets, outputs, positive)"))
    assert study.run() == 2, "a change after it is one that nobody stated"
    assert CHANGED in capsys.readouterr().err


def test_a_raised_version_trains_nothing_without_being_asked_where_outputs_are_gone(
    study: OwnStudy, capsys: Any
) -> None:
    started = read_started(study)
    (study.path / "runs" / "own" / str(read_fits(study)[1].outputs)).unlink()
    study.write_study(define={"share": {"metric": "metrics:share", "version": 2}}, recipe=RECIPE)
    assert study.run() == 2
    assert "1 without outputs are trained again" in capsys.readouterr().err
    assert read_started(study) == started


@pytest.mark.slow
def test_what_else_has_changed_trains_again_and_is_scored_by_the_new_metric(study: OwnStudy, capsys: Any) -> None:
    started = read_started(study)
    study.write("metrics.py", F1)
    study.write("nets.py", (study.path / "nets.py").read_text().replace("ReLU", "Tanh"))
    assert study.run() == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert study.run("--rerun-changed") == 0
    assert all(read_started(study)[fold] > started[fold] for fold in started)
    assert read_scores(study) == pytest.approx(score_by(study, f1_score))


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["share", "loss"])
def test_a_metric_that_early_stopping_watches_trains_again_and_another_does_not(
    tmp_path: Path, capsys: Any, metric: str
) -> None:
    study = OwnStudy(tmp_path, recipe=RECIPE | {"stop": STOP | {"metric": metric}})
    assert study.run() == 0
    started = read_started(study)
    study.write("metrics.py", F1)
    assert study.run() == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert ("early stopping watches it, so run them again" in err) == (metric == "share")
    assert study.run("--rerun-changed") == 0
    again = read_started(study)
    assert {again[fold] > started[fold] for fold in started} == {metric == "share"}
    assert read_scores(study) == pytest.approx(score_by(study, f1_score))


@pytest.mark.slow
def test_a_raised_version_of_the_metric_that_stopping_watches_makes_new_trials(tmp_path: Path) -> None:
    study = OwnStudy(tmp_path, recipe=RECIPE | {"stop": STOP})
    assert study.run() == 0
    study.write_study(define={"share": {"metric": "metrics:share", "version": 2}}, recipe=RECIPE | {"stop": STOP})
    assert study.run() == 0
    assert len({trial for trial, _ in study.read_records().folds}) == 2


@pytest.mark.slow
def test_a_metric_that_chooses_the_networks_that_are_kept_trains_again(tmp_path: Path, capsys: Any) -> None:
    study = OwnStudy(tmp_path, recipe=RECIPE)
    assert study.run("--keep", "best") == 0
    started = read_started(study)
    study.write("metrics.py", F1)
    assert study.run("--keep", "best") == 2
    assert "share chooses the networks that are kept" in capsys.readouterr().err
    assert study.run("--keep", "best", "--rerun-changed") == 0
    assert all(read_started(study)[fold] > started[fold] for fold in started)
