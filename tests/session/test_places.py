"""Where records and tables go: no run takes the place of another's records."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.builders import write_study_file
from tests.folders import Folder
from tune_app.errors import ResultsError
from tune_app.records import read_records
from tune_app.records.results import read_reference
from tune_app.session.options import build_options

REFERENCE = "row,model,regularizer,folds,test_accuracy\nA,cnn,none,4,0.98\n"


def test_one_folder_for_records_and_tables_is_refused(tmp_path: Path, capsys: Any) -> None:
    folder = Folder(tmp_path)
    assert folder.run("--results", str(tmp_path / "x" / ".." / "runs")) == 2
    assert "tables would take the place of records; name two folders" in capsys.readouterr().err
    assert not folder.runs.exists()


@pytest.mark.slow
def test_no_edited_study_takes_the_place_of_an_earlier_ones_tables(tmp_path: Path) -> None:
    """Where the records are nowhere else, as in a fresh clone."""
    folder = Folder(tmp_path)
    kept = {}
    for name, regularizer in {"small": "none", "small.partial": "dropout", "small.partial-2": "batchnorm"}.items():
        grid = [{"model": "cnn", "width": 0.05, "regularizer": regularizer, "folds": 3}]
        folder.study = write_study_file(tmp_path, grid=grid)
        assert folder.run() == 0
        shutil.rmtree(folder.runs)
        kept[name] = {trial for trial, _ in read_records(tmp_path / "results" / name / "records.jsonl").records.folds}
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == sorted(kept)
    for name, trials in kept.items():
        again = read_records(tmp_path / "results" / name / "records.jsonl").records.folds
        assert {trial for trial, _ in again} == trials
    assert len(set.union(*kept.values())) == 3


def test_parts_of_a_grid_named_apart_are_one_part(tmp_path: Path, capsys: Any) -> None:
    folder = Folder(tmp_path, grid=[{"model": "cnn", "width": 0.05, "folds": [2, 3], "batch_size": [20, 30]}])
    assert folder.run("--only", "folds=2", "--only", "batch_size=30", "--dry-run") == 0
    assert "1 trials, 2 fits" in capsys.readouterr().out
    assert folder.run("--only", "folds=2", "--only", "folds=3", "--dry-run") == 2
    assert "folds is named twice" in capsys.readouterr().err


@pytest.mark.parametrize("text", [REFERENCE, "\ufeff" + REFERENCE, REFERENCE.replace("\n", "\r\n")])
def test_a_reference_table_is_read_as_spreadsheets_save_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reference.csv"
    path.write_bytes(text.encode())
    assert read_reference(path)["cnn", "none", 4].test_accuracy == 0.98


def test_a_reference_table_with_semicolons_is_refused_for_them(tmp_path: Path) -> None:
    path = tmp_path / "reference.csv"
    path.write_text(REFERENCE.replace(",", ";"))
    with pytest.raises(ResultsError, match="separated by semicolons; save it with commas"):
        read_reference(path)


def test_the_default_places_are_two() -> None:
    options = build_options()
    assert options.runs != options.results
