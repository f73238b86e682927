"""Condition scores: every fold, the mean with its interval, the reported figure, and the baseline's interval."""

import math
from typing import Any

import altair as alt
import pandas as pd

from tune_app.analysis.conditions import build_condition
from tune_app.analysis.labels import Row, build_row_label, build_rows
from tune_app.analysis.pairs import find_competitors
from tune_app.analysis.sides import find_contrasts
from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.layout import choose_step
from tune_app.export.figures.rows import add_places, build_rows_axis, draw_headings, label_rows, list_places
from tune_app.export.figures.scales import Distance, choose_distance
from tune_app.export.figures.theme import WIDTH
from tune_app.export.figures.titles import title_scores, title_scores_over_data
from tune_app.export.tables.cut import find_cut_ends
from tune_app.records.results import Results
from tune_app.study import Study
from tune_app.study.metrics import find_bounds

KINDS = ("one fold", "mean, 95% interval", "reported figure")
_WHERE = ("row", "name", "dataset", "heading", "label")
COLUMNS = (*_WHERE, "kind", "score", "ci95_low", "ci95_high", "band_low", "band_high", "detail")


def build_scores(results: Results) -> pd.DataFrame:
    """One row per mark, with `COLUMNS`: its kind of `KINDS`, the score by the primary metric, its interval.

    `row` is the label of the condition, `name` that without the data set, `heading` and `label` stand beside the row.
    `band_low` and `band_high`, of means, are the interval of the baseline that the row is compared with. Attributes:
    `metric`, `unit` (in words), `numbers`, the (estimand, metric) of each mean, `methods`, those of the intervals,
    `is_cut`, whether one is cut where the metric ends, and `distance`, a logarithmic axis, or None for a linear one.
    """
    study = results.study
    metric = study.primary
    bounds = find_bounds(metric, study.define)
    labels, rows = label_rows(study), build_rows(study)
    summaries = {row.label: build_condition(results, row.trials) for row in rows}
    intervals = {
        label: _cut((summary[f"{metric}_ci95_low"], summary[f"{metric}_ci95_high"]), bounds)
        for label, summary in summaries.items()
    }
    bands = _find_baselines(results)
    marks: list[dict[str, Any]] = []
    for row in rows:
        summary, where = summaries[row.label], _place(row, study, labels[row.label])
        marks += [where | fold for fold in _list_folds(results, row.trials, metric)]
        own = dict(zip(("ci95_low", "ci95_high"), intervals[row.label], strict=True))
        band = dict(zip(("band_low", "band_high"), intervals.get(bands.get(row.label, ""), (None, None)), strict=True))
        of = f"{summary['fits_completed']} of {summary['fits_planned']} fits"
        marks.append(where | {"kind": KINDS[1], "score": summary[f"{metric}_mean"], **own, **band, "detail": of})
        reported = summary["reported_test_accuracy"]
        if not pd.isna(reported):
            marks.append(where | {"kind": KINDS[2], "score": reported, "detail": "one network, one test"})
    scores = pd.DataFrame(marks, columns=list(COLUMNS)).dropna(subset="score")
    found = summaries.values()
    ends = [(summary[f"{metric}_ci95_low"], summary[f"{metric}_ci95_high"]) for summary in found]
    means = scores.loc[scores["kind"] == KINDS[1], "score"]
    scores.attrs |= {
        "metric": metric,
        "unit": f"share of {study.sample}s" if metric == "test_accuracy" else "",
        "numbers": [(summary[f"{metric}_estimand"], metric) for summary in found],
        "methods": list(dict.fromkeys(filter(None, (summary[f"{metric}_method"] for summary in found)))),
        "is_cut": any(find_cut_ends(low, high, bounds) for low, high in ends),
        "distance": choose_distance(means, bounds, study.describe_metric(metric).better),
    }
    return scores


def spell_scores_title(results: Results, scores: pd.DataFrame) -> str:
    """The figure's title, of the conditions that compete: those with defects do not, where others are sound."""
    study, standings = results.study, find_competitors(results)
    competing = {row.label for standing in standings for row in standing.rows}
    means = scores[(scores["kind"] == KINDS[1]) & scores["row"].isin(competing)]
    spell = title_scores_over_data if len(study.data.names) > 1 else title_scores
    title = spell(means, study.primary, study.describe_metric(study.primary).better)
    is_part = any(standing.left_out for standing in standings)
    return f"By sound protocol {title[0].lower()}{title[1:]}" if is_part else title


def _place(row: Row, study: Study, labels: tuple[str, str]) -> dict[str, str]:
    spec = row.trials[0]
    return dict(zip(_WHERE, (row.label, build_row_label(spec, study, ("data",)), spec.dataset, *labels), strict=True))


def _list_folds(results: Results, trials: Any, metric: str) -> list[dict[str, Any]]:
    found = []
    for spec in trials:
        for fold in range(spec.folds):
            record = results.records.folds.get((spec.id, fold))
            score = record.score(metric) if record else None
            if score is not None:
                found.append(
                    {"kind": KINDS[0], "score": score, "detail": f"fold {fold + 1}, replicate {spec.replicate}"}
                )
    return found


