"""What the page says, in words and tables; the template only places it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.conditions import build_conditions
from tune_app.analysis.labels import build_rows
from tune_app.analysis.metrics import build_scores
from tune_app.analysis.schedule import build_plan_table
from tune_app.errors import RefusedError
from tune_app.export.page.tables import (
    Column,
    PageTable,
    build_table,
    by_interval,
    fixed,
    interval,
    is_missing,
    probability,
)
from tune_app.export.rounding import format_share
from tune_app.records.results import Results
from tune_app.study import TrialSpec

SIGNS = {"supported": "✓", "refuted": "✗", "undecided": "?"}


@dataclass(frozen=True)
class Verdict:
    """A claim with what became of it; `numbers` is one line of effect, interval, method and n."""

    sentence: str
    verdict: str
    sign: str
    numbers: str
    reason: str


def build_verdicts(claims: pd.DataFrame | None) -> list[Verdict]:
    """The rows of claims.csv for reading."""
    if claims is None:
        return []
    return [
        Verdict(
            str(row["sentence"]),
            str(row["verdict"]),
            SIGNS.get(str(row["verdict"]), ""),
            _spell_numbers(row),
            "" if is_missing(row["reason"]) else str(row["reason"]),
        )
        for row in claims.to_dict("records")
    ]


def _spell_numbers(row: Mapping[Any, Any]) -> str:
    if is_missing(row["effect"]):
        return ""
    effect = by_interval("effect", sign=True)(row)
    parts = [f"{row['metric']}: {effect} {row['unit']}"]
    if not is_missing(row["ci95_low"]):
        parts[0] += f", 95% interval {interval(row)}"
    parts += [str(row["method"])] if not is_missing(row["method"]) else []
    parts += [f"{name} {row[key]:.0f}" for name, key in _COUNTS if key in row and not is_missing(row[key])]
    return "; ".join(parts)


_COUNTS = (
    ("pairs", "n_pairs"),
    ("replicates", "n_replicates"),
    ("against", "n_replicates_against"),
    ("conditions", "n_conditions"),
)


def build_facts(results: Results) -> str:
    """What was trained on what, in a sentence or two."""
    study, recipe = results.study, results.study.recipe
    train = f"{study.data.train_images:,}" if study.data.train_images else "all"
    test = f"{study.data.test_images:,}" if study.data.test_images else "all"
    trials = study.grid_trials()
    keys = [(trial.spec.id, fold) for trial in trials for fold in range(trial.spec.folds)]
    done = sum(results.records.is_completed(*key) for key in keys)
    return (
        f"{len(build_rows(results))} conditions, {len(trials)} trials, {done} of {len(keys)} fits completed. "
        f"Data set {study.data.name}: {train} training and {test} test images. {recipe.epochs} epochs a fold, batch "
        f"size {recipe.batch_size}, {recipe.optimizer} at {recipe.learning_rate:g}, {recipe.precision}; splitter "
        f"{study.splitter}, seed {study.seed}."
    )


def build_contrast_table(contrasts: pd.DataFrame | None) -> PageTable | None:
    """The rows of contrasts.csv; None without any."""
    if contrasts is None or contrasts.empty:
        return None
    columns = [
        Column("row", "condition"),
        Column("baseline_row", "against"),
        Column("metric", "metric"),
        Column("effect", "effect", by_interval("effect", sign=True), number=True),
        Column("ci95_low", "95% interval", interval, number=True),
        Column("unit", "unit"),
        Column("p_value", "p", probability("p_value"), number=True),
        Column("p_holm", "p after Holm", probability("p_holm"), number=True),
        Column("p_worse", "P(worse)", probability("p_worse"), number=True),
        Column("p_equivalent", "P(equivalent)", probability("p_equivalent"), number=True),
        Column("p_better", "P(better)", probability("p_better"), number=True),
        Column("smallest_detectable", "smallest detectable", by_interval("smallest_detectable"), number=True),
        Column("n_pairs", "pairs", fixed("n_pairs", 0), number=True),
        Column("method", "method"),
        Column("status", "status"),
        Column("reason", "reason"),
    ]
    caption = "Contrasts: condition minus baseline, a row for each metric and condition"
    return build_table(contrasts, "contrasts", caption, columns)


def build_audit_table(audit: pd.DataFrame | None) -> PageTable | None:
    """The rows of audit.csv; None without any."""
    if audit is None:
        return None
    columns = [
        Column("setting", "setting"),
        Column("defect", "defect"),
        Column("way", "way"),
        Column("cost", "cost (share)", by_interval("cost", sign=True), number=True),
        Column("ci95_low", "95% interval", interval, number=True),
        Column("cost_median", "median", fixed("cost_median", 4, sign=True), number=True),
        Column("share_of_gap", "of the gap", lambda row: format_share(row["share_of_gap"]), number=True),
        Column(
            "share_of_reported_gap",
            "of the reported gap",
            lambda row: format_share(row["share_of_reported_gap"]),
            number=True,
        ),
        Column("explains", "explains"),
        Column("p_sign", "p of the signs", probability("p_sign"), number=True),
        Column("replicates_without", "replicates without", number=True),
        Column("replicates_with", "replicates with", number=True),
        Column("accuracy_without", "without it (share)", fixed("accuracy_without", 4), number=True),
        Column("accuracy_with", "with it (share)", fixed("accuracy_with", 4), number=True),
        Column("method", "method"),
        Column("reason", "reason"),
    ]
    return build_table(audit, "audit", "Audit: what each defect costs in test accuracy", columns)


def build_reference_table(checks: pd.DataFrame | None) -> PageTable | None:
    """The rows of reference_check.csv; None without any."""
    if checks is None:
        return None
    columns = [
        Column("row", "reported row"),
        Column("batch_size", "batch size", number=True),
        Column("reported_test_accuracy", "reported", fixed("reported_test_accuracy", 4), number=True),
        Column("as_reported_replicates", "replicates as reported", number=True),
        Column("as_reported_mean", "as reported: mean", fixed("as_reported_mean", 4), number=True),
        Column("as_reported_min", "least", fixed("as_reported_min", 4), number=True),
        Column("as_reported_max", "greatest", fixed("as_reported_max", 4), number=True),
        Column("replicates_below", "below the figure", fixed("replicates_below", 0), number=True),
        Column("place", "the reported figure is"),
        Column("range_coverage", "range holds one more", lambda row: format_share(row["range_coverage"]), number=True),
        Column("sound_mean", "sound: mean", fixed("sound_mean", 4), number=True),
        Column("sound_replicates", "replicates, sound", number=True),
        Column("reason", "reason"),
    ]
    return build_table(checks, "reference", "Reported figures among replicates run as reported", columns)


def build_condition_table(results: Results) -> PageTable:
    """A row for each condition: mean test accuracy with its interval, the reported figure, time, flags."""
    tables = [
        table.assign(
            entry=entry, section=[f"trial-{row.trials[0].id}" for row in build_rows(results) if row.entry == entry]
        )
        for entry, table in enumerate(build_conditions(results), start=1)
    ]
    frame = pd.concat([table.astype(object) for table in tables], ignore_index=True)
    frame["ci95_low"], frame["ci95_high"] = frame["test_accuracy_ci95_low"], frame["test_accuracy_ci95_high"]
    columns = [
        Column("row", "condition", link="section"),
        Column("entry", "grid entry", number=True),
        Column("fits_completed", "fits", lambda row: f"{row['fits_completed']}/{row['fits_planned']}", number=True),
        Column("replicates", "replicates", number=True),
        Column("test_accuracy_mean", "test accuracy (share)", fixed("test_accuracy_mean", 4), number=True),
        Column("ci95_low", "95% interval", _clipped_interval, number=True),
        Column("reported_test_accuracy", "reported", fixed("reported_test_accuracy", 4), number=True),
        Column("difference", "difference", fixed("difference", 4, sign=True), number=True),
        Column("test_loss_mean", "test loss (nats)", fixed("test_loss_mean", 4), number=True),
        Column("fit_seconds_total", "fits took (s)", fixed("fit_seconds_total", 1), number=True),
        Column("flags", "note"),
    ]
    return build_table(frame, "conditions", "Conditions: means over folds and replicates", columns)


def _clipped_interval(row: Mapping[str, Any]) -> str:
    # no accuracy lies outside [0, 1]; the CSV files have the formula's ends.
    return f"[{max(row['ci95_low'], 0):.4f}, {min(row['ci95_high'], 1):.4f}]"


def build_fold_table(folds: pd.DataFrame, trial: str) -> PageTable:
    """A row for each fold of one trial, failed ones included; `folds` are its rows of `build_folds`."""
    columns = [
        Column("fold", "fold", number=True),
        Column("status", "status"),
        Column("test_accuracy", "test accuracy (share)", fixed("test_accuracy", 4), number=True),
        Column("test_loss", "test loss (nats)", fixed("test_loss", 4), number=True),
        Column("best_epoch", "best epoch", fixed("best_epoch", 0), number=True),
        Column("fit_seconds", "fit took (s)", fixed("fit_seconds", 1), number=True),
        Column(
            "peak_memory_bytes", "peak memory (MiB)", lambda r: f"{r['peak_memory_bytes'] / 2**20:,.0f}", number=True
        ),
        Column("device", "device"),
        Column("error_type", "error"),
        Column("error_message", "message"),
    ]
    return build_table(folds, f"folds-{trial}", "Folds of this trial", columns)


def build_trial_summary(results: Results, spec: TrialSpec) -> str:
    """One line: fits, mean test accuracy; under carry-over that of the network as it came out of the last fold."""
    done = sum(results.records.is_completed(spec.id, fold) for fold in range(spec.folds))
    what = "test accuracy after the last fold" if spec.has_dependent_folds else "mean test accuracy"
    try:
        told = f", {what} {build_scores(results, [spec], 'test_accuracy').mean():.4f}"
    except RefusedError:
        told = ""
    return f"{done} of {spec.folds} fits{told}"


def build_plan_page_table(results: Results) -> PageTable | None:
    """Plan against actual, a row for each trial; None without a plan."""
    table = build_plan_table(results)
    if table.empty:
        return None
    table["section"] = "trial-" + table["trial"]
    columns = [
        Column("trial", "trial", link="section"),
        Column("fits", "fits", lambda row: f"{row['fits_completed']}/{row['fits']}", number=True),
        Column("parameters", "parameters", fixed("parameters", 0), number=True),
        Column("flops", "operations of a fit (10⁹)", lambda row: f"{row['flops'] / 1e9:,.1f}", number=True),
        Column("cpus", "CPUs", lambda row: f"{row['cpus']:g}", number=True),
        Column("gpus", "GPUs", lambda row: f"{row['gpus']:g}", number=True),
        Column("predicted_fit_seconds", "predicted (s a fit)", fixed("predicted_fit_seconds", 1), number=True),
        Column("measured_fit_seconds", "measured (s a fit)", fixed("measured_fit_seconds", 1), number=True),
        Column("measured_to_predicted", "measured / predicted", fixed("measured_to_predicted", 2), number=True),
    ]
    return build_table(table, "plan", "Plan against actual: seconds of one fit", columns)
