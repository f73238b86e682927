"""The tables of a study in the order to read them, and what must be known to read them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pandas as pd
from rich.console import RenderableType
from rich.text import Text

from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.conditions import build_condition_scores
from tune_app.analysis.labels import build_rows
from tune_app.export.tables.audit import build_audit_table
from tune_app.export.tables.claims import build_claim_table
from tune_app.export.tables.conditions import build_condition_table
from tune_app.export.tables.contrasts import build_contrast_tables
from tune_app.export.tables.data_sets import build_data_set_table
from tune_app.export.tables.designs import build_design_table
from tune_app.export.tables.effects import build_effect_table
from tune_app.export.tables.markdown import escape_markdown, render_markdown
from tune_app.export.tables.metrics import build_metric_table
from tune_app.export.tables.model import Medium, Table
from tune_app.export.tables.outlook import build_outlook_table
from tune_app.export.tables.reading import build_reading
from tune_app.export.tables.reference import build_check_table, build_reported_tables
from tune_app.export.tables.terminal import render_terminal
from tune_app.records.results import Results
from tune_app.study import Study
from tune_app.study.metrics import list_summarised


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
            self.metrics,
            *self.contrasts,
            self.effects,
        )
        return [table for table in found if table]


def build_tables(results: Results, frames: Mapping[str, pd.DataFrame]) -> StudyTables:
    """The tables of a study, from its results and the frames of `build_frames`."""
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
    )


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


def build_terminal_tables(results: Results, selected: Collection[str] | None = None) -> list[RenderableType]:
    """The claims, in brief, the conditions and, where there are several, the metrics for a rich console.

    With `selected`, conditions without any of these trials are left out.
    """
    claims = build_claim_table(results.study, build_verdicts(results))
    several = len(results.study.metrics.named) > 1
    metrics = build_metric_table(results, build_condition_scores(results)) if several else None
    conditions, left_out = _select(build_condition_table(results), results.study, selected)
    tables = [table for table in (claims, conditions, metrics) if table and table.rows]
    if metrics and len(metrics.select_columns(Medium.TERMINAL)) == 1:  # nothing but its rows' names
        tables.remove(metrics)
    scopes = {table.title: table.scope for table in tables if table.scope and table is not metrics}
    is_one = len(set(scopes.values())) == 1
    said = set(scopes.values()) if is_one else [f"{title}: {scope}" for title, scope in scopes.items()]
    shown = [line for table in tables for line in render_terminal(table)]
    if left_out:
        shown.append(Text(f"{left_out} conditions that were not selected are left out.", style="dim"))
    return [*shown, *(Text(each, style="dim") for each in said)]


def _select(conditions: Table, study: Study, selected: Collection[str] | None) -> tuple[Table, int]:
    """The table of conditions without those that have none of the selected trials, and how many these are."""
    if selected is None:
        return conditions, 0
    rows = build_rows(study)
    kept = {f"trial-{row.trials[0].id}" for row in rows if any(spec.id in selected for spec in row.trials)}
    groups = (
        replace(group, rows=tuple(row for row in group.rows if row.target in kept)) for group in conditions.groups
    )
    return replace(conditions, groups=tuple(group for group in groups if group.rows)), len(rows) - len(kept)
