"""Contrasts with the baseline as a forest, and the audit as a waterfall."""

import altair as alt
import pandas as pd

from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.theme import WIDTH
from tune_app.study.metrics import SHARE


def select_drawable(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The contrasts of the primary metric, the first one, that have an interval."""
    shown: pd.DataFrame = contrasts[
        (contrasts["metric"] == contrasts["metric"].iloc[0]) & contrasts["ci95_low"].notna()
    ]
    return shown


def build_forest_chart(contrasts: pd.DataFrame) -> alt.VConcatChart:
    """Effect and 95% interval of each contrast, with zero and the region of practical equivalence behind them.

    `contrasts` has the columns of contrasts.csv; only those of the primary metric that have an interval are drawn.
    Those that change one factor are a panel with an axis of its own, those that change more another.
    """
    contrasts = select_drawable(contrasts)
    metric = str(contrasts["metric"].iloc[0]).replace("_", " ")
    is_share = bool((contrasts["unit"] == SHARE).all())
    title = f"Difference in {metric}" + (" (percentage points)" if is_share else "")
    shown = contrasts[["method", "p_holm", "differs", "family"]].copy()
    shown["label"] = contrasts["row"] + " − " + contrasts["baseline_row"]
    for name in ("effect", "ci95_low", "ci95_high", "rope"):
        shown[name] = contrasts[name] * (100 if is_share else 1)
    shown["minus_rope"] = -shown["rope"]
    shown["outside"] = (shown["ci95_low"] > 0) | (shown["ci95_high"] < 0)
    shown["reading"] = shown["outside"].map({True: "interval without zero", False: "interval with zero"})
    families = [family for _, family in shown.groupby("family", sort=False)]
    panels = [_build_panel(family, title, is_named=len(families) > 1) for family in families]
    chart: alt.VConcatChart = alt.vconcat(*panels).resolve_legend(color="shared", shape="shared")
    return chart


def _build_panel(shown: pd.DataFrame, title: str, is_named: bool) -> Drawing:
    labels = list(dict.fromkeys(shown["label"]))
    lines = "[split(datum.label, ' − ')[0], '− ' + split(datum.label, ' − ')[1]]"
    y = alt.Y("label:N", title=None, sort=labels, axis=alt.Axis(labelExpr=lines, labelLineHeight=12, labelOffset=-5))
    readings = ["interval without zero", "interval with zero"]
    color = alt.Color("reading:N", title=None, scale=alt.Scale(domain=readings))
    shape = alt.Shape("reading:N", title=None, scale=alt.Scale(domain=readings))
    tooltip = [
        alt.Tooltip("label:N", title="contrast"),
        alt.Tooltip("effect:Q", format="+.3f", title="effect"),
        alt.Tooltip("ci95_low:Q", format="+.3f", title="interval from"),
        alt.Tooltip("ci95_high:Q", format="+.3f", title="to"),
        alt.Tooltip("p_holm:Q", format=".3g", title="p after Holm"),
        alt.Tooltip("differs:N"),
        alt.Tooltip("method:N"),
    ]
    base = alt.Chart(build_data(shown))
    band = alt.Chart(build_data(shown[["minus_rope", "rope"]].drop_duplicates()))
    zero = alt.Chart(build_data(pd.DataFrame({"zero": [0]})))
    x = alt.X("minus_rope:Q", title=title, scale=alt.Scale(padding=10))
    low, effect = alt.X("ci95_low:Q", title=title), alt.X("effect:Q", title=title)
    chart = alt.layer(
        band.mark_rect(style="rope").encode(x=x, x2="rope:Q"),
        zero.mark_rule(style="zero").encode(x=alt.X("zero:Q", title=title)),
        base.mark_rule(style="interval").encode(x=low, x2="ci95_high:Q", y=y, color=color, tooltip=tooltip),
        base.mark_point(style="mean", filled=True).encode(x=effect, y=y, color=color, shape=shape, tooltip=tooltip),
    ).properties(width=WIDTH, height=alt.Step(34))
    heading = f"{str(shown['family'].iloc[0]).capitalize()} changed"
    return chart.properties(title=alt.TitleParams(heading, fontSize=12)) if is_named else chart


def build_waterfall_chart(steps: pd.DataFrame) -> Drawing:
    """From one score to another, step by step, downwards.

    Columns: step (the label), kind (`total` or `change`), points (percentage points of test accuracy: the score of a
    total, the signed difference of a change), ci95_low and ci95_high (of `points`; missing for none). The first row is
    a total; a change starts where the row before it ends, a total stands on its own.
    """
    shown = steps.copy()
    ends: list[float] = []
    starts: list[float] = []
    for row in steps.itertuples():
        starts.append(float(row.points) if row.kind == "total" else ends[-1])  # type: ignore[arg-type]
        ends.append(float(row.points) if row.kind == "total" else ends[-1] + float(row.points))  # type: ignore[arg-type]
    shown["start"], shown["end"] = starts, ends
    shown["low"] = shown["end"] + shown["ci95_low"] - shown["points"]
    shown["high"] = shown["end"] + shown["ci95_high"] - shown["points"]
    shown["sort"] = range(len(shown))
    shown["next"] = shown["step"].shift(-1)
    shown["direction"] = "score"
    shown.loc[shown["kind"] == "change", "direction"] = (shown["points"] < 0).map({True: "lowers", False: "raises"})
    shown["text"] = [
        f"{p:.2f}" if kind == "total" else f"{p:+.2f}".replace("-", "−")
        for p, kind in zip(shown["points"], shown["kind"], strict=True)
    ]
    shown["right"] = shown[["start", "end", "high"]].max(axis=1)
    return _draw_waterfall(shown)


def _draw_waterfall(shown: pd.DataFrame) -> Drawing:
    title = "Test accuracy (%)"
    order = list(shown["step"])
    base = alt.Chart(build_data(shown))
    y = alt.Y("step:N", title=None, sort=order, scale=alt.Scale(domain=order))
    directions = ["raises", "lowers", "score"]
    color = alt.Color("direction:N", title=None, scale=alt.Scale(domain=directions))
    tooltip = [
        alt.Tooltip("step:N"),
        alt.Tooltip("text:N", title="points"),
        alt.Tooltip("ci95_low:Q", format="+.3f", title="interval from"),
        alt.Tooltip("ci95_high:Q", format="+.3f", title="to"),
    ]
    axis = alt.Axis(tickCount=8)
    x = alt.X("start:Q", title=title, scale=alt.Scale(zero=False, padding=46), axis=axis)
    end, low, right = (alt.X(f"{name}:Q", title=title, axis=axis) for name in ("end", "low", "right"))
    changes = base.transform_filter("datum.kind === 'change'").mark_bar(style="bar", height={"band": 0.6})
    totals = base.transform_filter("datum.kind === 'total'").mark_point(style="mean", filled=True, shape="diamond")
    connectors = base.transform_filter("isValid(datum.next)").mark_rule(style="connector")
    whiskers = base.transform_filter("isValid(datum.low)").mark_rule(style="whisker")
    return alt.layer(
        connectors.encode(x=end, y=y, y2="next:N"),
        changes.encode(x=x, x2="end:Q", y=y, color=color, tooltip=tooltip),
        whiskers.encode(x=low, x2="high:Q", y=y),
        totals.encode(x=x, y=y, color=color, tooltip=tooltip),
        base.mark_text(style="value", align="left", dx=8).encode(x=right, y=y, text="text:N"),
    ).properties(width=WIDTH, height=alt.Step(30))
