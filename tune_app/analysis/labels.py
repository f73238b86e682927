"""Which row of the tables and figures a trial belongs to."""

from dataclasses import dataclass

from tune_app.analysis.frames import build_row_label
from tune_app.records.results import Results
from tune_app.study import TrialSpec


@dataclass(frozen=True)
class Row:
    """A condition as tables and figures show it: its label, its grid entry (from 1), its trials (one a replicate)."""

    label: str
    entry: int
    trials: tuple[TrialSpec, ...]

    @property
    def folds(self) -> int:
        return self.trials[0].folds


def build_rows(results: Results) -> list[Row]:
    """The conditions in the study's order."""
    found: dict[tuple[int, str], list[TrialSpec]] = {}
    for entry, trials in enumerate(results.study.entries(), start=1):
        for trial in trials:
            label = build_row_label(trial.spec, results.study, results.reference)
            found.setdefault((entry, label), []).append(trial.spec)
    return [Row(label, entry, tuple(specs)) for (entry, label), specs in found.items()]
