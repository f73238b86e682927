"""ROC and precision-recall curves, a panel for each condition, with the baseline's beside it."""

import math
from typing import Any

import altair as alt
import pandas as pd

from tune_app.analysis.thresholds import ROC
from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.layout import GAP, HEADER, PANEL, break_heading
from tune_app.export.figures.theme import DASHES

AXES = {ROC: ("False-positive rate", "True-positive rate")}
RECALL = ("Recall", "Precision")
WHOLE = 0.995  # of a rate that is about 1
KINDS = ("mean over fits", "baseline's mean")


def build_thresholds_chart(curves: pd.DataFrame, kind: str, baseline: str | None) -> Drawing:
    """The mean curve of each condition with a band from the lowest to the highest fit, and the baseline's mean.

    `curves` as `analysis.thresholds.build_threshold_curves` gives it, of one `kind`; `baseline` is the label of a row.
    """
    of_baseline = curves[curves["row"] == baseline].set_index("x")["mean"]
    shown = curves.drop(columns="curve").assign(kind=KINDS[0])
    others = shown.assign(mean=shown["x"].map(of_baseline), low=None, high=None, kind=KINDS[1])
    whole = pd.concat([shown, others[(others["row"] != baseline) & others["mean"].notna()].astype(shown.dtypes)])
    whole["heading"] = whole["row"].map(lambda row: break_heading(row, PANEL - GAP))
    headings = list(dict.fromkeys(whole["heading"]))
    across, up = AXES.get(kind, RECALL)
    last, least = find_ends(curves, kind)
    whole = whole[whole["x"] <= last]
    ticks: dict[str, Any] = {"tickCount": 4, "format": "~g"}
    x = alt.X("x:Q", title=across, scale=alt.Scale(domain=[0, last], nice=False), axis=alt.Axis(**ticks))
    up_scale = alt.Scale(domain=[least, 1], nice=False)
    y, low = (alt.Y(f"{name}:Q", title=up, scale=up_scale, axis=alt.Axis(**ticks)) for name in ("mean", "low"))
    kinds = [name for name in KINDS if (whole["kind"] == name).any()]
    legend = alt.Legend(symbolType="stroke", symbolStrokeWidth=2)
    color = alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds), legend=legend)
    dash = alt.StrokeDash("kind:N", title=None, scale=alt.Scale(domain=kinds, range=DASHES[: len(kinds)]))
    tooltip = [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("x:Q", title=across.lower(), format=".2f"),
        alt.Tooltip("mean:Q", title=f"mean {up.lower()}", format=".3f"),
        alt.Tooltip("low:Q", title="lowest", format=".3f"),
        alt.Tooltip("high:Q", title="highest", format=".3f"),
        alt.Tooltip("fits:Q"),
    ]
    band = alt.Chart().transform_filter("isValid(datum.low)").mark_area(style="band", line=False, point=False)
    line = alt.Chart().mark_line(strokeWidth=1.8)
    facet = alt.Facet("heading:N", title=None, sort=headings, header=alt.Header(**HEADER))
    return (
        alt.layer(
            band.encode(x=x, y=low, y2="high:Q", color=color),
            line.encode(x=x, y=y, color=color, strokeDash=dash, tooltip=tooltip),
            data=build_data(whole),
        )
        .properties(width=PANEL - GAP, height=PANEL)
        .facet(facet=facet, columns=4, spacing={"row": 12, "column": GAP})
    )


def find_ends(curves: pd.DataFrame, kind: str) -> tuple[float, float]:
    """Where the axes end: the last x, beyond which every fit's true-positive rate is about 1, and the least y."""
    least = math.floor(10 * float(curves["low"].min()) + 1e-9) / 10
    if kind != ROC:
        return 1.0, min(least, 0.9)
    below = curves.loc[curves["low"] < WHOLE, "x"]
    last = 0.1 if below.empty else math.ceil(10 * float(below.max()) + 1e-9) / 10
    return min(1.0, max(0.1, last)), min(least, 0.9)