def _find_baselines(results: Results) -> dict[str, str]:
    """The label of the baseline of each condition; its own for a baseline. Empty where nothing is compared."""
    labels = {row.trials[0].id: row.label for row in build_rows(results.study)}
    found = {labels[first[0].id]: labels[second[0].id] for first, second in find_contrasts(results.study)}
    return {**{baseline: baseline for baseline in found.values() if baseline not in found}, **found}


def _cut(ends: tuple[Any, Any], bounds: tuple[float, float] | None) -> tuple[float | None, float | None]:
    """The interval where the metric has values; None for none."""
    least, greatest = bounds or (-math.inf, math.inf)
    low, high = ends
    return (None, None) if pd.isna(low) else (max(low, least), min(high, greatest))


def build_scores_chart(scores: pd.DataFrame) -> Drawing:
    """A line for each condition, all on one axis; `scores` as `build_scores` gives it."""
    distance: Distance | None = scores.attrs["distance"]
    shown = add_places(scores)
    drawn = ("score", "ci95_low", "ci95_high", "band_low", "band_high")
    for name in drawn:
        values = [None if pd.isna(value) else float(value) for value in shown[name]]
        shown[f"x_{name}"] = [distance.place(value) for value in values] if distance else values
    points, ends = ([n for n in shown[names].astype(float).to_numpy().ravel() if not math.isnan(n)] for names in _X)
    if distance is None:
        scale, axis = _build_linear([*map(float, points), *map(float, ends)])
    else:
        low, high = distance.choose_ends(points, ends)
        scale, axis = distance.build(low, high)
        for name in _X[1]:
            shown[f"{name}_cut"] = (shown[name] < low) | (shown[name] > high)
            shown[name] = shown[name].astype(float).clip(low, high)
    metric = str(scores.attrs["metric"]).replace("_", " ")
    return _draw(shown, scale, axis, _spell_title(scores, distance), metric)


_X = (["x_score"], ["x_ci95_low", "x_ci95_high", "x_band_low", "x_band_high"])


def _build_linear(places: list[float]) -> tuple[alt.Scale, alt.Axis]:
    """Everything drawn, with a margin; no score lies outside what the metric has."""
    low, high = min(places), max(places)
    margin = 0.03 * (high - low) or 0.01
    domain = [low - margin, high + margin]
    if low >= 0 and high <= 1:
        domain = [max(domain[0], -0.01), min(domain[1], 1.01)]
    return alt.Scale(domain=domain, nice=False), alt.Axis(tickCount=8)


def _draw(shown: pd.DataFrame, scale: alt.Scale, axis: alt.Axis, title: str, metric: str) -> Drawing:
    places = list_places(shown)
    kinds = [kind for kind in KINDS if (shown["kind"] == kind).any()]
    base = alt.Chart(build_data(shown.drop(columns=["name", "dataset", "heading", "label"])))
    y = build_rows_axis(places)
    color = alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds))
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=kinds))
    tooltip = [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("kind:N", title="mark"),
        alt.Tooltip("score:Q", title=metric, format=".4f"),
        alt.Tooltip("ci95_low:Q", title="interval from", format=".4f"),
        alt.Tooltip("ci95_high:Q", title="to", format=".4f"),
        alt.Tooltip("detail:N", title="of"),
    ]
    x = {name: alt.X(f"x_{name}:Q", title=title, scale=scale, axis=axis) for name in ("score", "ci95_low", "band_low")}
    bands = base.transform_filter("isValid(datum.x_band_low)").mark_rect(style="baseline", height={"band": 1})
    interval = base.transform_filter("isValid(datum.x_ci95_low)").mark_rule(style="interval")
    marks = [
        (KINDS[0], base.mark_point(style="fold", filled=True)),
        (KINDS[2], base.mark_point(style="mean", filled=True)),
        (KINDS[1], base.mark_point(style="mean", filled=True)),
    ]
    points = [
        chart.transform_filter(f"datum.kind === '{kind}'").encode(
            x=x["score"], y=y, color=color, shape=shape, tooltip=tooltip
        )
        for kind, chart in marks
        if kind in kinds
    ]
    arrows = [
        base.transform_filter(f"datum.x_{name}_cut")
        .mark_point(style="arrow", filled=True, shape=f"triangle-{side}")
        .encode(x=alt.X(f"x_{name}:Q", title=title, scale=scale, axis=axis), y=y, color=color, tooltip=tooltip)
        for name, side in zip(("ci95_low", "ci95_high"), ("left", "right"), strict=True)
        if f"x_{name}_cut" in shown
    ]
    return alt.layer(
        bands.encode(x=x["band_low"], x2="x_band_high:Q", y=y),
        draw_headings(places),
        interval.encode(x=x["ci95_low"], x2="x_ci95_high:Q", y=y, color=color, tooltip=tooltip),
        *arrows,
        *points,
    ).properties(width=WIDTH, height=alt.Step(choose_step(len(places))))


def _spell_title(scores: pd.DataFrame, distance: Distance | None) -> str:
    """The title of the axis: `Test accuracy (share of images)`, `Test macro f1 (logarithmic towards 1)`."""
    words = str(scores.attrs["metric"]).replace("_", " ").capitalize()
    notes = [note for note in (scores.attrs["unit"], distance.note() if distance else "") if note]
    return f"{words} ({'; '.join(notes)})" if notes else words
