"""One network on several devices: the same numbers as on one, and as of one that normalises slices."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import FileStore  # type: ignore[attr-defined]
from torch.multiprocessing.spawn import spawn

from tests.builders import Collector, build_study, plan_of
from tests.trials import CPU, epochs_of, folds_of
from tune_app import data
from tune_app.engine.distributed import Meeting, find_device_problem, has_unused_weights, join
from tune_app.engine.messages import gather
from tune_app.engine.synchronised import Replica, SyncedBatchNorm
from tune_app.executors.inline import run_inline
from tune_app.parts.networks import ask_network
from tune_app.plan import WorkItem
from tune_app.records import Record
from tune_app.study import TrialSpec

LAYERS: dict[str, Any] = {
    "as it is": lambda: nn.BatchNorm2d(3),
    "without weights": lambda: nn.BatchNorm2d(3, affine=False),
    "with a plain mean of batches": lambda: nn.BatchNorm2d(3, momentum=None),
}
ENTRY = {"model": "cnn", "width": 0.1, "regularizer": "batchnorm", "folds": 3}
# Plain SGD, under which rounding stays as small as it is; batches that 3 devices do not share evenly, of which the
# last, of 2 images, leaves one of them without any.
RECIPE = {"epochs": 3, "batch_size": 26, "optimizer": "sgd", "learning_rate": 0.02}
EVERYTHING: dict[str, Any] = {
    "class_weights": "balanced",
    "schedule": "cosine",
    "augment": "shifts",
    "clip_norm": 0.5,
    "patience": 2,
    "regularizer": "none",
}


@pytest.fixture
def alone() -> Iterator[Replica]:
    """This process as the only one of a group."""
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(str(Path(folder) / "meeting"), 1)
        with join(Meeting(store), 0, 1, CPU) as replica:
            yield replica


def build_layer(kind: str) -> nn.BatchNorm2d:
    torch.manual_seed(1)
    layer: nn.BatchNorm2d = LAYERS[kind]()
    if layer.affine:
        nn.init.uniform_(layer.weight, 0.5, 2)
        nn.init.uniform_(layer.bias, -1, 1)
    return layer


def batches() -> list[torch.Tensor]:
    torch.manual_seed(2)
    return [torch.randn(size, 3, 4, 4) * 3 + 5 for size in (7, 6, 1)]


def run_layer(layer: nn.Module, batch: torch.Tensor, pull: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The output, and the input's gradient where the output's is `pull`."""
    inputs = batch.clone().requires_grad_()
    output = layer(inputs)
    output.backward(pull)
    assert inputs.grad is not None
    return output.detach(), inputs.grad


def compare_with_one_device(kind: str, replica: Replica) -> None:
    """Each process its slice of every batch: outputs, gradients and statistics are those of the whole batch."""
    whole, original = build_layer(kind).train(), build_layer(kind)
    ours = SyncedBatchNorm(original, replica).train()
    for batch in batches():
        pull = torch.randn(batch.shape, generator=torch.Generator().manual_seed(3))
        expected = run_layer(whole, batch, pull)
        own = replica.take(len(batch))
        replica.is_idle = own.start == own.stop
        part, part_pull = (batch[:1], torch.zeros_like(batch[:1])) if replica.is_idle else (batch[own], pull[own])
        output, gradient = run_layer(ours, part, part_pull)
        if replica.is_idle:
            assert not gradient.any()
        else:
            torch.testing.assert_close(output, expected[0][own])
            torch.testing.assert_close(gradient, expected[1][own])
    torch.testing.assert_close(original.state_dict(), whole.state_dict())
    for weights, theirs in zip(original.parameters(), whole.parameters(), strict=True):
        assert weights.grad is not None
        dist.all_reduce(weights.grad)
        torch.testing.assert_close(weights.grad, theirs.grad)


def be_one_of(rank: int, size: int, folder: str) -> None:
    for number, kind in enumerate(LAYERS):
        store = FileStore(f"{folder}/{number}", size)
        with join(Meeting(store), rank, size, CPU) as replica:
            compare_with_one_device(kind, replica)
            parts = gather(torch.arange(5.0)[replica.take(5)], [stop - start for start, stop in replica.bounds(5)])
            torch.testing.assert_close(parts, torch.arange(5.0))


@pytest.mark.slow
def test_synchronised_batch_norm_is_that_of_the_whole_batch_on_every_device(tmp_path: Path) -> None:
    spawn(be_one_of, (2, str(tmp_path)), 2)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", LAYERS)
