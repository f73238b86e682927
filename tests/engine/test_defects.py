"""The report's six defects: each does what it says, where it says, and nothing without it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.builders import build_study, plan_of
from tune_app import data
from tune_app.engine import Images, Normalisation, build_normalisation, score
from tune_app.engine.defects import (
    PIECES,
    ReplicaBatchNorm,
    find_problems,
    normalise_test,
    prepare_test,
    prepare_training,
    report_scores,
)
from tune_app.engine.fit import build_optimizer, fit
from tune_app.engine.rewrite import build_rewritten
from tune_app.errors import FitError, StudyError
from tune_app.models import MODELS
from tune_app.records import RUN_FIELDS, EpochRecord, FoldRecord, Record, record_to_dict
from tune_app.study import Recipe, TrialSpec
from tune_app.study.protocol import DEFECTS
from tune_app.trial import run_trial
from tune_app.trial.keeper import CarriedStates

CPU = torch.device("cpu")


def spec_of(protocol: str, regularizer: str = "batchnorm", **entry: Any) -> TrialSpec:
    grid = [{"model": "cnn", "width": 0.1, "regularizer": regularizer, "folds": 3, "protocol": protocol} | entry]
    return build_study(grid=grid, recipe={"epochs": 2, "batch_size": 20}).grid_trials()[0].spec


def run(spec: TrialSpec, digits: data.Dataset, folds: Sequence[int] = (0, 1, 2), **options: Any) -> list[Record]:
    return list(run_trial(spec, digits, folds=folds, device=CPU, **options))


def folds_of(records: Sequence[Record]) -> list[FoldRecord]:
    return [record for record in records if isinstance(record, FoldRecord)]


def epochs_of(records: Sequence[Record]) -> list[EpochRecord]:
    return [record for record in records if isinstance(record, EpochRecord)]


def differ(metric: str, first: Sequence[Record], second: Sequence[Record]) -> bool:
    """Whether every record's score differs from its counterpart's."""
    return all(a.scores[metric] != b.scores[metric] for a, b in zip(first, second, strict=True))


def content_of(record: Record) -> dict[str, Any]:
    """Everything but the trial's name and what a run may change."""
    return {name: value for name, value in record_to_dict(record).items() if name not in {*RUN_FIELDS, "trial"}}


def build_cnn(regularizer: str) -> nn.Sequential:
    torch.manual_seed(3)
    return MODELS["cnn"](image_shape=(1, 8, 8), regularizer=regularizer, width=0.1)  # type: ignore[return-value]


def digits_images(digits: data.Dataset) -> Images:
    positions = np.arange(120)
    normalisation = build_normalisation(digits.train_images, positions)
    return Images(digits.train_images, digits.train_labels, positions, normalisation, CPU)


# carry-over


