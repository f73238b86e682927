"""The tables of a study in the order to read them, and what must be known to read them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from rich.console import RenderableType

from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.conditions import build_condition_scores
from tune_app.export.tables.audit import build_audit_table
from tune_app.export.tables.claims import build_claim_table
from tune_app.export.tables.conditions import build_condition_table
from tune_app.export.tables.contrasts import build_contrast_table
from tune_app.export.tables.data_sets import build_data_set_table
from tune_app.export.tables.designs import build_design_table
from tune_app.export.tables.effects import build_effect_table
from tune_app.export.tables.markdown import escape_markdown, render_markdown
from tune_app.export.tables.metrics import build_metric_table
from tune_app.export.tables.model import Medium, Table
from tune_app.export.tables.reference import build_check_table, build_reported_tables
from tune_app.export.tables.terminal import render_terminal
from tune_app.records.results import Results
from tune_app.study import Study
from tune_app.study.metrics import list_summarised


@dataclass(frozen=True)
class StudyTables:
    """Every table of a study; one that has no rows is None or left out. `contrasts` has one for each metric."""

    reported: tuple[Table, ...]
    claims: Table | None
    audit: Table | None
    check: Table | None
    conditions: Table
    contrasts: tuple[Table, ...]
    designs: Table | None = None
    data_sets: Table | None = None
    metrics: Table | None = None
    effects: Table | None = None

    @property
    def on_paper(self) -> list[Table]:
        """Those of table.md and table.tex; of the contrasts the test accuracy's alone."""
        found = (
            *self.reported,
            self.claims,
            self.audit,
            self.check,
            self.designs,
            self.conditions,
            self.metrics,
            *self.contrasts[:1],
            self.effects,
        )
        return [table for table in found if table]


def build_tables(results: Results, frames: Mapping[str, pd.DataFrame]) -> StudyTables:
    """The tables of a study, from its results and the frames of `build_frames`."""
    audit, check = frames.get("audit"), frames.get("reference_check")
    contrasts = [
        build_contrast_table(results, frames["contrasts"], metric)
        for metric in list_summarised(results.study.metrics.named)
    ]
    return StudyTables(
        reported=tuple(build_reported_tables(results)),
        claims=build_claim_table(frames["claims"]) if len(frames["claims"]) else None,
        audit=None if audit is None else build_audit_table(results, audit),
        check=None if check is None else build_check_table(results, check),
        conditions=build_condition_table(results),
        contrasts=tuple(table for table in contrasts if table.rows),
        designs=build_design_table(results, frames["designs"]) if "designs" in frames else None,
        data_sets=build_data_set_table(results, frames["data_sets"]) if "data_sets" in frames else None,
        metrics=build_metric_table(results, frames["conditions"]),
        effects=build_effect_table(results, frames["effects"]) if "effects" in frames else None,
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


def build_terminal_tables(results: Results) -> list[RenderableType]:
    """The claims, in brief, the conditions and, where there are several, the metrics for a rich console."""
    claims = build_claim_table(build_verdicts(results))
    several = len(results.study.metrics.named) > 1
    metrics = build_metric_table(results, build_condition_scores(results)) if several else None
    tables = [table for table in (claims, build_condition_table(results), metrics) if table and table.rows]
    if metrics and len(metrics.select_columns(Medium.TERMINAL)) == 1:  # nothing but its rows' names
        tables.remove(metrics)
    return [line for table in tables for line in render_terminal(table)]


def build_reading(results: Results) -> list[str]:
    """Paragraphs: how the numbers came about and what they do not say."""
    study = results.study
    rope, name = study.find_rope(study.primary), study.primary.replace("_", " ").capitalize()
    notes = [
        f"{name} is the mean over folds and replicates. The interval is the corrected resampled one (Nadeau & "
        f"Bengio 2003), which allows for the training {study.sample}s that folds share; it is a heuristic, no "
        "more: no unbiased estimate of a cross-validation's variance exists.",
        "An effect is the row minus its baseline, paired on (replicate, fold) and tested by the corrected resampled "
        "t-test where both have the same splits, else by Welch's test over replicate means. p is adjusted by Holm over "
        "the contrasts of the metric; P(worse), P(equal) and P(better) are the Bayesian correlated t-test's, equal "
        f"meaning within ±{rope:g}. Detectable is the true difference that this design finds four times "
        "in five.",
    ]
    held_out = (
        "Scores are those of the held-out folds: the corrected error allows for training samples that folds share, and "
        "the numbers speak of new samples like these (docs/statistics.md)."
    )
    notes.append(
        held_out
        if study.test == "none"
        else f"All networks are tested on one test set, and folds share most training {study.sample}s: for test "
        f"metrics the numbers speak of new seeds and splits of these very {study.sample}s, not of new {study.sample}s "
        "(docs/statistics.md)."
    )
    if study.claims:
        notes.append(
            "A claim is supported where the 95% interval of its effect lies within the effects claimed, refuted where "
            "it lies outside, undecided where it reaches across the edge. The intervals are not widened for the number "
            "of claims."
        )
    if results.reference:
        notes.append(
            "A reported figure is one test of one network; the difference is ours minus the reported one. It is "
            "compared with the same network on all images of the same data set alone: another width or fewer images "
            "make another experiment. The interval that it lies inside or outside of is that of our mean."
        )
    return notes
