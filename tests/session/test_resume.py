"""A study that was started before: what is kept, what runs again, what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.builders import write_study_file
from tests.folders import Folder


def test_a_resumed_study_equals_an_undisturbed_one(finished: Folder, capsys: Any) -> None:
    undisturbed = finished.score_files()
    lines = (finished.runs / "records.jsonl").read_bytes().splitlines(keepends=True)
    (finished.runs / "records.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:30])
    assert finished.run() == 0
    out = capsys.readouterr().out
    assert "The last record was cut off (30 bytes)" in out
    assert "4 fits in 2 trials to run, 2 done before" in out
    assert finished.score_files() == undisturbed


def test_fresh_starts_over_and_keeps_the_old_records(finished: Folder) -> None:
    records = (finished.runs / "records.jsonl").read_bytes()
    assert finished.run("--fresh") == 0
    (aside,) = [path for path in finished.runs.parent.iterdir() if path.name.startswith("small.before-")]
    assert (aside / "records.jsonl").read_bytes() == records


def test_an_edited_study_keeps_what_matches_and_says_what_runs_anew(finished: Folder, capsys: Any) -> None:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "batchnorm"], "folds": 3}]
    finished.study = write_study_file(finished.path, grid=grid)
    assert finished.run() == 0
    out = capsys.readouterr().out
    assert "3 fits in 1 trials to run, 3 done before" in out
    assert "records of 1 trials no longer match" in out
    assert "cnnx0.05-batchnorm-k3-r0-" in out
    assert set(finished.scores()["regularizer"]) == {"none", "batchnorm"}


@pytest.mark.slow
def test_a_study_goes_on_from_its_results_on_another_machine(
    half_finished: Folder, tmp_path: Path, capsys: Any
) -> None:
    elsewhere = Folder(tmp_path / "there")
    assert elsewhere.run("--continue-from", str(half_finished.results)) == 0
    assert "Took over 3 completed fits" in capsys.readouterr().out
    half_finished.run()
    assert elsewhere.score_files() == half_finished.score_files()


def test_records_of_another_schema_are_refused_and_left_alone(finished: Folder, capsys: Any) -> None:
    path = finished.runs / "records.jsonl"
    path.write_text(re.sub(r',"checksum":"\w+"', "", path.read_text()).replace('"schema":"3.1"', '"schema":1'))
    before = path.read_bytes()
    assert finished.run() == 2
    assert "schema 1, this version reads schemas 2 and 3; start over with --fresh" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert finished.run("--fresh") == 0


@pytest.mark.slow
def test_a_network_edited_after_its_fits_stops_the_study_until_something_is_said(finished: Folder, capsys: Any) -> None:
    records = finished.runs / "records.jsonl"
    lines = re.sub(r'"model":"[0-9a-f]{16}"', f'"model":"{"0" * 16}"', records.read_text())
    # As an earlier version wrote them, without checksums.
    records.write_text(re.sub(r',"checksum":"\w+"', "", lines).replace('"schema":"3.1"', '"schema":"3.0"'))
    before = records.read_bytes()
    assert finished.run() == 2
    message = capsys.readouterr().err
    assert "StudyError: model cnn has changed since 6 of its fits were made" in message
    assert "--fresh" in message
    assert "--same-code" in message
    assert records.read_bytes() == before
    assert finished.run("--same-code") == 0
    environment = json.loads((finished.results / "environment.json").read_text())
    assert environment["same_code"] == ["model cnn has changed since 6 of its fits were made"]
    assert finished.run("--fresh") == 0