def test_synchronised_batch_norm_on_one_device_is_torchs_own(kind: str, alone: Replica) -> None:
    compare_with_one_device(kind, alone)


def test_a_single_value_per_channel_is_refused_as_torch_refuses_it(alone: Replica) -> None:
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        SyncedBatchNorm(nn.BatchNorm2d(3), alone).train()(torch.ones(1, 3, 1, 1))


def test_in_evaluation_it_is_the_original(alone: Replica) -> None:
    layer = build_layer("as it is").eval()
    batch = batches()[0]
    assert torch.equal(SyncedBatchNorm(layer, alone).eval()(batch), layer(batch))


def test_what_fails_afterwards_is_told_as_before(tmp_path: Path) -> None:
    hook = sys.excepthook
    with join(Meeting(FileStore(str(tmp_path / "meeting"), 1)), 0, 1, CPU):
        assert sys.excepthook is not hook, "torch has stopped naming the rank, and there is nothing to put back"
    assert sys.excepthook is hook


def test_devices_take_the_slices_of_chunk() -> None:
    for samples in range(1, 12):
        for size in range(1, 6):
            taken = [torch.arange(samples)[Replica(rank, size).take(samples)].tolist() for rank in range(size)]
            chunks = [part.tolist() for part in torch.arange(samples).chunk(size)]
            assert taken == chunks + [[]] * (size - len(chunks))


def spec_of(recipe: dict[str, Any] | None = None, **levels: Any) -> TrialSpec:
    return build_study(grid=[ENTRY | levels], recipe=RECIPE | (recipe or {})).grid_trials()[0].spec


@pytest.fixture(scope="module")
def found(digits: data.Data) -> dict[str, list[Record]]:
    """The records of one fold of each trial, by the trial's id; all trials use the same processes."""
    sliced = {"batch_size": 24}
    entries = [
        ENTRY | {"devices": [1, 2, 3]},
        ENTRY | sliced | {"devices": 3, "batchnorm_sync": False},
        ENTRY | sliced | {"protocol": "replica-statistics", "batch_slices": 3},
        ENTRY | EVERYTHING | {"devices": [1, 2]},
        ENTRY | {"regularizer": "dropout", "devices": [1, 2]},
    ]
    plan = plan_of(build_study(grid=entries, recipe=RECIPE))
    collector = Collector()
    run_inline([WorkItem(trial, (1,)) for trial in plan], digits, collector)
    return {trial.id: [each for each in collector.records if each.trial == trial.id] for trial in plan}


def assert_alike(first: list[Record], second: list[Record]) -> None:
    assert len(epochs_of(first)) == len(epochs_of(second)) > 1
    for one, other in zip(first, second, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=2e-5)
    for one, other in zip(folds_of(first), folds_of(second), strict=True):
        assert one.status == other.status == "completed"
        assert one.predictions == other.predictions


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 3])
def test_with_synchronised_statistics_devices_equal_one_epoch_by_epoch(
    found: dict[str, list[Record]], devices: int
) -> None:
    assert_alike(found[spec_of(devices=devices).id], found[spec_of().id])


@pytest.mark.slow
def test_without_they_equal_one_that_normalises_slices(found: dict[str, list[Record]]) -> None:
    apart = spec_of(devices=3, batchnorm_sync=False, batch_size=24)
    sliced = spec_of(protocol="replica-statistics", batch_slices=3, batch_size=24)
    assert_alike(found[apart.id], found[sliced.id])


@pytest.mark.slow
def test_class_weights_schedule_augmentation_clipping_and_early_stopping_hold_on_two(
    found: dict[str, list[Record]],
) -> None:
    assert_alike(found[spec_of(devices=2, **EVERYTHING).id], found[spec_of(**EVERYTHING).id])


@pytest.mark.slow
def test_dropout_on_two_devices_has_other_masks_than_on_one(found: dict[str, list[Record]]) -> None:
    one, two = (epochs_of(found[spec_of(regularizer="dropout", devices=n).id]) for n in (1, 2))
    assert one[0].scores["train_loss"] != pytest.approx(two[0].scores["train_loss"], abs=1e-4)


def test_weights_that_no_output_depends_on_are_found() -> None:
    assert not has_unused_weights(ask_network("cnn", (1, 8, 8), 10, width=0.1, regularizer="dropout+batchnorm"))


def test_a_network_that_ships_can_be_synchronised() -> None:
    assert not find_device_problem(ask_network("vgg10", (1, 28, 28), 10, width=0.1, regularizer="batchnorm"), True)
