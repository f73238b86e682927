"""Two-way tables that a study asks for: a factor's levels as rows, another's as columns, the scores in the cells."""

import json
from collections.abc import Sequence

from tune_app.errors import StudyError, choices
from tune_app.study.expansion import ExpandedStudy
from tune_app.study.metrics import list_summarised
from tune_app.study.schema import DATA, TableChoice

KEYS = tuple(TableChoice.model_fields)


def parse_table(texts: Sequence[str]) -> TableChoice:
    """`rows=regularizer columns=folds metric=test_loss`, in pieces or with commas; StudyError for anything else."""
    told = f"--table {' '.join(texts)}"
    found: dict[str, str] = {}
    for piece in " ".join(texts).replace(",", " ").split():
        key, equals, value = piece.partition("=")
        if not equals or not value:
            raise StudyError(
                f"{told}: {piece!r} is no key=value; write rows=FACTOR columns=FACTOR, such as rows=regularizer "
                "columns=folds, after the study or the folder"
            )
        if key not in KEYS:
            raise StudyError(f"{told}: unknown key {key!r}{choices(key, KEYS)}")
        if key in found:
            raise StudyError(f"{told}: {key} is named twice; leave one out")
        found[key] = value
    if "rows" not in found:
        raise StudyError(f"{told}: rows is missing; write rows=FACTOR columns=FACTOR")
    return TableChoice(**found)


def find_tables(study: ExpandedStudy, told: Sequence[Sequence[str]]) -> list[TableChoice]:
    """The tables that `--table` names, each in the pieces of `parse_table`; StudyError with every problem."""
    choices_made = [parse_table(texts) for texts in told]
    problems = [
        f"--table {' '.join(texts)}: {problem}"
        for texts, choice in zip(told, choices_made, strict=True)
        for problem in find_table_problems(study, choice)
    ]
    if problems:
        raise StudyError(problems)
    return choices_made


def build_override(choice: TableChoice) -> str:
    """The override that adds the table to a study's own."""
    return f"tables.+={json.dumps(choice.model_dump(exclude_none=True))}"


def find_table_problems(study: ExpandedStudy, choice: TableChoice) -> list[str]:
    """What is wrong with the table for this study, in sentences; empty if nothing is."""
    varying = study.varying_factors()
    problems = []
    for key in ("rows", "columns"):
        factor = getattr(choice, key)
        if factor is None and DATA not in varying:
            allowed = ", ".join(varying) or "this study has none"
            problems.append(f"{key} is missing; name a factor that varies: {allowed}")
        elif factor is not None and factor not in varying:
            what = f"{factor} has one level in this study" if factor in study.factors else f"unknown factor {factor!r}"
            problems.append(f"{key}: {what}{choices(factor, varying)}")
    if choice.rows == (choice.columns or DATA):
        problems.append(f"rows and columns are both {choice.rows}; name two factors")
    metrics = list_summarised(study.metrics.named)
    if choice.metric is not None and choice.metric not in metrics:
        problems.append(f"unknown metric {choice.metric!r}{choices(choice.metric, metrics)}")
    return problems
