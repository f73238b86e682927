"""The command that writes the tables of a results folder again."""

from typing import Any

import pytest

from tests.folders import Folder
from tune_app.report import main as report


@pytest.mark.parametrize(
    ("name", "content"),
    [("test.npz", b"PK\x03\x04garbage"), ("plan.csv", b"trial,fits\na,3\n"), ("plan.csv", b""), ("test.npz", b"")],
)
def test_a_damaged_file_of_a_results_folder_is_named(finished: Folder, capsys: Any, name: str, content: bytes) -> None:
    (finished.results / name).write_bytes(content)
    assert report([str(finished.results)]) == 2
    assert f"{name} cannot be read" in capsys.readouterr().err
