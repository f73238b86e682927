"""Condition scores: every fold, the mean with its interval, the reported figure."""

import math
from typing import Any

import altair as alt
import pandas as pd

from tune_app.analysis.conditions import build_conditions
from tune_app.analysis.labels import build_rows
from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.theme import WIDTH
from tune_app.export.tables.cut import find_cut_ends
from tune_app.records.results import Results
from tune_app.study.metrics import find_bounds

KINDS = ("one fold", "mean, 95% interval", "reported figure")


def build_scores(results: Results) -> pd.DataFrame:
    """One row per mark: row, entry, kind (of `KINDS`), the primary metric, ci95_low, ci95_high, detail.

    Its attributes: `kinds`, those that there can be, `unit`, that of the metric in words, `numbers`, the
    (estimand, metric) of each mean, `methods`, those of the intervals, and `is_cut`, whether one is cut where the
    metric ends.
    """
    marks: list[dict[str, object]] = []
    metric = results.study.primary
    bounds = find_bounds(metric, results.study.define)
    least, greatest = bounds or (-math.inf, math.inf)
    conditions = {
        (entry, row["row"]): row
        for entry, table in enumerate(build_conditions(results), start=1)
        for row in table.to_dict("records")
    }
    for row in build_rows(results.study):
        where = {"row": row.label, "entry": row.entry}
        for spec in row.trials:
            for fold in range(spec.folds):
                record = results.records.folds.get((spec.id, fold))
                accuracy = record.score(metric) if record else None
                if accuracy is not None:
                    detail = f"fold {fold + 1}, replicate {spec.replicate}"
                    marks.append({**where, "kind": KINDS[0], metric: accuracy, "detail": detail})
        summary = conditions[row.entry, row.label]
        low, high = summary[f"{metric}_ci95_low"], summary[f"{metric}_ci95_high"]
        marks.append(
            {
                **where,
                "kind": KINDS[1],
                metric: summary[f"{metric}_mean"],
                "ci95_low": None if pd.isna(low) else max(low, least),
                "ci95_high": None if pd.isna(high) else min(high, greatest),
                "detail": f"{summary['fits_completed']} of {summary['fits_planned']} fits",
            }
        )
        if not pd.isna(summary["reported_test_accuracy"]):
            reported = summary["reported_test_accuracy"]
            marks.append({**where, "kind": KINDS[2], metric: reported, "detail": "one network, one test"})
    summaries = conditions.values()
    columns = ["row", "entry", "kind", metric, "ci95_low", "ci95_high", "detail"]
    scores = pd.DataFrame(marks, columns=columns).dropna(subset=metric)
    scores.attrs["kinds"] = list(KINDS if results.reference else KINDS[:2])
    scores.attrs["numbers"] = [(summary[f"{metric}_estimand"], metric) for summary in summaries]
    scores.attrs["methods"] = list(dict.fromkeys(filter(None, (summary[f"{metric}_method"] for summary in summaries))))
    ends = [(summary[f"{metric}_ci95_low"], summary[f"{metric}_ci95_high"]) for summary in summaries]
    scores.attrs["is_cut"] = any(find_cut_ends(low, high, bounds) for low, high in ends)
    scores.attrs["unit"] = f"share of {results.study.sample}s" if metric == "test_accuracy" else ""
    return scores


def build_scores_chart(scores: pd.DataFrame) -> alt.VConcatChart:
    """A line for each condition, a panel with its own axis for each grid entry; `scores` as `build_scores` gives it."""
    data = build_data(scores)
    panels = [_build_panel(data, scores[scores["entry"] == entry], entry) for entry in dict.fromkeys(scores["entry"])]
    chart: alt.VConcatChart = alt.vconcat(*panels).resolve_legend(color="shared", shape="shared")
    return chart


def _build_panel(data: dict[str, Any], scores: pd.DataFrame, entry: int) -> Drawing:
    rows = list(dict.fromkeys(scores["row"]))
    base = alt.Chart(data).transform_filter(f"datum.entry === {entry}")
    scale = alt.Scale(domain=_build_domain(scores), nice=False)
    metric = find_metric(scores)
    title = _spell_title(scores)
    x = alt.X(f"{metric}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=8))
    y = alt.Y("row:N", title=None, sort=rows)
    color = alt.Color("kind:N", title=None, scale=alt.Scale(domain=scores.attrs["kinds"]))
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=scores.attrs["kinds"]))
    tooltip = [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("kind:N", title="mark"),
        alt.Tooltip(f"{metric}:Q", title=metric.replace("_", " "), format=".4f"),
        alt.Tooltip("ci95_low:Q", title="interval from", format=".4f"),
        alt.Tooltip("ci95_high:Q", title="to", format=".4f"),
        alt.Tooltip("detail:N", title="of"),
    ]
    interval = (
        base.transform_filter("isValid(datum.ci95_low)")
        .mark_rule(style="interval")
        .encode(x=alt.X("ci95_low:Q", title=title, scale=scale), x2="ci95_high:Q", y=y, color=color, tooltip=tooltip)
    )
    marks = [
        (KINDS[0], base.mark_point(style="fold", filled=True)),
        (KINDS[2], base.mark_point(style="mean", filled=True)),
        (KINDS[1], base.mark_point(style="mean", filled=True)),
    ]
    points = [
        chart.transform_filter(f"datum.kind === '{kind}'").encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)
        for kind, chart in marks
        if kind in scores.attrs["kinds"]
    ]
    return alt.layer(interval, *points).properties(width=WIDTH, height=alt.Step(24))


def _build_domain(scores: pd.DataFrame) -> list[float]:
    """Everything drawn, with a margin; no accuracy lies outside [0, 1]."""
    drawn = scores[[find_metric(scores), "ci95_low", "ci95_high"]].astype(float)
    low, high = float(drawn.min().min()), float(drawn.max().max())
    margin = 0.03 * (high - low) or 0.01
    if low < 0 or high > 1:
        return [low - margin, high + margin]
    return [max(low - margin, -0.01), min(high + margin, 1.01)]


def find_metric(scores: pd.DataFrame) -> str:
    """The metric that the marks are of: the column beside `kind`."""
    return str(scores.columns[3])


def _spell_title(scores: pd.DataFrame) -> str:
    """The title of an axis: `Test accuracy (share of images)`, `Test macro f1`."""
    words, unit = find_metric(scores).replace("_", " ").capitalize(), scores.attrs["unit"]
    return f"{words} ({unit})" if unit else words
