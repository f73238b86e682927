"""Small real data, loaded once."""

import pytest
import torch

from tune_app.data import Dataset, load_dataset


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset("mnist")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
