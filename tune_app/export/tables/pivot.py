"""Two-way tables: the levels of one factor as rows, those of another as columns, mean and interval in the cells.

The conditions that agree in every other factor form a group, with a caption that says in what.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tune_app.analysis.labels import Row as LabelledRow
from tune_app.analysis.labels import build_group, build_rows
from tune_app.analysis.pairs import find_best
from tune_app.analysis.unrun import describe_unrun, find_unrun
from tune_app.export.tables.best import build_best_note
from tune_app.export.tables.cut import find_cut
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Row, Table, Value, list_records
from tune_app.export.tables.notes import build_notes, share_reasons
from tune_app.export.tables.scope import build_scope
from tune_app.records.results import Results
from tune_app.study.labels import spell_factor, spell_level
from tune_app.study.metrics import find_bounds
from tune_app.study.schema import DATA, TableChoice

CELLS = "Cells: the mean over folds and replicates, with its 95% interval."
Levels = tuple[Any, ...]


def name_pivots(choices: Sequence[TableChoice]) -> list[str]:
    """The names of the tables' files, without suffix: `table-regularizer-by-folds`, each another one."""
    names: list[str] = []
    for choice in choices:
        parts = ["table", choice.rows, "by", choice.columns or DATA, choice.metric or ""]
        name = re.sub(r"[^\w]+", "-", "-".join(filter(None, parts)))
        again = sum(other == name or other.startswith(f"{name}.") for other in names)
        names.append(f"{name}.{again + 1}" if again else name)
    return names


def build_pivot_table(results: Results, scores: pd.DataFrame, choice: TableChoice, name: str) -> Table:
    """The table of the choice; `scores` has the columns of conditions.csv.

    Groups of one condition have nothing beside them: they are left out, and a note names them.
    """
    study, metric = results.study, choice.metric or results.study.primary
    found = {record["row"]: record for record in list_records(scores) if record["metric"] == metric}
    across = _find_across(results, choice)
    columns = list(dict.fromkeys(_pick(row, across) for row in build_rows(study)))
    columns = [levels for levels in _sort(columns) if any(_pick(row, across) == levels for row in build_rows(study))]
    panels = _find_panels(results, (choice.rows, *across))
    shown = [panel for panel in panels if len(panel) > 1] or panels
    built = [_build_group(results, choice.rows, across, columns, panel, found) for panel in shown]
    best = [one for _, winners in built for one in winners] if metric == study.primary else []
    facts = study.describe_metric(metric)
    unrun = find_unrun(results)
    named = [found[row.label] for panel in shown for row in panel if row.label in found and row.label not in unrun]
    means = [(record["row"], Estimate(record["mean"], record["ci95_low"], record["ci95_high"])) for record in named]
    alone = [row.label for panel in panels if panel not in shown for row in panel]
    notes = [CELLS, *describe_unrun(results)]
    notes += build_best_note(results, best, "column") if metric == study.primary else []
    notes += [f"Left out, as no other condition stands beside it: {'; '.join(alone)}."] if alone else []
    notes += build_notes(share_reasons([(r["row"], r["reason"]) for r in named if r["reason"]]), 0)
    notes += build_notes(find_cut(study, metric, means), 0)
    headings = [", ".join(map(spell_level, across, levels)) for levels in columns]
    bounds = find_bounds(metric, study.define) if facts.unit else None
    title = f"{metric.replace('_', ' ').capitalize()}" + (f" ({facts.unit})" if facts.unit else "")
    return Table(
        name,
        f"{title} by {_spell(choice.rows)} and {' and '.join(map(_spell, across))}",
        (
            Column("row", _spell(choice.rows), wraps=True),
            *(Column(f"level-{n}", text, Kind.BOTH, bounds=bounds) for n, text in enumerate(headings)),
        ),
        tuple(group for group, _ in built),
        tuple(notes),
        build_scope([(record["estimand"], metric) for record in named], study),
        file=f"{name}.md",
    )


def _spell(factor: str) -> str:
    return "data set" if factor == DATA else spell_factor(factor)


def _find_across(results: Results, choice: TableChoice) -> tuple[str, ...]:
    """The factors of the columns: the data sets first, where there are several and they are not the rows."""
    is_added = DATA in results.study.varying_factors() and DATA not in (choice.rows, choice.columns)
    return (*([DATA] if is_added else []), *([choice.columns] if choice.columns else []))


def _pick(row: LabelledRow, factors: Sequence[str]) -> Levels:
    condition = row.trials[0].condition
    return tuple(condition[factor] for factor in factors)


def _sort(levels: Sequence[Levels]) -> list[Levels]:
    """Every combination of the levels, each factor's in their order, numbers by size."""
    each = [list(dict.fromkeys(values)) for values in zip(*levels, strict=True)]
    return list(itertools.product(*(_order(values) for values in each)))


def _order(levels: list[Any]) -> list[Any]:
    """Numbers by size, with None for all last; words as the study has them."""
    numbers = [level for level in levels if isinstance(level, int | float) and not isinstance(level, bool)]
    others = [level for level in levels if level is not None and level not in numbers]
    return levels if others or not numbers else [*sorted(numbers), *([None] if None in levels else [])]


def _find_panels(results: Results, taken: Sequence[str]) -> list[list[LabelledRow]]:
    """The conditions in groups that agree in every factor that is neither in the rows nor in the columns."""
    others = [factor for factor in results.study.varying_factors() if factor not in taken]
    panels: dict[Levels, list[LabelledRow]] = {}
    for row in build_rows(results.study):
        panels.setdefault(_pick(row, others), []).append(row)
    return list(panels.values())


def _build_group(
    results: Results,
    down: str,
    across: Sequence[str],
    columns: Sequence[Levels],
    panel: Sequence[LabelledRow],
    found: Mapping[str, dict[str, Any]],
) -> tuple[Group, list[str]]:
    """The group of a panel, and the best of each of its columns, empty where that is not decided."""
    caption = build_group(results.study, panel).labelling.build_caption((down, *across))
    by_column = [[row for row in panel if _pick(row, across) == levels] for levels in columns]
    run = [[row.label for row in members if row.label not in find_unrun(results)] for members in by_column]
    best = [find_best(results, labels) for labels in run]
    rows = []
    for (level,) in _sort([_pick(row, (down,)) for row in panel]):
        values: dict[str, Value] = {"row": spell_level(down, level)}
        marked = set()
        for number, members in enumerate(by_column):
            label = next((row.label for row in members if _pick(row, (down,)) == (level,)), "")
            record = found.get(label)
            values[f"level-{number}"] = (
                Estimate(record["mean"], record["ci95_low"], record["ci95_high"]) if record else ""
            )
            marked |= {f"level-{number}"} if label and label == best[number] else set()
        rows.append(Row(values, best=frozenset(marked), key=f"{caption}; {values['row']}"))
    return Group(caption, tuple(rows)), best
