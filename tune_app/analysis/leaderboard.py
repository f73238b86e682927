"""Provisional means while a study runs: of the fits that there are, whether or not the others follow."""

import math
from collections.abc import Collection

import pandas as pd

from tune_app.analysis.labels import build_rows
from tune_app.records.results import Results

COLUMNS = ("place", "label", "mean", "low", "high", "fits", "planned", "failed")


def build_leaderboard(results: Results, selected: Collection[str] | None = None) -> pd.DataFrame:
    """One row per condition, the best mean of the primary metric first, those without a score at the end.

    With `selected`, conditions of which no trial is among these are left out.

    Columns: place (from 1; None without a score), label, mean, low and high (the least and the greatest score of a
    fit), fits (completed), planned, failed. No interval: the fits of a condition that are missing are no random ones.
    """
    study, metric = results.study, results.study.primary
    sign = -1 if study.describe_metric(metric).better == "higher" else 1
    rows = []
    for row in build_rows(study):
        if selected is not None and not any(spec.id in selected for spec in row.trials):
            continue
        keys = [(spec.id, fold) for spec in row.trials for fold in range(spec.folds)]
        completed = [results.records.folds[key] for key in keys if results.records.is_completed(*key)]
        found = [record.score(metric) for record in completed]
        scores = [score for score in found if score is not None and math.isfinite(score)]
        failed = sum(key in results.records.folds for key in keys) - len(completed)
        mean = sum(scores) / len(scores) if scores else None
        ends = (min(scores), max(scores)) if scores else (None, None)
        rows.append((row.label, mean, *ends, len(completed), len(keys), failed))
    rows.sort(key=lambda row: (row[1] is None, sign * (row[1] or 0.0)))
    placed = [(place if row[1] is not None else None, *row) for place, row in enumerate(rows, start=1)]
    return pd.DataFrame(placed, columns=list(COLUMNS)).astype({"place": "Int64"})
