"""One trial: its records, its independence, its failures."""

import time
from typing import Any

import numpy as np
import pytest
import torch

from tests.builders import build_study, scores_of
from tests.trials import CPU, folds_of, run, spec_of
from tune_app import data
from tune_app.engine.memory import read_peak_memory, reset_peak_memory
from tune_app.models import MODELS
from tune_app.records import EpochRecord, FoldRecord, unpack_labels
from tune_app.trial import BestNetwork, run_trial


def test_a_trial_yields_every_epoch_and_every_fold_once(digits: data.Data) -> None:
    records = run(spec_of(), digits)
    assert [(r.fold, r.epoch) for r in records if isinstance(r, EpochRecord)] == [
        (f, e) for f in range(3) for e in (1, 2)
    ]
    folds = [r for r in records if isinstance(r, FoldRecord)]
    assert [r.status for r in folds] == ["completed"] * 3
    assert all(r.peak_memory_bytes and r.peak_memory_bytes > 1e6 and r.fit_seconds > 0 for r in folds)


def test_records_are_the_same_whatever_ran_before_and_in_which_order(digits: data.Data) -> None:
    straight = scores_of(run(spec_of(), digits))
    run(spec_of("none"), digits)
    torch.manual_seed(12345)
    backward = scores_of(run(spec_of(), digits, (2, 1, 0)))
    assert sorted(map(str, straight)) == sorted(map(str, backward))


def test_folds_start_from_fresh_weights_and_optimizer(digits: data.Data) -> None:
    alone = scores_of(run(spec_of(), digits, (1,)))
    assert alone == [record for record in scores_of(run(spec_of(), digits)) if record["fold"] == 1]


def test_conditions_of_a_replicate_share_their_splits_and_replicates_do_not() -> None:
    from tune_app.parts.splits import build_splits
    from tune_app.study.seeds import build_seed

    study = build_study(replicates=2)
    seeds = {t.spec.id: build_seed(t.spec.seed, "split", t.spec.replicate) for t in study.grid_trials()}
    assert len(set(seeds.values())) == 2
    labels = np.arange(50, dtype=np.uint8) % 10
    first, second = (build_splits(labels, 3, "kfold", seed)[0].validation.tolist() for seed in set(seeds.values()))
    assert first != second


def test_recorded_predictions_give_the_recorded_accuracy(digits: data.Data) -> None:
    spec = spec_of().model_copy(update={"test_images": None})
    for record in run(spec, digits):
        if isinstance(record, FoldRecord):
            assert record.predictions is not None
            predicted = unpack_labels(record.predictions)
            assert record.scores["test_accuracy"] == (predicted == digits.test_part.targets).mean()


def test_a_fold_that_fails_is_a_row_with_its_reason(digits: data.Data) -> None:
    records = run(spec_of(learning_rate=1e30), digits)
    assert [(r.fold, r.status, r.error_type) for r in records if isinstance(r, FoldRecord)] == [
        (fold, "failed", "FitError") for fold in range(3)
    ]


def test_the_best_network_is_that_of_the_best_epoch(digits: data.Data) -> None:
    kept: list[BestNetwork] = []
    spec = spec_of(epochs=4, learning_rate=0.02)
    records = run(spec, digits, keep=kept.append)
    for best in kept:
        accuracies = [
            r.scores["validation_accuracy"]
            for r in records
            if isinstance(r, EpochRecord) and r.fold == best.facts["fold"]
        ]
        assert best.facts["validation_accuracy"] == max(accuracies)
        assert best.facts["epoch"] == 1 + accuracies.index(max(accuracies))
        build = dict(best.build)
        MODELS[build.pop("model")](**build).load_state_dict(best.state)
    assert len(kept) == 3
    assert scores_of(records) == scores_of(run(spec, digits)), "keeping must not change what is measured"


@pytest.mark.parametrize("splitter", ["kfold", "stratified"])
def test_both_splitters_run(digits: data.Data, splitter: str) -> None:
    spec = spec_of().model_copy(update={"splitter": splitter})
    assert len(run(spec, digits)) == 9


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["eager", "stacked"])
def test_the_time_that_a_record_is_elsewhere_is_no_training(digits: data.Data, engine: str) -> None:
    pause, paused, started = 0.3, 0.0, time.perf_counter()
    seconds = 0.0
    for record in run_trial(spec_of(engine=engine), digits, folds=(0, 1, 2), device=CPU):
        seconds += record.fit_seconds if isinstance(record, FoldRecord) else 0
        time.sleep(pause)
        paused += pause
    assert seconds <= time.perf_counter() - started - paused


def test_a_trial_that_cannot_be_set_up_is_a_failed_row_for_each_fold_and_each_trial(
    digits: data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise torch.OutOfMemoryError("the images do not fit")

    monkeypatch.setattr("tune_app.trial.setup.Images", refuse)
    other = spec_of().model_copy(update={"protocol": ("test-normalisation",)})
    records = folds_of(run(spec_of(), digits, also=[other]))
    assert [(r.trial, r.fold, r.status, r.error_type, r.error_message) for r in records] == [
        (trial, fold, "failed", "OutOfMemoryError", "the images do not fit")
        for fold in range(3)
        for trial in (spec_of().id, other.id)
    ]


def test_the_time_of_a_failed_fit_counts_once(digits: data.Data) -> None:
    other = spec_of(learning_rate=1e30).model_copy(update={"protocol": ("test-normalisation",)})
    records = folds_of(run(spec_of(learning_rate=1e30), digits, also=[other]))
    assert all((record.fit_seconds > 0) == (record.trial != other.id) for record in records)


def test_the_peak_memory_is_what_was_held_since_the_reset() -> None:
    size = 256 * 2**20
    reset_peak_memory(CPU)
    before = read_peak_memory(CPU)
    torch.ones(size // 4)  # gone at once, but it was the peak
    assert read_peak_memory(CPU) > before + size // 2
    reset_peak_memory(CPU)
    assert read_peak_memory(CPU) < before + size // 2