def test_carry_over_starts_a_fold_where_the_last_one_ended(digits: data.Dataset) -> None:
    sound, carried = (
        epochs_of(run(spec_of(name, "none", learning_rate=0.01), digits)) for name in ("sound", "carry-over")
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


def test_an_interrupted_carry_over_goes_on_from_its_last_folds_state(digits: data.Dataset, tmp_path: Path) -> None:
    spec = spec_of("carry-over", "dropout+batchnorm")
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


def test_carry_over_without_its_state_starts_over_and_gives_the_same_records(digits: data.Dataset) -> None:
    spec = spec_of("carry-over")
    assert [content_of(r) for r in run(spec, digits, (2,))] == [content_of(r) for r in run(spec, digits)]


def test_a_failed_fold_takes_those_after_it_with_it(digits: data.Dataset) -> None:
    spec = spec_of("carry-over", "none", learning_rate=1e30)
    folds = folds_of(run(spec, digits))
    assert [fold.status for fold in folds] == ["failed"] * 3
    assert [str(fold.error_message) for fold in folds[1:]] == ["the network comes from fold 1, which failed"] * 2


# test-skips-layers


def test_skipped_layers_are_gone_and_the_others_shared() -> None:
    network = build_cnn("dropout+batchnorm")
    skipping = prepare_test(network, ("test-skips-layers",))
    left = [type(layer) for layer in skipping.children() if not isinstance(layer, nn.Identity)]
    assert left == [type(layer) for layer in build_cnn("none").children()]
    rewritten, plain = (build_rewritten(each, torch.Generator()) for each in (skipping, build_cnn("none")))
    assert [type(layer) for layer in rewritten.children()] == [type(layer) for layer in plain.children()]
    assert all(mine is next(w for w in network.parameters() if w is mine) for mine in skipping.parameters())


def test_test_skips_layers_changes_the_test_alone(digits: data.Dataset) -> None:
    sound, skipping = run(spec_of("sound"), digits), run(spec_of("test-skips-layers"), digits)
    assert [content_of(e) for e in epochs_of(skipping)] == [content_of(e) for e in epochs_of(sound)]
    assert all(
        a.scores["test_loss"] != b.scores["test_loss"] for a, b in zip(folds_of(sound), folds_of(skipping), strict=True)
    )


# train-mode-validation


def test_train_mode_validation_goes_by_the_batchs_own_statistics(digits: data.Dataset) -> None:
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


def test_train_mode_validation_keeps_dropout_active(digits: data.Dataset) -> None:
    images, validation = digits_images(digits), torch.arange(90, 120)
    network = build_cnn("dropout")
    losses = {score(network, images, validation, "fp32", train_mode_batch=30)[0] for _ in range(3)}
    assert len(losses) == 3
    assert len({score(network, images, validation, "fp32")[0] for _ in range(3)}) == 1


def test_train_mode_validation_reaches_the_fit(digits: data.Dataset) -> None:
    sound, defective = (epochs_of(run(spec_of(name), digits, (0,))) for name in ("sound", "train-mode-validation"))
    assert [e.scores["train_loss"] for e in sound] == [e.scores["train_loss"] for e in defective], (
        "the weights' training is untouched"
    )
    assert all(
        a.scores["validation_loss"] != b.scores["validation_loss"] for a, b in zip(sound, defective, strict=True)
    )


def test_train_mode_validation_goes_by_batches_of_the_recipes_size(digits: data.Dataset) -> None:
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


def test_test_normalisation_changes_the_test_alone(digits: data.Dataset) -> None:
    sound, mistaken = run(spec_of("sound"), digits), run(spec_of("test-normalisation"), digits)
    assert [content_of(e) for e in epochs_of(mistaken)] == [content_of(e) for e in epochs_of(sound)]
    assert all(
        a.scores["test_loss"] != b.scores["test_loss"] for a, b in zip(folds_of(sound), folds_of(mistaken), strict=True)
    )


# last-batch-accuracy


def test_the_last_batch_stands_for_the_epoch(digits: data.Dataset) -> None:
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


def test_the_last_batchs_scores_are_those_of_its_images(digits: data.Dataset) -> None:
    """With one batch the last is the whole epoch."""
    images, train, validation = digits_images(digits), torch.arange(90), torch.arange(90, 120)
    recipe = Recipe(epochs=1, batch_size=90)
    network = build_cnn("none")
    scores = next(fit(network, build_optimizer(network, recipe), images, train, validation, recipe, shuffle_seed=5))
    assert (scores.last_batch_loss, scores.last_batch_accuracy) == pytest.approx(
        (scores.train_loss, scores.train_accuracy)
    )


def test_last_batch_accuracy_changes_what_is_told_of_training_alone(digits: data.Dataset) -> None:
    sound, told = run(spec_of("sound"), digits), run(spec_of("last-batch-accuracy"), digits)
    assert [content_of(f) for f in folds_of(told)] == [content_of(f) for f in folds_of(sound)]
    for a, b in zip(epochs_of(sound), epochs_of(told), strict=True):
        assert a.scores["train_loss"] > b.scores["train_loss"]
        unchanged = ("validation_loss", "validation_accuracy")
        kept = [replace(e, trial="", seconds=0, samples_per_second=0, scores={}) for e in (a, b)]
        assert kept[0] == kept[1]
        assert [a.scores[name] for name in unchanged] == [b.scores[name] for name in unchanged]


# replica-statistics


def test_replica_statistics_are_those_of_four_copies_of_the_module() -> None:
    """DataParallel by hand: every copy sees a quarter of the batch, the first one's running statistics are kept."""
    torch.manual_seed(0)
    batch = torch.randn(20, 3, 5, 5) * 2 + 1
    ours = nn.BatchNorm2d(3)
    with torch.no_grad():
        ours.weight.uniform_(0.5, 2)
        ours.bias.uniform_(-1, 1)
    copies = [nn.BatchNorm2d(3) for _ in range(4)]
    for copy in copies:
        copy.load_state_dict(ours.state_dict())
    sliced = ReplicaBatchNorm(ours, 4).train()
    for _ in range(3):
        expected = torch.cat([copy.train()(part) for copy, part in zip(copies, torch.split(batch, 5), strict=True)])
        torch.testing.assert_close(sliced(batch), expected)
        batch = batch + 0.5
    torch.testing.assert_close(ours.running_mean, copies[0].running_mean)
    torch.testing.assert_close(ours.running_var, copies[0].running_var)
    assert ours.num_batches_tracked == copies[0].num_batches_tracked == 3
    expected.square().sum().backward()  # type: ignore[no-untyped-call]
    sliced.zero_grad()
    sliced(batch - 0.5).square().sum().backward()
    gradient = sum(copy.weight.grad for copy in copies if copy.weight.grad is not None)
    torch.testing.assert_close(ours.weight.grad, gradient)


def test_in_evaluation_replicas_make_no_difference() -> None:
    batch = torch.randn(20, 3, 5, 5)
    original = nn.BatchNorm2d(3).eval()
    assert torch.equal(ReplicaBatchNorm(original, 4).eval()(batch), original(batch))


def test_one_replica_is_the_whole_batch(digits: data.Dataset) -> None:
    """What SyncBN gives, the report's cure."""
    one, sound = spec_of("replica-statistics", replicas=1), spec_of("sound")
    assert [content_of(r) for r in run(one, digits)] == [content_of(r) for r in run(sound, digits)]


def test_replica_statistics_reach_the_training(digits: data.Dataset) -> None:
    sliced = epochs_of(run(spec_of("replica-statistics"), digits, (0,)))
    assert sliced[0].scores["train_loss"] != epochs_of(run(spec_of("sound"), digits, (0,)))[0].scores["train_loss"]


def test_every_batch_norm_layer_is_sliced_and_shares_its_weights() -> None:
    network = MODELS["vgg10"](width=0.02, regularizer="batchnorm")
    replicated = prepare_training(network, ("replica-statistics",), 4)
    assert not any(isinstance(layer, nn.BatchNorm2d) for part in replicated.children() for layer in part.children())
    assert {id(weights) for weights in replicated.parameters()} == {id(weights) for weights in network.parameters()}


# fits that are shared


def test_trials_that_share_a_training_have_the_records_of_trials_by_themselves(digits: data.Dataset) -> None:
    specs = [spec_of(name) for name in ("sound", "test-skips-layers", "last-batch-accuracy+test-normalisation")]
    together = run(specs[0], digits, also=specs[1:])
    for spec in specs:
        alone = [content_of(record) for record in run(spec, digits)]
        assert [content_of(record) for record in together if record.trial == spec.id] == alone


def test_a_test_that_fails_leaves_the_carried_network_to_the_next_fold(
    digits: data.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = folds_of(run(spec_of("carry-over"), digits))
    calls = []

    def fail_once(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise FitError("the loss of the images scored is inf")
        return score(*arguments)

    monkeypatch.setattr("tune_app.trial.fold.score", fail_once)
    first, *others = folds_of(run(spec_of("carry-over"), digits))
    assert (first.status, first.error_message) == ("failed", "the loss of the images scored is inf")
    assert [content_of(record) for record in others] == [content_of(record) for record in undisturbed[1:]]


def test_carry_over_takes_the_optimizer_along(digits: data.Dataset, tmp_path: Path) -> None:
    spec = spec_of("carry-over")
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


# What a defect cannot act on.


class Residual(nn.Sequential):
    """A Sequential that is none: flattened, it would be another network."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


class OwnNorm(nn.BatchNorm2d):
    """Somebody's batch normalisation, which may do something else."""


def build_residual() -> nn.Sequential:
    inner = Residual(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Dropout(0.5))
    return nn.Sequential(nn.Conv2d(1, 2, 3), inner, nn.Flatten(), nn.Linear(72, 10))


def test_layers_inside_a_module_with_a_forward_of_its_own_are_found_and_the_rest_of_it_stays() -> None:
    network = build_residual().eval()
    first_layer, residual, flatten, linear = network
    convolution, norm = list(residual.children())[:2]
    x = torch.randn(8, 1, 8, 8)
    with torch.no_grad():
        norm.get_buffer("running_mean").add_(1.0)
        first = first_layer(x)
        expected = linear(flatten(first + convolution(first)))
        skipping = prepare_test(network, ("test-skips-layers",))
        assert torch.equal(skipping(x), expected)
        sliced = prepare_training(network, ("replica-statistics",), 4).train()
        assert not torch.allclose(sliced(x), network.train()(x))
    assert norm in list(network.modules()), "the network itself is as it was"
    assert [id(p) for p in sliced.parameters()] == [id(p) for p in network.parameters()]


class Tapped(nn.Module):
    """A network that counts the layers of its Sequential and calls one by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3))
        self.head = nn.Sequential()
        self.head.add_module("dropout", nn.Dropout(0.5))
        self.head.add_module("linear", nn.Linear(2, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place == 2:
                tapped = x.mean((2, 3))
        return self.head.linear(tapped)  # type: ignore[operator, no-any-return]


def test_a_layer_that_is_left_out_moves_and_renames_no_other() -> None:
    network = Tapped().eval()
    convolution, _, relu, _ = network.features
    x = torch.randn(4, 1, 8, 8)
    expected = network.head.get_submodule("linear")(relu(convolution(x)).mean((2, 3)))
    assert torch.equal(prepare_test(network, ("test-skips-layers",))(x), expected)
    assert list(prepare_test(network, ("test-skips-layers",)).state_dict()) == [
        name for name in network.state_dict() if not name.startswith("features.1")
    ]


class Scaled(nn.Module):
    """A module with a parametrization of its own, which it cannot be copied with."""

    scale: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.scale = nn.BatchNorm2d(1), nn.Parameter(torch.ones(1))
        nn.utils.parametrize.register_parametrization(self, "scale", nn.Softplus(), unsafe=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x) * self.scale  # type: ignore[no-any-return]


def test_a_layer_inside_a_parametrized_module_is_replaced() -> None:
    network, x = nn.Sequential(Scaled()), torch.randn(4, 1, 3, 3)
    expected = x * nn.functional.softplus(torch.ones(1))
    assert torch.equal(prepare_test(network, ("test-skips-layers",))(x), expected)


@pytest.mark.parametrize(
    ("network", "protocol", "problem"),
    [
        (nn.Sequential(nn.Linear(2, 2)), "replica-statistics", "it has no layer to slice"),
        (nn.Sequential(nn.Linear(2, 2)), "test-skips-layers", "it has no layer to leave out"),
        (nn.Sequential(OwnNorm(2)), "replica-statistics", "its OwnNorm may compute something else"),
        (nn.Sequential(OwnNorm(2)), "test-skips-layers", "its OwnNorm may compute something else"),
        (nn.Sequential(nn.AlphaDropout()), "test-skips-layers", "its AlphaDropout may compute something else"),
    ],
)
def test_a_network_that_a_defect_cannot_act_on_is_refused(network: nn.Module, protocol: str, problem: str) -> None:
    (found,) = find_problems(network, (protocol,))
    assert found.startswith(f"{protocol} cannot act on this network: {problem}")
    assert not find_problems(network, ("carry-over", "test-normalisation"))


def test_the_plan_refuses_a_defect_on_a_network_that_ignores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_plain(**arguments: Any) -> nn.Sequential:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))  # whatever the regularizer

    monkeypatch.setattr("tests.engine.test_defects.build_plain", build_plain, raising=False)
    monkeypatch.setitem(MODELS._places, "plain", ("tests.engine.test_defects:build_plain",))
    grid = [{"model": "plain", "regularizer": "batchnorm", "folds": 3, "protocol": "test-skips-layers"}]
    with pytest.raises(StudyError, match="plain, batchnorm: test-skips-layers cannot act on this network: it has no"):
        plan_of(build_study(grid=grid))


class Listed(nn.Module):
    """A network that calls its layers out of a list, where no replacement reaches them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.BatchNorm2d(1), nn.Linear(64, 10)
        self.steps = [self.norm, nn.Flatten(), self.linear]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in self.steps:
            x = step(x)
        return x


def build_listed(**arguments: Any) -> nn.Module:
    return Listed()


def build_tapped(**arguments: Any) -> nn.Module:
    return Tapped()


@pytest.mark.parametrize("protocol", ["replica-statistics", "test-skips-layers"])
def test_the_plan_refuses_a_defect_that_does_not_reach_the_layers_called(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    for name in ("listed", "tapped"):
        monkeypatch.setitem(MODELS._places, name, (f"{__name__}:build_{name}",))
    entry = {"regularizer": "batchnorm", "folds": 3, "protocol": protocol}
    with pytest.raises(StudyError, match=f"listed, batchnorm: {protocol} cannot act on this network: it keeps layers"):
        plan_of(build_study(grid=[entry | {"model": "listed"}]))
    assert len(plan_of(build_study(grid=[entry | {"model": "tapped"}]))) == 1


def test_every_defect_has_its_piece() -> None:
    assert set(PIECES) == set(DEFECTS)
