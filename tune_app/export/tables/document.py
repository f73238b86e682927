"""The tables of a study in the order to read them, and what must be known to read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tune_app.export.tables.audit import build_audit_table
from tune_app.export.tables.claims import build_claim_table
from tune_app.export.tables.conditions import build_condition_table
from tune_app.export.tables.contrasts import build_contrast_tables
from tune_app.export.tables.data_sets import build_data_set_table
from tune_app.export.tables.designs import build_design_table
from tune_app.export.tables.effects import build_effect_table
from tune_app.export.tables.markdown import escape_markdown, render_markdown
from tune_app.export.tables.metrics import build_metric_table
from tune_app.export.tables.model import Table
from tune_app.export.tables.outlook import build_outlook_table
from tune_app.export.tables.pivot import build_pivot_table, name_pivots
from tune_app.export.tables.ranking import build_pair_table, build_ranking_table
from tune_app.export.tables.reading import build_reading
from tune_app.export.tables.reference import build_check_table, build_reported_tables
from tune_app.records.results import Results
from tune_app.study import Study
from tune_app.study.metrics import list_summarised
from tune_app.study.schema import TableChoice


@dataclass(frozen=True)
class StudyTables:
    """Every table of a study; one that has no rows is None or left out.

    `contrasts` are those of the primary metric: where one factor changes, and where more do; `other_contrasts` the same
    of each other metric.
    """

    reported: tuple[Table, ...]
    claims: Table | None
    audit: Table | None
    check: Table | None
    conditions: Table
    contrasts: tuple[Table, ...]
    other_contrasts: tuple[tuple[Table, ...], ...] = ()
    designs: Table | None = None
    data_sets: Table | None = None
    metrics: Table | None = None
    effects: Table | None = None
    outlook: Table | None = None
    ranking: Table | None = None
    pairs: Table | None = None
    pivots: tuple[Table, ...] = ()

    @property
    def on_paper(self) -> list[Table]:
        """Those of table.md and table.tex; of the contrasts the primary metric's alone."""
        found = (
            *self.reported,
            self.claims,
            self.audit,
            self.check,
            self.designs,
            self.conditions,
            self.ranking,
            self.metrics,
            *self.contrasts,
            self.effects,
        )
        return [table for table in found if table]


def build_tables(results: Results, frames: Mapping[str, pd.DataFrame], more: Sequence[TableChoice] = ()) -> StudyTables:
    """The tables of a study, from its results and the frames of `build_frames`; `more` are two-way tables."""
    audit, check = frames.get("audit"), frames.get("reference_check")
    contrasts, *others = [
        tuple(build_contrast_tables(results, frames["contrasts"], metric))
        for metric in list_summarised(results.study.metrics.named)
    ]
    outlook = build_outlook_table(frames["outlook"])
    return StudyTables(
        reported=tuple(build_reported_tables(results)),
        claims=build_claim_table(results.study, frames["claims"]) if len(frames["claims"]) else None,
        audit=None if audit is None else build_audit_table(results, audit),
        check=None if check is None else build_check_table(results, check),
        conditions=build_condition_table(results),
        contrasts=contrasts,
        other_contrasts=tuple(tables for tables in others if tables),
        designs=build_design_table(results, frames["designs"]) if "designs" in frames else None,
        data_sets=build_data_set_table(results, frames["data_sets"]) if "data_sets" in frames else None,
        metrics=build_metric_table(results, frames["conditions"]),
        effects=build_effect_table(results, frames["effects"]) if "effects" in frames else None,
        outlook=outlook if outlook.rows else None,
        ranking=build_ranking_table(results, frames["ranking"]) if "ranking" in frames else None,
        pivots=build_pivots(results, frames["conditions"], more),
        pairs=build_pair_table(results, frames["pairs"]) if "pairs" in frames else None,
    )


def build_pivots(results: Results, scores: pd.DataFrame, more: Sequence[TableChoice] = ()) -> tuple[Table, ...]:
    """The two-way tables that the study asks for, and those of `more`; `scores` is conditions.csv."""
    choices = tuple(dict.fromkeys((*results.study.tables, *more)))
    pairs = zip(choices, name_pivots(choices), strict=True)
    return tuple(build_pivot_table(results, scores, choice, name) for choice, name in pairs)


def build_document(results: Results, tables: list[Table]) -> str:
    """The tables as one Markdown document, with the study's settings before and how to read them after."""
    study, recipe = results.study, results.study.recipe
    parts = [
        f"# {escape_markdown(study.title or study.name)}",
        f"{describe_samples(study)} {recipe.epochs} epochs a fold, batch "
        f"size {recipe.batch_size}, {recipe.optimizer} at {recipe.learning_rate:g}, {recipe.precision}; splitter "
        f"{study.splitter}, seed {study.seed}.",
        *map(render_markdown, tables),
        "## How to read this",
        *build_reading(results),
    ]
    return "\n\n".join(parts) + "\n"


def spell_data(study: Study) -> str:
    """`Data set mnist`, or `Data sets mnist and digits`."""
    names = study.data.names
    return f"Data set {names[0]}" if len(names) == 1 else f"Data sets {', '.join(names[:-1])} and {names[-1]}"


def describe_samples(study: Study, digits: str = "") -> str:
    """`Data set mnist: all training and 2000 test images.`, or that held-out folds are scored.

    `digits` is the format of numbers, such as `,`.
    """
    train = format(study.data.train_images, digits) if study.data.train_images else "all"
    test = format(study.data.test_images, digits) if study.data.test_images else "all"
    if study.test == "none":
        return f"{spell_data(study)}: {train} samples, scored on the held-out folds."
    return f"{spell_data(study)}: {train} training and {test} test {study.sample}s."
