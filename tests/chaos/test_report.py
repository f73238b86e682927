"""What the chaos runner writes of its rounds."""

from pathlib import Path

import pandas as pd

from tests.chaos.many_fits import LongStudy
from tests.chaos.report import build_command, write_report
from tests.chaos.rounds import Round


def test_faults_are_counted_with_what_went_wrong(tmp_path: Path) -> None:
    rounds = [
        Round(0, "one interrupt in the fits", "ray", "fit 1 of 6", 130, 0, True, 31.25),
        Round(
            1, "a trial raises", "inline", "fit 2 of 6", 1, None, False, 300.0, problems=("other tables: folds.csv",)
        ),
        Round(2, "the disk is full of records", "inline", "", skipped="no small disk can be mounted here: not root"),
    ]
    long = LongStudy(500, 1, 0, failed=25, done=500, early_mib=700.2, late_mib=701.0, seconds=240.0)
    write_report(tmp_path, rounds, long, build_command(["--faults", "3"]))
    table = pd.read_csv(tmp_path / "faults.csv")
    assert table["identical"].tolist() == [True, False, False]
    assert table["moment"].fillna("").tolist() == ["fit 1 of 6", "fit 2 of 6", ""]
    page = (tmp_path / "README.md").read_text()
    assert '`make chaos ARGS="--faults 3"`' in page
    assert "**1 of 2** ended with the tables of the undisturbed study, 1 with exit code 0." in page
    assert "| one interrupt in the fits | Ray | 1 | 1 | 130 |" in page
    assert "| the disk is full of records | inline | 0 | 0 | skipped |" in page
    assert "- seed 1: other tables: folds.csv" in page
    assert "1 were skipped: no small disk can be mounted here: not root." in page
    assert "25 fits failed in the first command (exit code 1)" in page


def test_a_driver_that_grows_is_not_well() -> None:
    flat = LongStudy(500, 1, 0, failed=25, done=500, early_mib=700.0, late_mib=710.0, seconds=1.0)
    assert flat.is_well
    assert not LongStudy(**{**vars(flat), "late_mib": 900.0}).is_well
    assert not LongStudy(**{**vars(flat), "done": 499}).is_well
