"""The batches of an epoch, and batch normalisation on the last of them."""

import pytest
import torch

from tune_app.parts.batches import LastBatch, count_batches, split_batches


def _sizes(samples: int, batch_size: int, last_batch: LastBatch) -> list[int]:
    return [len(batch) for batch in split_batches(torch.randperm(samples), batch_size, last_batch)]


@pytest.mark.parametrize("samples", [1, 2, 99, 100, 101, 150, 201])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_keep_is_torchs_split(samples: int, batch_size: int) -> None:
    order = torch.randperm(samples)
    found, expected = split_batches(order, batch_size, "keep"), torch.split(order, batch_size)
    assert [batch.tolist() for batch in found] == [batch.tolist() for batch in expected]
    assert [batch.data_ptr() for batch in found] == [batch.data_ptr() for batch in expected]


def test_drop_leaves_a_last_batch_of_one_sample_out() -> None:
    assert _sizes(201, 100, "drop") == [100, 100]
    assert _sizes(202, 100, "drop") == [100, 100, 2]
    assert _sizes(200, 100, "drop") == [100, 100]


def test_merge_adds_a_last_batch_of_one_sample_to_the_one_before() -> None:
    order = torch.randperm(201)
    batches = split_batches(order, 100, "merge")
    assert [len(batch) for batch in batches] == [100, 101]
    assert torch.equal(torch.cat(batches), order)
    assert _sizes(202, 100, "merge") == [100, 100, 2]


@pytest.mark.parametrize("last_batch", ["keep", "drop", "merge"])
@pytest.mark.parametrize(("samples", "batch_size"), [(1, 100), (5, 1)])
def test_batches_meant_to_hold_one_sample_stay(samples: int, batch_size: int, last_batch: LastBatch) -> None:
    assert _sizes(samples, batch_size, last_batch) == [1] * samples


@pytest.mark.parametrize("last_batch", ["keep", "drop", "merge"])
def test_the_count_is_that_of_the_batches(last_batch: LastBatch) -> None:
    for samples in range(1, 40):
        for batch_size in range(1, 14):
            assert count_batches(samples, batch_size, last_batch) == len(_sizes(samples, batch_size, last_batch))


@pytest.mark.parametrize("last_batch", ["drop", "merge"])
def test_batch_normalisation_trains_on_every_batch(last_batch: LastBatch) -> None:
    samples = torch.randn(33, 4)
    normalisation = torch.nn.BatchNorm1d(4)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        normalisation(samples[split_batches(torch.arange(33), 8, "keep")[-1]])
    for batch in split_batches(torch.arange(33), 8, last_batch):
        normalisation(samples[batch])
