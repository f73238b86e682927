"""The epoch loop against a plain one, and what it must never do."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tune_app import data
from tune_app.engine import Images, build_normalisation, score
from tune_app.engine.fit import EpochScores, build_optimizer, fit
from tune_app.engine.precision import build_scaler, matmul_precision
from tune_app.engine.rewrite import build_rewritten
from tune_app.errors import FitError
from tune_app.models import MODELS
from tune_app.study import Recipe

CPU = torch.device("cpu")


def digits_images(digits: data.Data, count: int = 120) -> Images:
    positions = np.arange(count)
    normalisation = build_normalisation(digits.inputs, positions)
    return Images(digits.inputs, digits.targets, positions, normalisation, CPU)


def build_cnn(regularizer: str = "none") -> nn.Module:
    torch.manual_seed(3)
    return MODELS["cnn"](image_shape=(1, 8, 8), classes=10, regularizer=regularizer, width=0.1)


def run_fit(
    network: nn.Module, images: Images, recipe: Recipe, train: torch.Tensor, validation: torch.Tensor, seed: int = 5
) -> list[EpochScores]:
    return list(fit(network, build_optimizer(network, recipe), images, train, validation, recipe, shuffle_seed=seed))


def test_normalised_training_images_have_mean_zero_and_deviation_one(mnist: data.Data) -> None:
    normalisation = build_normalisation(mnist.inputs, np.arange(60_000))
    assert normalisation.mean[0] == pytest.approx(0.1307, abs=5e-5)
    assert normalisation.std[0] == pytest.approx(0.3081, abs=5e-5)
    images = Images(mnist.inputs, mnist.targets, np.arange(60_000), normalisation, CPU)
    batch, labels = images.batch(torch.arange(60_000))
    assert batch.mean().item() == pytest.approx(0, abs=1e-4)
    assert batch.std().item() == pytest.approx(1, abs=1e-4)
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_batches_are_the_images_asked_for_through_a_limit(digits: data.Data) -> None:
    positions = np.array([5, 9, 30, 31])
    images = Images(digits.inputs, digits.targets, positions, build_normalisation(digits.inputs, positions), CPU)
    batch, labels = images.batch(torch.tensor([3, 0]))
    assert labels.tolist() == digits.targets[[31, 5]].tolist()
    grey = digits.inputs[[31, 5]].astype(float)
    assert np.corrcoef(batch.numpy().ravel(), grey.ravel())[0, 1] == pytest.approx(1)


def test_shared_images_are_only_read(digits: data.Data) -> None:
    before = digits.inputs.copy()
    frozen = digits.inputs.view()
    frozen.flags.writeable = False
    normalisation = build_normalisation(frozen, np.arange(120))
    images = Images(frozen, digits.targets, np.arange(120), normalisation, CPU)
    run_fit(build_cnn(), images, Recipe(epochs=1), torch.arange(90), torch.arange(90, 120))
    assert np.array_equal(digits.inputs, before)


def test_the_epoch_loop_equals_a_plain_one(digits: data.Data) -> None:
    images = digits_images(digits)
    train, validation = torch.arange(90), torch.arange(90, 120)
    recipe = Recipe(epochs=2, batch_size=20)
    ours = run_fit(build_rewritten(build_cnn("batchnorm"), torch.Generator()), images, recipe, train, validation)

    network = build_cnn("batchnorm")
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    shuffling = torch.Generator().manual_seed(5)
    for scores in ours:
        network.train()
        losses, correct = [], 0
        for positions in torch.randperm(90, generator=shuffling).split(20):  # type: ignore[no-untyped-call]
            batch, labels = images.batch(positions)
            logits = network(batch)
            loss = cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses += [loss.item()] * len(labels)
            correct += int((logits.argmax(1) == labels).sum())
        network.eval()
        with torch.no_grad():
            batch, labels = images.batch(validation)
            logits = network(batch)
        assert scores.train_loss == pytest.approx(np.mean(losses), rel=1e-4)
        assert scores.train_accuracy == pytest.approx(correct / 90)
        assert scores.validation_loss == pytest.approx(cross_entropy(logits, labels).item(), rel=1e-3)
        assert scores.validation_accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item(), abs=0.04)


def test_scoring_is_in_evaluation_mode_and_changes_nothing(digits: data.Data) -> None:
    images = digits_images(digits)
    network = build_cnn("dropout+batchnorm").train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = score(network, images, torch.arange(120), "fp32")
    again = score(network, images, torch.arange(120), "fp32")
    assert first[0] == again[0]
    assert torch.equal(first[1], again[1])
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_scores_do_not_depend_on_the_order_of_images(digits: data.Data) -> None:
    images = digits_images(digits)
    network = build_cnn("batchnorm")
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    loss, predicted = score(network, images, torch.arange(120), "fp32")
    shuffled_loss, shuffled = score(network, images, order, "fp32")
    assert torch.equal(predicted[order], shuffled)
    assert loss == pytest.approx(shuffled_loss, rel=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_precision_and_optimizer_learns(digits: data.Data, precision: str, optimizer: str) -> None:
    rate = 0.01 if optimizer == "sgd" else 0.005  # at 0.02 sgd hangs on the rounding of the processor
    recipe = Recipe(epochs=12, batch_size=20, precision=precision, optimizer=optimizer, learning_rate=rate)
    images = digits_images(digits, 300)
    train, validation = torch.arange(240), torch.arange(240, 300)
    scores = run_fit(build_cnn(), images, recipe, train, validation, seed=1)
    assert scores[-1].train_loss < 0.6 * scores[0].train_loss
    assert scores[-1].validation_accuracy > 0.5, "chance is 0.1"


def test_a_loss_that_is_not_finite_ends_the_fit(digits: data.Data) -> None:
    recipe = Recipe(epochs=3, batch_size=20, learning_rate=1e30)
    with pytest.raises(FitError, match=r"training loss is (nan|inf) in epoch 1"):
        run_fit(build_cnn(), digits_images(digits), recipe, torch.arange(90), torch.arange(90, 120))


def test_scores_that_are_not_finite_are_refused(digits: data.Data) -> None:
    network = build_cnn()
    with torch.no_grad():
        for weights in network.parameters():
            weights.fill_(float("inf"))
    with pytest.raises(FitError, match="the loss of the images scored is nan"):
        score(network, digits_images(digits), torch.arange(120), "fp32")


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_the_optimizer_takes_the_recipe(kind: str) -> None:
    recipe = Recipe(optimizer=kind, learning_rate=0.01, momentum=0.5, weight_decay=0.1)
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    plain: torch.optim.Optimizer = {
        "adam": lambda: torch.optim.Adam(theirs.parameters(), lr=0.01, weight_decay=0.1),
        "adamw": lambda: torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1),
        "sgd": lambda: torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.5, weight_decay=0.1),
    }[kind]()  # type: ignore[no-untyped-call]
    for network, optimizer in ((ours, build_optimizer(ours, recipe)), (theirs, plain)):
        for step in range(3):
            optimizer.zero_grad()
            network(torch.full((4, 3), 1.0 + step)).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(list(ours.parameters()), list(theirs.parameters()))


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")])
def test_a_half_precision_computes_in_it(digits: data.Data, precision: str, dtype: str) -> None:
    network = build_cnn()
    seen = set()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    recipe = Recipe(epochs=1, batch_size=20, precision=precision)
    run_fit(network, digits_images(digits), recipe, torch.arange(90), torch.arange(90, 120))
    assert seen == {getattr(torch, dtype)}
    assert {weights.dtype for weights in network.parameters()} == {torch.float32}


def test_tf32_is_on_where_asked_for_and_off_otherwise_and_the_setting_before_comes_back() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    try:
        for precision, level in (("tf32", "high"), ("fp32", "highest"), ("bf16", "highest")):
            with matmul_precision(precision):
                assert torch.get_float32_matmul_precision() == level
                assert torch.backends.cudnn.allow_tf32 == (precision == "tf32")
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("medium", True)
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def test_fp16_scales_the_loss_and_no_other_precision_does() -> None:
    for precision in ("fp32", "tf32", "bf16", "fp16"):
        loss = torch.ones((), requires_grad=True)
        scaled = build_scaler(precision, CPU).scale(loss).item()
        assert (scaled > 1000) == (precision == "fp16")
