"""Contrasts with the baseline as a forest, and the audit as a waterfall."""

import altair as alt
import pandas as pd

from tune_app.analysis.t_tests import LEVEL
from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.layout import choose_step
from tune_app.export.figures.rows import add_places, build_rows_axis, draw_headings, list_places
from tune_app.export.figures.scales import build_effect_scale
from tune_app.export.figures.theme import WIDTH
from tune_app.study.metrics import SHARE

READINGS = ("difference decided (Holm, 5% level)", "not decided", "not tested")


def select_drawable(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The contrasts of the primary metric, the first one, that have an interval."""
    shown: pd.DataFrame = contrasts[
        (contrasts["metric"] == contrasts["metric"].iloc[0]) & contrasts["ci95_low"].notna()
    ]
    return shown


def build_forest_chart(contrasts: pd.DataFrame) -> Drawing:
    """Effect and 95% interval of each contrast, with zero and the region of practical equivalence behind them.

    `contrasts` has the columns of contrasts.csv; only those of the primary metric that have an interval are drawn, all
    on one axis. `heading` and `label`, where there are such columns, are what a row stands under and what it is called.
    """
    contrasts = select_drawable(contrasts)
    is_share = bool((contrasts["unit"] == SHARE).all())
    shown = contrasts[["row", "baseline_row", "method", "p_holm", "differs"]].copy()
    shown["heading"] = contrasts["heading"] if "heading" in contrasts else "Against " + contrasts["baseline_row"]
    shown["label"] = contrasts["label"] if "label" in contrasts else contrasts["row"]
    for name in ("effect", "ci95_low", "ci95_high", "rope"):
        shown[name] = contrasts[name].astype(float) * (100 if is_share else 1)
    shown["minus_rope"] = -shown["rope"]
    shown["reading"] = [read_contrast(p_holm) for p_holm in shown["p_holm"]]
    ends = [*shown["ci95_low"], *shown["ci95_high"]]
    scale, axis, note = build_effect_scale(shown["effect"], ends, float(shown["rope"].max()))
    metric = str(contrasts["metric"].iloc[0]).replace("_", " ")
    notes = "; ".join(filter(None, ("percentage points" if is_share else "", note)))
    title = [f"Difference in {metric}", *([f"({notes})"] if notes else [])]
    return _draw_forest(add_places(shown), title, scale, axis)


def read_contrast(p_holm: float | None) -> str:
    """What the figure says of a contrast, of `READINGS`."""
    return READINGS[2 if pd.isna(p_holm) else int(p_holm >= 1 - LEVEL)]


def _draw_forest(shown: pd.DataFrame, title: list[str], scale: alt.Scale, axis: alt.Axis) -> Drawing:
    places = list_places(shown)
    readings = [reading for reading in READINGS if (shown["reading"] == reading).any()]
    y = build_rows_axis(places)
    color = alt.Color("reading:N", title=None, scale=alt.Scale(domain=readings))
    shape = alt.Shape("reading:N", title=None, scale=alt.Scale(domain=readings))
    tooltip = [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("baseline_row:N", title="against"),
        alt.Tooltip("effect:Q", format="+.3f", title="effect"),
        alt.Tooltip("ci95_low:Q", format="+.3f", title="interval from"),
        alt.Tooltip("ci95_high:Q", format="+.3f", title="to"),
        alt.Tooltip("p_holm:Q", format=".3g", title="p after Holm"),
        alt.Tooltip("differs:N"),
        alt.Tooltip("method:N"),
    ]
    base = alt.Chart(build_data(shown.drop(columns=["minus_rope", "rope", "heading", "label"])))
    band = alt.Chart(build_data(shown[["minus_rope", "rope"]].drop_duplicates()))
    zero = alt.Chart(build_data(pd.DataFrame({"zero": [0]})))
    x = {
        name: alt.X(f"{name}:Q", title=title, scale=scale, axis=axis)
        for name in ("minus_rope", "zero", "ci95_low", "effect")
    }
    return alt.layer(
        band.mark_rect(style="rope").encode(x=x["minus_rope"], x2="rope:Q"),
        zero.mark_rule(style="zero").encode(x=x["zero"]),
        draw_headings(places),
        base.mark_rule(style="interval").encode(x=x["ci95_low"], x2="ci95_high:Q", y=y, color=color, tooltip=tooltip),
        base.mark_point(style="mean", filled=True).encode(
            x=x["effect"], y=y, color=color, shape=shape, tooltip=tooltip
        ),
    ).properties(width=WIDTH, height=alt.Step(choose_step(len(places))))


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
    y = alt.Y("step:N", title=None, sort=order, scale=alt.Scale(type="band", domain=order))
    directions = ["raises", "lowers", "score"]
    color = alt.Color("direction:N", title=None, scale=alt.Scale(domain=directions))
    tooltip = [
        alt.Tooltip("step:N"),
        alt.Tooltip("text:N", title="points"),
        alt.Tooltip("ci95_low:Q", format="+.3f", title="interval from"),
        alt.Tooltip("ci95_high:Q", format="+.3f", title="to"),
    ]
    # A share's interval may reach beyond what a score can be; the axis names scores alone.
    axis = alt.Axis(tickCount=8, labelExpr="datum.value < 0 || datum.value > 100 ? '' : datum.label")
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
    ).properties(width=WIDTH, height=alt.Step(choose_step(len(shown), 30)))
