"""A folder of its own for calls that write to ./runs and ./results."""

from pathlib import Path

import pytest


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that a test works in."""
    monkeypatch.chdir(tmp_path)
