"""Two results side by side."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from tune_app.analysis.comparison import build_changes, build_comparison
from tune_app.export.tables.comparison import build_comparison_tables
from tune_app.export.tables.model import Table
from tune_app.export.tables.notebook import render_notebook
from tune_app.export.tables.terminal import render_terminal
from tune_app.session.results import Results, read_results
from tune_app.study import Study

_ORIGIN = ("versions", "commit", "platform", "processor", "gpus")  # what a run depends on besides its study


@dataclass(frozen=True, eq=False)
class Comparison:
    """Results A and B: the conditions of both, and what changed between the runs.

    `scores` has one row per metric and condition that is in either; an effect is B minus A. `changes` has one row per
    setting that differs, such as recipe.epochs or versions.torch: key, first, second.
    """

    first: str
    second: str
    scores: pd.DataFrame
    changes: pd.DataFrame
    study: Study  # of A

    def _build_tables(self) -> list[Table]:
        return build_comparison_tables(self.study, self.scores, self.changes)

    def _name_sides(self) -> str:
        return f"A: {self.first}\nB: {self.second}"

    def __repr__(self) -> str:
        return f"<Comparison of {self.first} and {self.second}>"

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [Text(self._name_sides())]
        for table in self._build_tables():
            said = [Text(sentence) for sentence in (table.scope, *table.notes) if sentence]
            parts += [Text(f"\n{table.title}", style="bold"), *render_terminal(table), *said]
        return Group(*parts)

    def _repr_html_(self) -> str:
        sides = escape(self._name_sides()).replace("\n", "<br>")
        return "\n".join([f"<p>{sides}</p>", *map(render_notebook, self._build_tables())])


def compare_results(first: Results | str | Path, second: Results | str | Path) -> Comparison:
    """Results A and B side by side, each given or named by its folder; ResultsError if a folder is not one."""
    a, b = (each if isinstance(each, Results) else read_results(each) for each in (first, second))
    changes = build_changes(*(_describe_setting(results) for results in (a, b)))
    return Comparison(_name(a), _name(b), build_comparison(a.stored, b.stored), changes, a.study)


def _name(results: Results) -> str:
    return str(results.folder or results.study.name)


def _describe_setting(results: Results) -> dict[str, Any]:
    """What scores may depend on: the study, and what the folder says of the run."""
    origin = {name: results.environment[name] for name in _ORIGIN if name in results.environment}
    return {"study": results.study.model_dump(mode="json"), **origin}
