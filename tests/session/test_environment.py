"""The environments in which records were made stay with them."""

import json
from pathlib import Path

from tests.folders import Folder


def test_records_taken_over_bring_the_environment_they_were_made_in(half_finished: Folder, tmp_path: Path) -> None:
    path = half_finished.results / "environment.json"
    first = json.loads(path.read_text())
    path.write_text(json.dumps(first | {"processor": "another one"}))
    elsewhere = Folder(tmp_path / "there")
    for _ in range(2):  # the second run finds the first one's in its own results folder
        assert elsewhere.run("--continue-from", str(half_finished.results)) == 0
        environment = json.loads((elsewhere.results / "environment.json").read_text())
        assert [run["processor"] for run in environment["earlier"]] == ["another one"]
        assert environment["earlier"][0]["versions"] == first["versions"]
    assert "another one" in (elsewhere.results / "index.html").read_text()
