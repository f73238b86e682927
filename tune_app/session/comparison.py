"""Results side by side."""

from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from tune_app.analysis.comparison import LETTERS, build_changes, build_comparison
from tune_app.errors import ResultsError
from tune_app.export.comparison import write_comparison
from tune_app.export.figures.compared import build_compared_figure
from tune_app.export.tables.comparison import build_comparison_tables
from tune_app.export.tables.model import Table
from tune_app.export.tables.notebook import render_notebook
from tune_app.export.tables.terminal import render_titled
from tune_app.session.results import Results, read_results
from tune_app.study import Study

_ORIGIN = ("versions", "commit", "platform", "processor", "gpus")  # what a run depends on besides its study
MOST_ROWS = 40  # of a table that a terminal shows


@dataclass(frozen=True, eq=False)
class Comparison:
    """Results A, B and so on: the conditions of all, and what changed between the runs.

    `scores` has one row per metric, study but A, and condition that is in any; an effect is that `study` minus A.
    `changes` has one row per setting that differs, such as recipe.epochs or versions.torch: `key`, `A`, `B` and so on.
    """

    names: tuple[str, ...]
    scores: pd.DataFrame
    changes: pd.DataFrame
    study: Study  # of A

    def write(self, folder: str | Path) -> Path:
        """Write a page, comparison.csv and changes.csv there, and return the page's path; ResultsError if refused.

        ExportError, once everything else is written, if the figure cannot be drawn.
        """
        figure = build_compared_figure(self.study, self.scores)
        return write_comparison(Path(folder), self._sides, self._build_tables(), figure, self.scores, self.changes)

    @property
    def _sides(self) -> list[tuple[str, str]]:
        return list(zip(LETTERS, self.names, strict=False))

    def _build_tables(self) -> list[Table]:
        return build_comparison_tables(self.study, self.scores, self.changes)

    def _name_sides(self) -> str:
        return "\n".join(f"{letter}: {name}" for letter, name in self._sides)

    def __repr__(self) -> str:
        *others, last = self.names
        return f"<Comparison of {', '.join(others)} and {last}>"

    def __rich__(self) -> RenderableType:
        parts = [line for table in self._build_tables() for line in render_titled(_cut(table))]
        return Group(Text(self._name_sides()), *parts)

    def _repr_html_(self) -> str:
        sides = escape(self._name_sides()).replace("\n", "<br>")
        return "\n".join([f"<p>{sides}</p>", *map(render_notebook, self._build_tables())])


def _cut(table: Table) -> Table:
    """The table's first rows; a note says how many there are more."""
    (group,) = table.groups
    more = len(group.rows) - MOST_ROWS
    if more <= 0:
        return table
    groups = (replace(group, rows=group.rows[:MOST_ROWS]),)
    return replace(table, groups=groups, notes=(f"… and {more} more rows: see {table.file}.", *table.notes))


def compare_results(
    first: Results | str | Path, second: Results | str | Path, *others: Results | str | Path
) -> Comparison:
    """Results A, B and so on side by side, each given or named by its folder; ResultsError if a folder is not one."""
    if len(others) > len(LETTERS) - 2:
        raise ResultsError(f"{len(others) + 2} results are compared, at most {len(LETTERS)} can be; leave some out")
    every = [each if isinstance(each, Results) else read_results(each) for each in (first, second, *others)]
    changes = build_changes(*map(_describe_setting, every))
    scores = build_comparison(*(results.stored for results in every))
    return Comparison(tuple(map(_name, every)), scores, changes, every[0].study)


def _name(results: Results) -> str:
    return str(results.folder or results.study.name)


def _describe_setting(results: Results) -> dict[str, Any]:
    """What scores may depend on: the study, and what the folder says of the run."""
    origin = {name: results.environment[name] for name in _ORIGIN if name in results.environment}
    return {"study": results.study.model_dump(mode="json"), **origin}
