"""Carry-over: a fold begins with the network and the optimizer of the one before it."""

from pathlib import Path
from typing import Any

import pytest

from tests.trials import CPU, content_of, defective_spec_of, epochs_of, folds_of, run
from tune_app import data
from tune_app.engine.fit import predict
from tune_app.errors import FitError
from tune_app.records import FoldRecord, Record
from tune_app.trial import run_trial
from tune_app.trial.keeper import CarriedStates


def test_carry_over_starts_a_fold_where_the_last_one_ended(digits: data.Data) -> None:
    sound, carried = (
        epochs_of(run(defective_spec_of(name, "none", learning_rate=0.01), digits)) for name in ("sound", "carry-over")
    )
    first = [content_of(epoch) for epoch in carried if epoch.fold == 0]
    assert first == [content_of(epoch) for epoch in sound if epoch.fold == 0], "nothing has been carried yet"
    for fold in (1, 2):
        losses = [
            next(e.scores["train_loss"] for e in run_ if (e.fold, e.epoch) == (fold, 1)) for run_ in (sound, carried)
        ]
        before = next(e.scores["train_loss"] for e in carried if (e.fold, e.epoch) == (fold - 1, 2))
        assert losses[1] < losses[0]
        assert losses[1] < before, "the first epoch goes on learning"


def test_an_interrupted_carry_over_goes_on_from_its_last_folds_state(digits: data.Data, tmp_path: Path) -> None:
    spec = defective_spec_of("carry-over", "dropout+batchnorm")
    undisturbed = [content_of(record) for record in run(spec, digits)]
    carrier = CarriedStates(tmp_path)
    started: list[Record] = []
    for record in run_trial(spec, digits, folds=(0, 1, 2), device=CPU, carrier=carrier):
        started.append(record)
        if isinstance(record, FoldRecord) and record.fold == 1:
            break
    resumed = run(spec, digits, (2,), carrier=carrier)
    assert {record.fold for record in resumed} == {2}, "the folds before it are not trained again"
    assert [content_of(record) for record in (*started, *resumed)] == undisturbed


def test_carry_over_without_its_state_starts_over_and_gives_the_same_records(digits: data.Data) -> None:
    spec = defective_spec_of("carry-over")
    assert [content_of(r) for r in run(spec, digits, (2,))] == [content_of(r) for r in run(spec, digits)]


def test_a_failed_fold_takes_those_after_it_with_it(digits: data.Data) -> None:
    spec = defective_spec_of("carry-over", "none", learning_rate=1e30)
    folds = folds_of(run(spec, digits))
    assert [fold.status for fold in folds] == ["failed"] * 3
    assert [str(fold.error_message) for fold in folds[1:]] == ["the network comes from fold 1, which failed"] * 2


def test_a_test_that_fails_leaves_the_carried_network_to_the_next_fold(
    digits: data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = folds_of(run(defective_spec_of("carry-over"), digits))
    calls = []

    def fail_once(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise FitError("the loss of the images scored is inf")
        return predict(*arguments)

    monkeypatch.setattr("tune_app.trial.fold.predict", fail_once)
    first, *others = folds_of(run(defective_spec_of("carry-over"), digits))
    assert (first.status, first.error_message) == ("failed", "the loss of the images scored is inf")
    assert [content_of(record) for record in others] == [content_of(record) for record in undisturbed[1:]]


def test_carry_over_takes_the_optimizer_along(digits: data.Data, tmp_path: Path) -> None:
    spec = defective_spec_of("carry-over")
    carrier = CarriedStates(tmp_path)
    steps = []
    for record in run_trial(spec, digits, folds=(0, 1, 2), device=CPU, carrier=carrier):
        if isinstance(record, FoldRecord):
            carried = carrier.read(spec.id)
            assert carried is not None
            assert carried.optimizer is not None
            steps.append(carried.optimizer["state"][0]["step"].item())
    assert steps[1] == pytest.approx(2 * steps[0], abs=spec.recipe.epochs)
    assert steps[2] == pytest.approx(3 * steps[0], abs=2 * spec.recipe.epochs)
