"""Replica statistics: batch normalisation over slices of a batch."""

import torch
from torch import nn

from tests.trials import content_of, defective_spec_of, epochs_of, run
from tune_app import data
from tune_app.engine.defects import (
    ReplicaBatchNorm,
    prepare_training,
)
from tune_app.models import MODELS


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


def test_one_replica_is_the_whole_batch(digits: data.Data) -> None:
    """What SyncBN gives, the report's cure."""
    one, sound = defective_spec_of("replica-statistics", replicas=1), defective_spec_of("sound")
    assert [content_of(r) for r in run(one, digits)] == [content_of(r) for r in run(sound, digits)]


def test_replica_statistics_reach_the_training(digits: data.Data) -> None:
    sliced = epochs_of(run(defective_spec_of("replica-statistics"), digits, (0,)))
    assert (
        sliced[0].scores["train_loss"]
        != epochs_of(run(defective_spec_of("sound"), digits, (0,)))[0].scores["train_loss"]
    )


def test_every_batch_norm_layer_is_sliced_and_shares_its_weights() -> None:
    network = MODELS["vgg10"](width=0.02, regularizer="batchnorm")
    replicated = prepare_training(network, ("replica-statistics",), 4)
    assert not any(isinstance(layer, nn.BatchNorm2d) for part in replicated.children() for layer in part.children())
    assert {id(weights) for weights in replicated.parameters()} == {id(weights) for weights in network.parameters()}
