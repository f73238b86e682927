"""Small real data, a small study and its results; which tests run side by side."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.folders import Folder
from tune_app.data import Data, load_dataset
from tune_app.plan.calibration import FOLDER_VARIABLE


@pytest.fixture(scope="session")
def digits() -> Data:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def mnist() -> Data:
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


@pytest.fixture(autouse=True, scope="session")
def _measurements_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests measure is no matter of the user's; what one has measured serves the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(tmp_path_factory.mktemp("calibration")))
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def alone_with_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Until the end of the module no other worker starts Ray: two clusters on two cores wait for each other's."""
    base = tmp_path_factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # a worker's is in that of the whole run
    with (place / "ray.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _alone_where_it_says_so(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("ray"):
        request.getfixturevalue("alone_with_ray")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they use; order files so that two workers are busy to the end.

    Files with long tests come first. Those that use Ray, of which one runs at a time, come at even distances: a worker
    that meets one while the other has another would wait.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "browser" in fixtures:
            item.add_marker(pytest.mark.browser)
        if {"cluster", "alone_with_ray"} & set(fixtures):
            item.add_marker(pytest.mark.ray)
    on_ray, long = ({item.path for item in items if item.get_closest_marker(name)} for name in ("ray", "slow"))
    paths = sorted(dict.fromkeys(item.path for item in items), key=lambda path: path not in long)
    others = [path for path in paths if path not in on_ray]
    distance = max(1, int(0.8 * len(others) / max(1, len(on_ray))))
    order: list[Path] = []
    for number, path in enumerate(path for path in paths if path in on_ray):
        order += [path, *others[number * distance : (number + 1) * distance]]
    order += others[len(on_ray) * distance :]
    places = {path: place for place, path in enumerate(order)}
    items.sort(key=lambda item: places[item.path])
