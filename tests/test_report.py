"""The command that writes the tables of a results folder again."""

from typing import Any

import pytest

from tests.folders import Folder
from tune_app.errors import ResultsError
from tune_app.report import main as report
from tune_app.session.results import read_results


@pytest.mark.parametrize(
    ("name", "content"),
    [("test.npz", b"PK\x03\x04garbage"), ("plan.csv", b"trial,fits\na,3\n"), ("plan.csv", b""), ("test.npz", b"")],
)
def test_a_damaged_file_of_a_results_folder_is_named(finished: Folder, capsys: Any, name: str, content: bytes) -> None:
    (finished.results / name).write_bytes(content)
    assert report([str(finished.results)]) == 2
    assert f"{name} cannot be read" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_without_an_option_that_there_is_not(finished: Folder) -> None:
    (finished.path / "file").touch()
    with pytest.raises(ResultsError, match="or copy the results to a folder that can be written") as caught:
        read_results(finished.results).write(finished.path / "file" / "copy", sources=False)
    assert "--" not in str(caught.value)
