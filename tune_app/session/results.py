"""Results as users meet them: a study's records with every table that follows from them."""

from functools import cached_property
from pathlib import Path

import pandas as pd

from tune_app.records.results import Results as StoredResults
from tune_app.records.results import read_results as read_stored


class Results(StoredResults):
    """A study, its records, and the frames made from them; each frame is built when it is first asked for.

    What the columns mean is in docs/results.md. `build_frames` and `write` build their own.
    """

    @classmethod
    def of(cls, stored: StoredResults) -> "Results":
        """The same results with their frames."""
        return cls(**vars(stored)) if not isinstance(stored, cls) else stored

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per trial, fold and epoch."""
        from tune_app.analysis.frames import build_epochs

        return build_epochs(self)

    @cached_property
    def folds(self) -> pd.DataFrame:
        """One row per trial and fold, failed ones included."""
        from tune_app.analysis.frames import build_folds

        return build_folds(self)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: fits completed of planned, mean and spread over folds."""
        from tune_app.analysis.conditions import build_trials

        return build_trials(self)

    @cached_property
    def conditions(self) -> pd.DataFrame:
        """One row per metric and condition, with its interval."""
        from tune_app.analysis.conditions import build_condition_scores

        return build_condition_scores(self)

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """One row per metric and condition, compared with its baseline."""
        from tune_app.analysis.contrasts import build_contrasts

        return build_contrasts(self)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """One row per claim of the study."""
        from tune_app.analysis.claims import build_verdicts

        return build_verdicts(self)

    def build_frames(self) -> dict[str, pd.DataFrame]:
        """Every frame of the results folder, by the name of its file."""
        from tune_app.export.frames import build_frames

        return build_frames(self)

    def write(self, folder: str | Path) -> Path:
        """Write the whole results folder and return the page's path; ResultsError if the folder refuses."""
        from tune_app.export.folder import check_writable, write_results
        from tune_app.export.page import PAGE_FILE

        path = Path(folder)
        check_writable(path)
        write_results(path, self)
        return path / PAGE_FILE

    def _repr_html_(self) -> str:
        done = len(self.records.completed())
        head = f"<p>{self.study.title or self.study.name}: {done} fits completed</p>"
        shown = ["row", "replicates", "fits_completed", "mean", "ci95_low", "ci95_high", "reason"]
        conditions = self.conditions[self.conditions["metric"] == "test_accuracy"]
        return head + conditions[shown].to_html(index=False)


def read_results(folder: str | Path) -> Results:
    """The study and the records in a results folder; ResultsError if it is not one."""
    return Results.of(read_stored(Path(folder)))
