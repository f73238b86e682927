"""Tidy frames on disk: the same columns, of the same types, however much of a study has run."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tests.builders import build_effect_results
from tune_app.export.frames import TIDY, write_csv
from tune_app.export.parquet import write_parquet
from tune_app.records import RecordSet, build_failed_fold

WHOLE = build_effect_results()


def test_a_study_of_which_nothing_has_run_has_files_that_can_be_read(tmp_path: Path) -> None:
    for build in TIDY.values():
        write_csv(tmp_path / "frame.csv", build(replace(WHOLE, records=RecordSet())))
        assert list(pd.read_csv(tmp_path / "frame.csv").columns) == list(build(WHOLE).columns)


def test_parquet_has_the_same_types_whatever_a_study_lacks(tmp_path: Path) -> None:
    failed = build_failed_fold(next(iter(WHOLE.records.folds))[0], 0, 0, "FitError", "loss is nan", 0.0)
    without = [replace(WHOLE, records=RecordSet(records)) for records in ([], [failed])]
    for name, build in TIDY.items():
        schemas = []
        for results in (WHOLE, *without):
            write_parquet(tmp_path / "frame.parquet", build(results))
            schemas.append({each.name: each.type for each in pq.read_schema(tmp_path / "frame.parquet")})
        for other in schemas[1:]:
            assert other == {column: schemas[0][column] for column in other}, name
