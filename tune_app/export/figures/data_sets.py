"""The critical-difference diagram: average ranks over data sets, and which conditions are not told apart."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.layout import choose_step
from tune_app.export.figures.theme import WIDTH

TITLE = "average rank (1 is best)"
WIDE, TOGETHER = "critical difference", "not told apart"


def find_cliques(average_ranks: Mapping[str, float], critical_difference: float) -> list[tuple[str, ...]]:
    """The largest sets of two conditions or more whose average ranks are all within the critical difference."""
    names = sorted(average_ranks, key=lambda name: average_ranks[name])
    found: list[tuple[str, ...]] = []
    for start, name in enumerate(names):
        end = max(
            i for i in range(start, len(names)) if average_ranks[names[i]] - average_ranks[name] <= critical_difference
        )
        if end > start and not (found and names[end] in found[-1]):
            found.append(tuple(names[start : end + 1]))
    return found


def build_critical_difference_chart(average_ranks: Mapping[str, float], critical_difference: float) -> Drawing:
    """Each condition's average rank, the best on top; bars below join conditions that are not told apart (Demšar 2006).

    Above them the length of the critical difference itself. `average_ranks` has three conditions or more.
    """
    names = sorted(average_ranks, key=lambda name: average_ranks[name])
    cliques = find_cliques(average_ranks, critical_difference)
    rows = [f"{TOGETHER} {number}" for number in range(1, len(cliques) + 1)]
    bars = pd.DataFrame(
        {
            "row": [WIDE, *rows],
            "low": [1.0, *(average_ranks[clique[0]] for clique in cliques)],
            "high": [1 + critical_difference, *(average_ranks[clique[-1]] for clique in cliques)],
            "text": [f"{critical_difference:.2f}", *("" for _ in cliques)],
            "kind": [WIDE, *(TOGETHER for _ in cliques)],
        }
    )
    ranks = pd.DataFrame({"row": names, "rank": [average_ranks[name] for name in names]})
    last = {name: row for row, clique in zip(rows, cliques, strict=True) for name in clique}
    ranks["last"] = [last.get(name, name) for name in names]
    ranks["text"] = [f"{average_ranks[name]:.2f}" for name in names]
    return _draw(ranks, bars, [WIDE, *names, *rows])


def _draw(ranks: pd.DataFrame, bars: pd.DataFrame, rows: list[str]) -> Drawing:
    scale = alt.Scale(domain=[1, len(ranks)], nice=False, padding=20)
    axis = alt.Axis(orient="top", tickMinStep=1)
    rank, low = (alt.X(f"{name}:Q", title=TITLE, scale=scale, axis=axis) for name in ("rank", "low"))
    bar = f"indexof(datum.label, '{TOGETHER} ') === 0"
    label = f"{bar} ? (datum.label === '{TOGETHER} 1' ? '{TOGETHER}' : '') : datum.label"
    labels = alt.Axis(labelExpr=label, ticks=False)
    y = alt.Y("row:N", title=None, sort=rows, scale=alt.Scale(type="band", domain=rows), axis=labels)
    conditions, lines = alt.Chart(build_data(ranks)), alt.Chart(build_data(bars))
    kinds = ["average rank", WIDE, TOGETHER]
    color = alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds), legend=None)
    tooltip = [alt.Tooltip("row:N", title="condition"), alt.Tooltip("rank:Q", format=".3f", title="average rank")]
    return alt.layer(
        conditions.mark_rule(style="connector").encode(x=rank, y=y, y2="last:N"),
        lines.mark_rule(style="interval", strokeWidth=4, strokeCap="round").encode(
            x=low, x2="high:Q", y=y, color=color
        ),
        lines.mark_text(style="note", align="left", dx=8).encode(x=alt.X("high:Q", title=TITLE), y=y, text="text:N"),
        conditions.mark_point(style="mean", filled=True).encode(
            x=rank, y=y, color=alt.ColorDatum("average rank"), tooltip=tooltip
        ),
        conditions.mark_text(style="value", align="left", dx=10).encode(x=rank, y=y, text="text:N"),
    ).properties(width=WIDTH, height=alt.Step(choose_step(len(rows), 26)))
