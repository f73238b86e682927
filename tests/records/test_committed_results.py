"""The committed results: every id is still the study's own, and the records still give every number."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tune_app.export.frames import build_frames
from tune_app.records.results import Results, read_results
from tune_app.study.factors import FORMER_NAMES

FOLDERS = ("quick", *(pytest.param(name, marks=pytest.mark.slow) for name in ("report", "audit", "replicas")))
# Columns that the committed files call otherwise.
RENAMED = FORMER_NAMES | {"images_per_second": "samples_per_second"}
ROOT = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module", params=FOLDERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def results(name: str) -> Results:
    return read_results(ROOT / name)


def test_the_records_ids_are_those_of_the_study(results: Results) -> None:
    assert {trial for trial, _ in results.records.folds} == {trial.spec.id for trial in results.study.grid_trials()}


def test_the_records_give_every_number_of_the_data_files(results: Results, name: str) -> None:
    frames = build_frames(results)
    files = {path.stem for path in (ROOT / name).glob("*.csv")} - {"plan", "reference"}
    assert set(frames) == files
    for stem, frame in frames.items():
        # What pandas reads as numbers; texts (labels, sentences) may be worded anew.
        committed = pd.read_csv(ROOT / name / f"{stem}.csv").select_dtypes("number")
        assert len(frame) == len(committed), stem
        for column in map(str, committed):
            ours = pd.to_numeric(frame[RENAMED.get(column, column)]).to_numpy(dtype=np.float64, na_value=np.nan)
            theirs = committed[column].to_numpy(dtype=np.float64)
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15, err_msg=f"{stem}.{column}")
