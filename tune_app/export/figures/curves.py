"""Learning curves, per condition and per trial."""

from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd

from tune_app.analysis.curves import SPLITS
from tune_app.export.figures.figure import ROWS, Filled, build_data, build_values
from tune_app.export.figures.layout import GAP, HEADER, PANEL, break_heading
from tune_app.export.figures.theme import DASHES, SHAPES

DIGITS = 4  # of the values of single fits, of which there are many
LOSS_TICKS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]


def _spell_title(curves: pd.DataFrame, metric: str) -> str:
    """`Loss (nats per image)`, or the metric alone where it has no unit."""
    unit = curves.attrs["units"].get(metric, "")
    return metric.replace("_", " ").capitalize() + (f" ({unit})" if unit else "")


def _axes(last: int, metric: str, column: str, title: str) -> tuple[alt.X, alt.Y]:
    """Axes for epochs up to `last`."""
    epochs = list(range(1, last + 1, 1 + (last - 1) // 8))
    scale = alt.Scale(type="log", nice=False) if metric == "loss" else alt.Scale(zero=False)
    axis = alt.Axis(format="~g", values=LOSS_TICKS) if metric == "loss" else alt.Axis(tickCount=5)
    across = alt.Axis(values=epochs, format="d", grid=False)
    return (
        alt.X("epoch:Q", title="Epoch", scale=alt.Scale(nice=False, zero=False, padding=6), axis=across),
        alt.Y(f"{column}:Q", title=title, scale=scale, axis=axis),
    )


def _draw_lines(base: alt.Chart, last: int, metric: str, title: str, tooltip: list[alt.Tooltip]) -> alt.Chart:
    x, y = _axes(last, metric, "value", title)
    return base.encode(
        x=x,
        y=y,
        color=alt.Color("split:N", title=None, scale=alt.Scale(domain=list(SPLITS))),
        strokeDash=alt.StrokeDash("split:N", title=None, scale=alt.Scale(domain=list(SPLITS), range=DASHES[:2])),
        shape=alt.Shape("split:N", title=None, scale=alt.Scale(domain=list(SPLITS), range=SHAPES[:2])),
        tooltip=tooltip,
    )


def build_curves_chart(curves: pd.DataFrame, metric: str) -> alt.FacetChart:
    """Mean over fits by epoch with a band from the lowest to the highest, a panel for each condition.

    `curves` as `analysis.curves.build_curves` gives it; `metric` is accuracy or loss.
    """
    shown = curves[curves["metric"] == metric].drop(columns="metric").rename(columns={"mean": "value"})
    tooltip = [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("split:N", title=f"{curves.attrs['sample']}s"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("value:Q", title="mean", format=".4f"),
        alt.Tooltip("low:Q", title="lowest", format=".4f"),
        alt.Tooltip("high:Q", title="highest", format=".4f"),
        alt.Tooltip("fits:Q"),
    ]
    last, title = int(shown["epoch"].max()), _spell_title(curves, metric)
    lines = _draw_lines(alt.Chart().mark_line(point=alt.OverlayMarkDef(size=38)), last, metric, title, tooltip)
    x, y = _axes(last, metric, "low", title)
    color = alt.Color("split:N", title=None, scale=alt.Scale(domain=list(SPLITS)))
    band = alt.Chart().mark_area(style="band", line=False, point=False).encode(x=x, y=y, y2="high:Q", color=color)
    shown["heading"] = shown["row"].map(lambda row: break_heading(row, PANEL - GAP))
    headings = list(dict.fromkeys(shown["heading"]))
    facet = alt.Facet("heading:N", title=None, sort=headings, header=alt.Header(**HEADER))
    return (
        alt.layer(band, lines, data=build_data(shown))
        .properties(width=PANEL - GAP, height=110)
        .facet(facet=facet, columns=4, spacing={"row": 12, "column": GAP})
    )


def build_fit_curves_chart(curves: pd.DataFrame, metric: str) -> Filled:
    """A line for each fold of one trial; `curves` as `analysis.curves.build_fit_curves` gives it."""
    shown = curves[curves["metric"] == metric][["fold", "epoch", "split", "value"]]
    template = _build_fit_curves_template(
        int(shown["epoch"].max()), metric, _spell_title(curves, metric), curves.attrs["sample"]
    )
    return Filled(template, build_values(shown, DIGITS))


@lru_cache(maxsize=64)
def _build_fit_curves_template(last: int, metric: str, title: str, sample: str) -> dict[str, Any]:
    tooltip = [
        alt.Tooltip("fold:Q"),
        alt.Tooltip("split:N", title=f"{sample}s"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("value:Q", title=metric, format=".4f"),
    ]
    lines = alt.Chart(alt.NamedData(ROWS)).mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=1.2)
    chart = _draw_lines(lines, last, metric, title, tooltip).encode(detail="fold:N").properties(width=240, height=150)
    return chart.to_dict(validate=False)
