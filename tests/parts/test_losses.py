"""Losses against torch's, torchvision's and scikit-learn's own, on the outputs of a linear model of real data."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import HuberRegressor, LogisticRegression
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from tune_app.errors import FitError, StudyError
from tune_app.parts.losses import (
    Loss,
    binary_cross_entropy,
    compute_class_weights,
    cross_entropy,
    focal,
    huber,
    mae,
    mse,
)


def _class_batch(samples: int = 64) -> tuple[Tensor, Tensor]:
    """Scores (B, 10) of a fitted classifier and the digits (B,)."""
    inputs, labels = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=50, C=1e-4).fit(inputs[:600], labels[:600])
    scores = model.decision_function(inputs[600 : 600 + samples])
    return torch.tensor(scores, dtype=torch.float32), torch.tensor(labels[600 : 600 + samples])


def _label_batch() -> tuple[Tensor, Tensor]:
    """Scores (B, 3) and labels uint8 (B, 3): whether a digit is even, above 5, a square."""
    scores, digits = _class_batch()
    labels = torch.stack([digits % 2 == 0, digits > 5, torch.isin(digits, torch.tensor([0, 1, 4, 9]))], dim=1)
    return scores[:, :3].contiguous(), labels.to(torch.uint8)


def _number_batch() -> tuple[Tensor, Tensor]:
    """Predictions (B, 1) of the progression of diabetes and the measured ones (B,)."""
    inputs, targets = load_diabetes(return_X_y=True)
    predicted = HuberRegressor(max_iter=1000).fit(inputs, targets).predict(inputs)
    return torch.tensor(predicted, dtype=torch.float32)[:, None], torch.tensor(targets, dtype=torch.float32)


def _gradient(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    leaf = outputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf, targets), leaf)
    return gradient


def test_cross_entropy_without_arguments_is_torchs_bit_for_bit() -> None:
    outputs, targets = _class_batch()
    assert torch.equal(cross_entropy()(outputs, targets), functional.cross_entropy(outputs, targets))
    assert torch.equal(
        _gradient(cross_entropy(), outputs, targets), _gradient(functional.cross_entropy, outputs, targets)
    )


def test_smoothed_and_weighted_cross_entropy_is_torchs_module() -> None:
    outputs, targets = _class_batch()
    weights = torch.linspace(0.5, 2, 10)
    module = torch.nn.CrossEntropyLoss(weight=weights, label_smoothing=0.1)
    assert torch.equal(cross_entropy(0.1, class_weights=weights)(outputs, targets), module(outputs, targets))


def test_weighted_cross_entropy_is_scikit_learns_log_loss_with_balanced_sample_weights() -> None:
    outputs, targets = _class_batch()
    weights = torch.from_numpy(compute_class_weights(targets.numpy(), 10, "classification"))
    expected = log_loss(targets, outputs.double().softmax(1), sample_weight=compute_sample_weight("balanced", targets))
    assert cross_entropy(class_weights=weights)(outputs, targets).item() == pytest.approx(expected, rel=1e-5)


def test_binary_cross_entropy_is_the_mean_log_loss_of_the_labels() -> None:
    outputs, targets = _label_batch()
    expected = np.mean([log_loss(targets[:, label], outputs[:, label].double().sigmoid()) for label in range(3)])
    assert binary_cross_entropy()(outputs, targets).item() == pytest.approx(expected, rel=1e-5)


def test_balanced_labels_weigh_as_much_where_they_hold_as_where_they_do_not() -> None:
    outputs, targets = _label_batch()
    weights = compute_class_weights(targets.numpy(), 3, "multilabel")
    for label in range(3):
        balanced = compute_class_weight("balanced", classes=np.array([0, 1]), y=targets[:, label].numpy())
        assert weights[label] == pytest.approx(balanced[1] / balanced[0])
    flat = torch.zeros_like(outputs)
    gradient = _gradient(binary_cross_entropy(class_weights=torch.from_numpy(weights)), flat, targets)
    torch.testing.assert_close(gradient.sum(0), torch.zeros(3), atol=1e-6, rtol=0)
    assert _gradient(binary_cross_entropy(), flat, targets).sum(0).abs().max() > 0.01


@pytest.mark.parametrize("weights", [None, torch.linspace(0.5, 2, 10)], ids=["plain", "weighted"])
def test_focal_with_gamma_0_is_cross_entropy(weights: Tensor | None) -> None:
    outputs, targets = _class_batch()
    expected = cross_entropy(class_weights=weights)(outputs, targets)
    torch.testing.assert_close(focal(0.0, class_weights=weights)(outputs, targets), expected)


def test_focal_with_gamma_0_is_binary_cross_entropy_of_labels() -> None:
    outputs, targets = _label_batch()
    weights = torch.tensor([0.5, 1.0, 3.0])
    expected = binary_cross_entropy(class_weights=weights)(outputs, targets)
    torch.testing.assert_close(focal(0.0, class_weights=weights)(outputs, targets), expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_is_torchvisions_of_labels(gamma: float) -> None:
    outputs, targets = _label_batch()
    expected = sigmoid_focal_loss(outputs, targets.float(), alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(focal(gamma)(outputs, targets), expected)


def test_focal_is_the_formula_of_its_paper() -> None:
    outputs, targets = _class_batch()
    truth = outputs.double().softmax(1).numpy()[np.arange(len(targets)), targets]
    assert focal(2.0)(outputs, targets).item() == pytest.approx(np.mean((1 - truth) ** 2 * -np.log(truth)), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_finite_gradients_where_the_network_is_certain(gamma: float) -> None:
    outputs = torch.tensor([[200.0, 0.0], [0.0, 200.0], [0.0, 0.0]])
    assert _gradient(focal(gamma), outputs, torch.tensor([0, 0, 1])).isfinite().all()
    labels = torch.tensor([[1, 0], [1, 0], [1, 1]], dtype=torch.uint8)
    assert _gradient(focal(gamma), outputs - 100, labels).isfinite().all()


@pytest.mark.parametrize(
    ("factory", "expected"), [(mse, mean_squared_error), (mae, mean_absolute_error)], ids=["mse", "mae"]
)
@pytest.mark.parametrize("squeezed", [False, True], ids=["outputs (B, 1)", "outputs (B,)"])
def test_errors_of_numbers_are_scikit_learns_and_never_broadcast(
    factory: Callable[[], Loss], expected: Callable[[Tensor, Tensor], float], squeezed: bool
) -> None:
    outputs, targets = _number_batch()
    loss = factory()(outputs[:, 0] if squeezed else outputs, targets)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(expected(targets, outputs[:, 0]), rel=1e-5)


def test_huber_is_quadratic_up_to_delta_and_linear_beyond() -> None:
    outputs, targets = _number_batch()
    error = (outputs[:, 0] - targets).abs().double().numpy()
    expected = np.where(error <= 30, error**2 / 2, 30 * (error - 15))
    assert 0.1 < np.mean(error <= 30) < 0.9
    assert huber(30.0)(outputs, targets).item() == pytest.approx(expected.mean(), rel=1e-5)


def test_a_batch_of_one_sample_and_several_numbers_are_compared_pairwise() -> None:
    outputs, targets = _number_batch()
    assert mae()(outputs[:1], targets[:1]).item() == pytest.approx((outputs[0, 0] - targets[0]).abs().item())
    pairs, paired_targets = outputs[:40].reshape(20, 2), targets[:40].reshape(20, 2)
    torch.testing.assert_close(mae()(pairs, paired_targets), mae()(outputs[:40], targets[:40]))


def test_outputs_in_half_precision_are_compared_in_single_precision() -> None:
    outputs, targets = _number_batch()
    halves = outputs.to(torch.bfloat16)
    expected = mean_squared_error(targets, halves.float()[:, 0])
    assert mse()(halves, targets).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("factory", [mse, mae, huber])
@pytest.mark.parametrize("shape", [(442, 2), (1, 442), (441,)])
def test_outputs_of_another_shape_are_refused(factory: Callable[[], Loss], shape: tuple[int, ...]) -> None:
    _, targets = _number_batch()
    with pytest.raises(FitError, match=r"one number is needed for each target"):
        factory()(torch.zeros(shape), targets)


def test_balanced_class_weights_are_scikit_learns() -> None:
    labels = np.sort(load_digits().target)[:800]
    found = compute_class_weights(labels, 5, "classification")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, compute_class_weight("balanced", classes=np.arange(5), y=labels), rtol=1e-6)
    assert found[4] > 1.5 > found[0]


def test_what_cannot_be_balanced_has_weight_1() -> None:
    labels = np.array([0, 0, 0, 2])
    found = compute_class_weights(labels, 4, "classification")
    np.testing.assert_allclose(found, [4 / 6, 1, 2, 1], rtol=1e-6)
    assert found[labels].mean() == pytest.approx(1)
    several = np.array([[0, 1, 1], [0, 1, 0], [0, 1, 0]], dtype=np.uint8)
    np.testing.assert_allclose(compute_class_weights(several, 3, "multilabel"), [1, 1, 2])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: cross_entropy(1.5), "label_smoothing 1.5 is no share; choose from 0 to 1"),
        (lambda: focal(-1.0), "gamma -1.0 is negative"),
        (lambda: huber(0.0), "delta 0.0 is not above 0"),
        (lambda: compute_class_weights(np.zeros(3, dtype=np.float32), 1, "regression"), "a regression has none"),
    ],
)
def test_values_out_of_range_are_refused_before_training(build: Callable[[], object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        build()
