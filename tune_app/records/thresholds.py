"""ROC and precision-recall curves of a study's trials, as its results folder keeps them."""

from pathlib import Path

import pandas as pd

from tune_app.data.npz import UNREADABLE
from tune_app.errors import ResultsError

THRESHOLD_FILE = "threshold_curves.csv"
THRESHOLD_COLUMNS = ("curve", "trial", "x", "mean", "low", "high", "fits")


def read_thresholds(folder: Path) -> pd.DataFrame | None:
    """The ROC and precision-recall curves of trials, None where there are none; ResultsError for a damaged file."""
    path = folder / THRESHOLD_FILE
    try:
        if not path.is_file():
            return None
        found = pd.read_csv(path)
        lacking = [name for name in THRESHOLD_COLUMNS if name not in found]
        if lacking:
            raise ValueError(f"no column {', '.join(lacking)}")
        found[list(THRESHOLD_COLUMNS[2:])].astype(float)  # ValueError for what is no number
    except UNREADABLE as error:
        raise ResultsError(f"{path} cannot be read ({error}); delete it, and run the study again") from error
    return found
