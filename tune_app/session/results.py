"""Results as users meet them: a study's records with every table, figure and file that follows from them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from tune_app.analysis.audit.conclusions import build_conclusions
from tune_app.analysis.audit.costs import build_audit, build_waterfall
from tune_app.analysis.audit.reference_check import build_reference_check
from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.conditions import build_condition_scores, build_trials
from tune_app.analysis.confusion import build_confusions
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.analysis.curves import build_fit_curves
from tune_app.analysis.frames import build_epochs, build_folds
from tune_app.analysis.networks import build_networks
from tune_app.errors import ExportError, ResultsError, choices
from tune_app.export.figures import Figure, build_figures
from tune_app.export.figures.study import build_trial_figures
from tune_app.export.folder import check_writable, choose_folder, write_results
from tune_app.export.frames import build_frames
from tune_app.export.headline import build_headline
from tune_app.export.page import PAGE_FILE
from tune_app.export.tables.claims import build_claim_table
from tune_app.export.tables.conditions import build_condition_table
from tune_app.export.tables.document import build_pivots
from tune_app.export.tables.model import Table
from tune_app.export.tables.notebook import render_notebook
from tune_app.export.tables.summary import build_terminal_tables
from tune_app.records import RecordSet
from tune_app.records.results import Results as StoredResults
from tune_app.records.results import read_results as read_stored
from tune_app.study import Study
from tune_app.study.schema import TableChoice


class Results:
    """A study's records, and the frames, figures and files that are made from them.

    What the columns of the frames mean is in docs/results.md. A frame is built when it is first asked for, and every
    access gives a copy: keep it in a variable before you change it. What you change never reaches `write`.
    """

    def __init__(self, stored: StoredResults, folder: Path | None = None) -> None:
        """`folder` is where the results were read from, or where a run wrote them."""
        self.stored = stored
        self.folder = folder
        self._built: dict[Callable[[StoredResults], pd.DataFrame], pd.DataFrame] = {}

    @property
    def study(self) -> Study:
        """The study as it was run."""
        return self.stored.study

    @property
    def records(self) -> RecordSet:
        """What the frames are made from: `epochs` and `folds` by key, failed folds included."""
        return self.stored.records

    @property
    def environment(self) -> Mapping[str, Any]:
        """Where the records were made: versions, commit, devices, command; empty if the folder does not say."""
        return dict(self.stored.environment or {})

    @property
    def plan(self) -> pd.DataFrame:
        """One row per trial: what it was planned to cost; empty if the folder does not say."""
        return pd.DataFrame() if self.stored.plan is None else self.stored.plan.copy()

    @property
    def epochs(self) -> pd.DataFrame:
        """One row per trial, fold and epoch."""
        return self._frame(build_epochs)

    @property
    def folds(self) -> pd.DataFrame:
        """One row per trial and fold, failed ones included."""
        return self._frame(build_folds)

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial: fits completed of planned, mean and spread over folds."""
        return self._frame(build_trials)

    @property
    def conditions(self) -> pd.DataFrame:
        """One row per metric and condition, with its interval."""
        return self._frame(build_condition_scores)

    @property
    def contrasts(self) -> pd.DataFrame:
        """One row per metric and condition, compared with its baseline."""
        return self._frame(build_contrasts)

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per claim of the study."""
        return self._frame(build_verdicts)

    @property
    def audit(self) -> pd.DataFrame:
        """One row per setting, defect and way; empty for a study that does not vary the protocol."""
        return self._frame(build_audit)

    @property
    def reference_check(self) -> pd.DataFrame:
        """One row per reported figure among replicates run as reported; empty without any."""
        return self._frame(build_reference_check)

    @property
    def networks(self) -> pd.DataFrame:
        """One row per trained network tested; empty without the labels of the test images."""
        return self._frame(_build_networks)

    @property
    def conclusions(self) -> list[str]:
        """The audit in sentences; empty for a study that does not vary the protocol."""
        return build_conclusions(self.audit) if len(self.audit) else []

    def build_frames(self) -> dict[str, pd.DataFrame]:
        """Every frame of the results folder, by the name of its file; `verdicts` is `claims` there."""
        return build_frames(self.stored)

    def build_figures(self, trial: str | None = None) -> dict[str, Figure]:
        """The figures of the study, or of one trial by its id, by name; a notebook draws them when it shows them.

        Raises ResultsError for a trial that the study does not have.
        """
        if trial is None:
            audit = self.audit
            figures = build_figures(self.stored, self.contrasts, build_waterfall(audit) if len(audit) else None)
            return {figure.name: figure for figure in figures}
        trials = [planned.spec.id for planned in self.study.grid_trials()]
        if trial not in trials:
            raise ResultsError(f"study {self.study.name} has no trial {trial!r}{choices(trial, trials)}")
        frames = (build_fit_curves(self.stored), build_confusions(self.stored))
        curves, confusions = (frame[frame["trial"] == trial] if len(frame) else frame for frame in frames)
        return {figure.name: figure for figure in build_trial_figures(curves, confusions)}

    def write(self, folder: str | Path, *, sources: bool = True, tables: Sequence[TableChoice] = ()) -> Path:
        """Write the whole results folder and return the page's path; ResultsError if the folder refuses.

        ExportError, once everything else is written, if a figure cannot be drawn.

        Without `sources` the study and its records stay as they are there, and everything that follows from them is
        written again. `tables` are two-way tables beside those of the study. A folder with records that these results
        lack is refused: writing would lose them.
        """
        path = Path(folder)
        if sources and choose_folder(path, self.stored) != path:
            raise ResultsError(
                f"{path} holds records that these results lack or that cannot be read; choose another folder, or "
                "delete that one first"
            )
        check_writable(path, "or copy the results to a folder that can be written")
        undrawn = write_results(path, self.stored, sources=sources, more=tables)
        if undrawn:
            raise ExportError("\n".join(undrawn))
        return path / PAGE_FILE

    def build_tables(self, tables: Sequence[TableChoice] = ()) -> list[Table]:
        """The two-way tables that the study asks for, and those of `tables`."""
        return list(build_pivots(self.stored, self.conditions, tables))

    def _frame(self, build: Callable[[StoredResults], pd.DataFrame]) -> pd.DataFrame:
        if build not in self._built:
            self._built[build] = build(self.stored)
        return self._built[build].copy()

    def _describe(self) -> str:
        planned = [(trial.spec.id, fold) for trial in self.study.grid_trials() for fold in range(trial.spec.folds)]
        done = sum(self.records.is_completed(*fit) for fit in planned)
        return f"{self.study.title or self.study.name}: {done} of {len(planned)} fits completed"

    def __repr__(self) -> str:
        return f"<Results of {self._describe()}>"

    def __rich__(self) -> RenderableType:
        return build_summary(self)

    def _repr_html_(self) -> str:
        tables = (build_claim_table(self.study, self.verdicts), build_condition_table(self.stored))
        shown = [render_notebook(table) for table in tables if table.rows]
        return "\n".join([f"<p>{escape(self._describe())}</p>", *shown])


def build_summary(results: Results, selected: Collection[str] | None = None) -> RenderableType:
    """The first screen of the page as text: the headline, the verdicts, the conditions of the `selected` trials."""
    tables = build_terminal_tables(results.stored, selected)
    if not results.records.folds:
        return Group(*tables)
    audit, study = results.audit, results.study
    headline = build_headline(results.stored, results.verdicts, results.contrasts, audit if len(audit) else None)
    note = [Text(headline.note, style="dim")] if headline.note else []
    return Group(Text(study.title or study.name, style="bold"), Text(str(headline)), *note, Text(""), *tables)


def _build_networks(results: StoredResults) -> pd.DataFrame:
    return pd.DataFrame() if results.test is None else build_networks(results, results.test.labels)


def read_results(folder: str | Path) -> Results:
    """The study and the records in a results folder, such as results/quick; ResultsError if it is not one."""
    path = Path(folder)
    return Results(read_stored(path), path)
