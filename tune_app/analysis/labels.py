"""How the conditions of a study are named and grouped: the rows of its tables, the panels of its figures."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tune_app.study import FACTORS, Study, TrialSpec
from tune_app.study.labels import Condition, Labelling
from tune_app.study.once import once

NETWORK = ("model", "width", "regularizer")  # factors that tell rows apart rather than tables
ROWS_A_GROUP = 3  # at least, on average: with fewer, a table's rows say more together


@dataclass(frozen=True)
class Row:
    """A condition as tables and figures show it: its label, its grid entry (from 1), its trials (one a replicate)."""

    label: str
    entry: int
    trials: tuple[TrialSpec, ...]

    @property
    def folds(self) -> int:
        return self.trials[0].folds


@dataclass(frozen=True)
class RowGroup:
    """Rows that share the levels in their caption; `labelling` names conditions beside that caption."""

    caption: str
    rows: tuple[Row, ...]
    labelling: Labelling

    def label(self, row: Row) -> str:
        """The row's label without what the caption says."""
        return self.labelling.label(row.trials[0].condition)


def build_row_label(spec: TrialSpec, study: Study, leave_out: Collection[str] = ()) -> str:
    """The label of the trial's condition, unique within the study but for the factors that are left out."""
    return study.labelling.label(spec.condition, leave_out)


@once
def build_rows(study: Study) -> Sequence[Row]:
    """The conditions in the study's order."""
    found: dict[tuple[Any, ...], list[TrialSpec]] = {}
    entries: dict[tuple[Any, ...], int] = {}
    for entry, trials in enumerate(study.entries(), start=1):
        for trial in trials:
            key = tuple(trial.spec.condition.values())
            found.setdefault(key, []).append(trial.spec)
            entries.setdefault(key, entry)
    return tuple(Row(build_row_label(specs[0], study), entries[key], tuple(specs)) for key, specs in found.items())


@once
def build_groups(study: Study) -> Sequence[RowGroup]:
    """The conditions in groups that share the levels of the factors that split tables."""
    rows = build_rows(study)
    conditions = [row.trials[0].condition for row in rows]
    named = {*NETWORK, *(factor for label in study.labels for factor in label.levels)}
    named |= {factor for factor in study.factors if factor not in FACTORS}
    named |= {factor for entry in study.grid for part in entry.parts.values() for factor in part.factors}
    split = choose_split(conditions, study.labelling.varying, named)
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row, condition in zip(rows, conditions, strict=True):
        groups.setdefault(tuple(condition[factor] for factor in split), []).append(row)
    return tuple(build_group(study, members) for members in groups.values())


def build_group(study: Study, rows: Sequence[Row]) -> RowGroup:
    """The rows as one group."""
    labelling = study.labelling.within([row.trials[0].condition for row in rows])
    return RowGroup(labelling.build_caption(), tuple(rows), labelling)


def choose_split(conditions: Sequence[Condition], varying: Sequence[str], named: Collection[str]) -> tuple[str, ...]:
    """Those of the varying factors by whose levels the conditions are grouped; the rest is in the rows' labels.

    The factors in `named` are what rows are called by, the others split them, as long as groups have `ROWS_A_GROUP`
    rows on average. Else the factor goes first without which the fewest groups remain, and of several the last; where
    rows are called by such a factor, those in `named` split them if these groups are large enough.
    """

    def count_groups(split: Collection[str]) -> int:
        return len({tuple(condition[factor] for factor in split) for condition in conditions})

    def is_coarse(split: Collection[str]) -> bool:
        return len(conditions) >= ROWS_A_GROUP * count_groups(split)

    wanted = split = tuple(factor for factor in varying if factor not in named)
    while split and not is_coarse(split):
        fewer = [tuple(factor for factor in split if factor != other) for other in reversed(split)]
        split = min(fewer, key=count_groups)
    both = (*split, *(factor for factor in varying if factor in named))
    return both if split != wanted and is_coarse(both) else split
