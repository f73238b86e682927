"""Small real data and a small study, and where tests may run."""

from pathlib import Path

import pytest
import torch

from tests.folders import Folder
from tune_app.data import Dataset, load_dataset


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset("mnist")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A small study with folders of its own, not run."""
    return Folder(tmp_path)


@pytest.fixture(scope="session")
def _finished_once(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("finished"))
    assert folder.run() == 0
    return folder


@pytest.fixture
def finished(_finished_once: Folder, tmp_path: Path) -> Folder:
    """The small study, run and exported: a copy of one run."""
    return _finished_once.copy_to(tmp_path)


@pytest.fixture(scope="session")
def _half_finished_once(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("half_finished"))
    assert folder.run("--only", "regularizer=none") == 0
    return folder


@pytest.fixture
def half_finished(_half_finished_once: Folder, tmp_path: Path) -> Folder:
    """The small study with one of its two conditions run and exported: a copy of one run."""
    return _half_finished_once.copy_to(tmp_path)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the page in a browser."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
