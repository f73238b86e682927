"""How verdicts came about: each claim's interval from look to look, against the effects that it allows."""

from typing import Any

import altair as alt
import pandas as pd

from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.layout import HEADER, MARGIN, break_heading
from tune_app.study.metrics import SHARE

ROOM = 3.0  # half-widths of the last interval that a panel shows beyond the effects
COLUMNS = 2  # panels beside each other
PANEL_WIDTH = 250  # about, once it is fitted
BESIDE = 40  # pixels of the next panel's axis that a heading may reach across


def build_looks_chart(looks: pd.DataFrame) -> Drawing:
    """A panel per claim: effect and adjusted interval by replicates, the effects claimed as a band.

    `looks` has the columns of looks.csv. What reaches beyond a panel ends at its border.
    """
    ends = looks["replicates"].min() - 0.5, looks["replicates"].max() + 0.5
    shown = pd.concat([_fit_panel(path, *ends) for _, path in looks.groupby("sentence", sort=False)])
    shown["heading"] = shown["sentence"].map(lambda sentence: break_heading(sentence, PANEL_WIDTH + BESIDE))
    headings = list(dict.fromkeys(shown["heading"]))
    rows = -(-len(headings) // COLUMNS)
    lines = max(heading.count("|") + 1 for heading in headings)
    chart: Drawing = (
        _draw_panels(shown, "Effect (points)" if set(looks["unit"]) == {SHARE} else "Effect")
        .properties(width=PANEL_WIDTH, height=max(50, 500 // rows - 13 * lines - 34))
        .facet(
            facet=alt.Facet(
                "heading:N",
                title=None,
                sort=headings,
                header=alt.Header(**HEADER, labelFontSize=11, labelAnchor="start"),
            ),
            columns=COLUMNS,
            spacing={"row": 13 * lines + 34, "column": MARGIN - 8},
            bounds="flush",  # so that panels stand in line, whatever their axes and headings need
        )
        .resolve_scale(y="independent")
    )
    return chart


def _draw_panels(shown: pd.DataFrame, title: str) -> Any:  # a chart of layers, which altair declares as more
    x = alt.X(
        "replicates:Q",
        title="Replicates",
        axis=alt.Axis(tickMinStep=1),
        scale=alt.Scale(zero=False, nice=False, padding=12),
    )
    readings = ["undecided", *sorted(set(shown["verdict"]) - {"undecided"})]
    color = alt.Color("verdict:N", title=None, scale=alt.Scale(domain=readings))
    shape = alt.Shape("verdict:N", title=None, scale=alt.Scale(domain=readings))
    tooltip = [
        alt.Tooltip("look:Q"),
        alt.Tooltip("replicates:Q"),
        alt.Tooltip("effect:Q", format="+.3f"),
        alt.Tooltip("adjusted_low:Q", format="+.3f", title="adjusted interval from"),
        alt.Tooltip("adjusted_high:Q", format="+.3f", title="to"),
        alt.Tooltip("p_spent:Q", format=".2g", title="error rate spent"),
        alt.Tooltip("verdict:N"),
    ]
    base = alt.Chart(build_data(shown))
    axis = alt.Axis(tickCount=3)  # by itself a low panel may have a single one, which is no scale
    y = alt.Y("effect:Q", title=title, axis=axis, scale=alt.Scale(zero=False, nice=False, padding=4))
    return alt.layer(
        base.mark_rect(style="rope").encode(
            x=alt.X("from:Q", title="Replicates"),
            x2="to:Q",
            y=alt.Y("region_low:Q", title=title),
            y2="region_high:Q",
        ),
        base.mark_line(style="connector").encode(x=x, y=y),
        base.mark_rule(style="interval").encode(
            x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=color, tooltip=tooltip
        ),
        base.mark_point(style="mean", filled=True, size=70).encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip),
    )


def _fit_panel(path: pd.DataFrame, begin: float, end: float) -> pd.DataFrame:
    """The rows of one claim, with ends cut to what the last looks make worth seeing; one row has the band."""
    scale = 100 if (path["unit"] == SHARE).all() else 1
    last = path.iloc[-1]
    room = ROOM * (last["high"] - last["low"]) / 2
    edges = [edge for edge in (last["region_low"], last["region_high"]) if pd.notna(edge)]
    bottom = min([path["effect"].min(), *edges]) - room
    top = max([path["effect"].max(), *edges]) + room
    rows = path[["sentence", "look", "replicates", "p_spent", "verdict"]].copy()
    rows["effect"] = path["effect"] * scale
    for name in ("low", "high"):
        rows[f"adjusted_{name}"] = path[name] * scale
        rows[name] = path[name].clip(bottom, top) * scale
    is_first = path["look"] == path["look"].iloc[0]
    ends = {"region_low": bottom, "region_high": top}
    for name, border in ends.items():
        edge = last[name] if pd.notna(last[name]) else border
        rows[name] = pd.Series(edge * scale, index=path.index).where(is_first)
    rows["from"] = pd.Series(begin, index=path.index).where(is_first)
    rows["to"] = pd.Series(end, index=path.index).where(is_first)
    return rows
