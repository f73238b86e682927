"""The report's six defects: each does what it says, where it says, and nothing without it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.trials import build_cnn, content_of, defective_spec_of, digits_images, epochs_of, folds_of, run
from tune_app import data
from tune_app.engine import Normalisation, score
from tune_app.engine.defects import (
    PIECES,
    normalise_test,
    prepare_test,
    report_scores,
)
from tune_app.engine.fit import build_optimizer, fit
from tune_app.engine.rewrite import build_rewritten
from tune_app.study import Recipe
from tune_app.study.protocol import DEFECTS

# test-skips-layers


def test_skipped_layers_are_gone_and_the_others_shared() -> None:
    network = build_cnn("dropout+batchnorm")
    skipping = prepare_test(network, ("test-skips-layers",))
    left = [type(layer) for layer in skipping.children() if not isinstance(layer, nn.Identity)]
    assert left == [type(layer) for layer in build_cnn("none").children()]
    rewritten, plain = (build_rewritten(each, torch.Generator()) for each in (skipping, build_cnn("none")))
    assert [type(layer) for layer in rewritten.children()] == [type(layer) for layer in plain.children()]
    assert all(mine is next(w for w in network.parameters() if w is mine) for mine in skipping.parameters())


def test_test_skips_layers_changes_the_test_alone(digits: data.Data) -> None:
    sound, skipping = run(defective_spec_of("sound"), digits), run(defective_spec_of("test-skips-layers"), digits)
    assert [content_of(e) for e in epochs_of(skipping)] == [content_of(e) for e in epochs_of(sound)]
    assert all(
        a.scores["test_loss"] != b.scores["test_loss"] for a, b in zip(folds_of(sound), folds_of(skipping), strict=True)
    )


# train-mode-validation


def test_train_mode_validation_goes_by_the_batchs_own_statistics(digits: data.Data) -> None:
    images, validation = digits_images(digits), torch.arange(90, 120)
    network = build_cnn("batchnorm")
    loss, _ = score(network, images, validation, "fp32", train_mode_batch=30)
    assert loss == score(network, images, validation, "fp32", train_mode_batch=30)[0]
    assert loss != score(network, images, validation, "fp32")[0]
    statistics = [buffer.clone() for buffer in network.buffers()]
    score(network, images, validation, "fp32", train_mode_batch=30)
    assert not torch.equal(statistics[0], next(network.buffers())), (
        "the running statistics follow the validation images"
    )


def test_train_mode_validation_keeps_dropout_active(digits: data.Data) -> None:
    images, validation = digits_images(digits), torch.arange(90, 120)
    network = build_cnn("dropout")
    losses = {score(network, images, validation, "fp32", train_mode_batch=30)[0] for _ in range(3)}
    assert len(losses) == 3
    assert len({score(network, images, validation, "fp32")[0] for _ in range(3)}) == 1


def test_train_mode_validation_reaches_the_fit(digits: data.Data) -> None:
    sound, defective = (
        epochs_of(run(defective_spec_of(name), digits, (0,))) for name in ("sound", "train-mode-validation")
    )
    assert [e.scores["train_loss"] for e in sound] == [e.scores["train_loss"] for e in defective], (
        "the weights' training is untouched"
    )
    assert all(
        a.scores["validation_loss"] != b.scores["validation_loss"] for a, b in zip(sound, defective, strict=True)
    )


def test_train_mode_validation_goes_by_batches_of_the_recipes_size(digits: data.Data) -> None:
    images, train, validation = digits_images(digits), torch.arange(80), torch.arange(80, 110)
    network = build_cnn("batchnorm")
    sizes: list[int] = []
    network.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    recipe = Recipe(epochs=1, batch_size=20)
    optimizer = build_optimizer(network, recipe)
    defect = {"shuffle_seed": 0, "train_mode_validation": True}
    list(fit(network, optimizer, images, train, validation, recipe, **defect))  # type: ignore[arg-type]
    assert sizes == [20, 20, 20, 20, 20, 10]


# test-normalisation


def test_test_normalisation_is_off_as_the_reports_was() -> None:
    mistaken = normalise_test(Normalisation((0.11,), (0.3,)), ("test-normalisation",))
    assert mistaken.mean == pytest.approx((0.13,))
    assert mistaken.std == pytest.approx((0.31,))


def test_test_normalisation_changes_the_test_alone(digits: data.Data) -> None:
    sound, mistaken = run(defective_spec_of("sound"), digits), run(defective_spec_of("test-normalisation"), digits)
    assert [content_of(e) for e in epochs_of(mistaken)] == [content_of(e) for e in epochs_of(sound)]
    assert all(
        a.scores["test_loss"] != b.scores["test_loss"] for a, b in zip(folds_of(sound), folds_of(mistaken), strict=True)
    )


# last-batch-accuracy


def test_the_last_batch_stands_for_the_epoch(digits: data.Data) -> None:
    images, train, validation = digits_images(digits), torch.arange(90), torch.arange(90, 120)
    recipe = Recipe(epochs=1, batch_size=20)
    network = build_cnn("none")
    scores = next(fit(network, build_optimizer(network, recipe), images, train, validation, recipe, shuffle_seed=5))
    assert scores.batches == 5, "four of 20 images and one of 10"
    last = report_scores(scores, ("last-batch-accuracy",))
    assert last.train_accuracy * 10 == pytest.approx(round(last.train_accuracy * 10)), "a share of ten images"
    assert last.train_loss == pytest.approx(scores.last_batch_loss / 5)
    whole = {name: value for name, value in vars(last).items() if name not in ("train_loss", "train_accuracy")}
    assert whole == {name: vars(scores)[name] for name in whole}


def test_the_last_batchs_scores_are_those_of_its_images(digits: data.Data) -> None:
    """With one batch the last is the whole epoch."""
    images, train, validation = digits_images(digits), torch.arange(90), torch.arange(90, 120)
    recipe = Recipe(epochs=1, batch_size=90)
    network = build_cnn("none")
    scores = next(fit(network, build_optimizer(network, recipe), images, train, validation, recipe, shuffle_seed=5))
    assert (scores.last_batch_loss, scores.last_batch_accuracy) == pytest.approx(
        (scores.train_loss, scores.train_accuracy)
    )


def test_last_batch_accuracy_changes_what_is_told_of_training_alone(digits: data.Data) -> None:
    sound, told = run(defective_spec_of("sound"), digits), run(defective_spec_of("last-batch-accuracy"), digits)
    assert [content_of(f) for f in folds_of(told)] == [content_of(f) for f in folds_of(sound)]
    for a, b in zip(epochs_of(sound), epochs_of(told), strict=True):
        assert a.scores["train_loss"] > b.scores["train_loss"]
        unchanged = ("validation_loss", "validation_accuracy")
        kept = [replace(e, trial="", seconds=0, samples_per_second=0, scores={}) for e in (a, b)]
        assert kept[0] == kept[1]
        assert [a.scores[name] for name in unchanged] == [b.scores[name] for name in unchanged]


# fits that are shared


def test_trials_that_share_a_training_have_the_records_of_trials_by_themselves(digits: data.Data) -> None:
    specs = [
        defective_spec_of(name) for name in ("sound", "test-skips-layers", "last-batch-accuracy+test-normalisation")
    ]
    together = run(specs[0], digits, also=specs[1:])
    for spec in specs:
        alone = [content_of(record) for record in run(spec, digits)]
        assert [content_of(record) for record in together if record.trial == spec.id] == alone


def test_every_defect_has_its_piece() -> None:
    assert set(PIECES) == set(DEFECTS)
