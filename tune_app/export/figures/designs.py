"""What the components of a design do, as bars with intervals, and how two of them go together, as crossing lines."""

from collections.abc import Hashable
from typing import Any

import altair as alt
import pandas as pd

from tune_app.analysis.design_sentences import choose_decimals
from tune_app.analysis.designs import ADD_IN, INTERACTION, LEAVE_OUT, MAIN, MEAN_OF_BOTH, OWED, SHAPLEY
from tune_app.export.figures.figure import Drawing, Figure, build_data
from tune_app.export.figures.theme import DASHES, WIDTH

EFFECT = "Effect on test accuracy (percentage points)"
SCORE = "Test accuracy (%)"
# The families that are drawn, in the order of the figure; a panel's heading says what is compared.
HEADINGS = {
    SHAPLEY: "Shapley value: share of full − base",
    MAIN: "Main effect: with − without, averaged over the others",
    INTERACTION: "Interaction: effect with the other − effect without it",
    LEAVE_OUT: "Leaving out: full − full without it",
    ADD_IN: "Adding in: base with it − base",
    MEAN_OF_BOTH: "Mean of leaving out and adding in",
    OWED: "Owed to the others: leaving out − adding in",
}
COLUMNS = 3  # panels beside each other
GAP = 26


def build_design_figures(effects: pd.DataFrame, cells: pd.DataFrame) -> list[Figure]:
    """The figures of a design on test accuracy; one that has nothing to draw is left out.

    `effects` as `build_design_effects` gives them, `cells` as `build_interaction_cells`.
    """
    figures = []
    if not select_attributions(effects).empty:
        caption = "Each bar is an effect on test accuracy, the line across its end the 95% interval over paired folds."
        figures.append(Figure("attribution", "What each component does", caption, build_attribution_chart(effects)))
    if not cells.empty:
        caption = (
            "Mean test accuracy by the sides of two components; parallel lines are no interaction. Above each panel: "
            "how much larger the first one's effect is with the second than without it, with its 95% interval."
        )
        figures.append(Figure("interactions", "How components go together", caption, build_interaction_chart(cells)))
    return figures


def select_attributions(effects: pd.DataFrame) -> pd.DataFrame:
    """The effects that are drawn as bars: those with a number."""
    return effects[effects["family"].isin(HEADINGS) & effects["estimate"].notna()]


def build_attribution_chart(effects: pd.DataFrame, title: str = EFFECT, scale: float = 100) -> Drawing:
    """A panel of bars per family of effects, each bar with its 95% interval, on one axis with zero.

    `effects` has the columns of `build_design_effects`; `scale` turns its scores into what `title` says.
    """
    effects = select_attributions(effects)
    shown = effects[["component", "p_holm", "n_pairs", "aliased_with"]].copy()
    for name in ("estimate", "ci95_low", "ci95_high"):
        shown[name] = effects[name] * scale
    shown["heading"] = effects["family"].map(HEADINGS)
    outside = (shown["ci95_low"] > 0) | (shown["ci95_high"] < 0)
    shown["reading"] = outside.map({True: "interval without zero", False: "interval with zero"})
    shown.loc[shown["ci95_low"].isna(), "reading"] = "no interval"
    shown["zero"] = 0
    return _draw_attributions(shown, title)


def _draw_attributions(shown: pd.DataFrame, title: str) -> Drawing:
    readings = ["interval without zero", "interval with zero", "no interval"]
    readings = readings[:2] if "no interval" not in set(shown["reading"]) else readings
    components = list(dict.fromkeys(shown["component"]))
    headings = [heading for heading in HEADINGS.values() if heading in set(shown["heading"])]
    color = alt.Color("reading:N", title=None, scale=alt.Scale(domain=readings))
    opacity = alt.Opacity(
        "reading:N", title=None, scale=alt.Scale(domain=readings, range=[0.9, 0.35, 0.35][: len(readings)])
    )
    tooltip = [
        alt.Tooltip("component:N"),
        alt.Tooltip("estimate:Q", format="+.3f", title="effect"),
        alt.Tooltip("ci95_low:Q", format="+.3f", title="interval from"),
        alt.Tooltip("ci95_high:Q", format="+.3f", title="to"),
        alt.Tooltip("p_holm:Q", format=".3g", title="p after Holm"),
        alt.Tooltip("n_pairs:Q", title="pairs"),
        alt.Tooltip("aliased_with:N", title="aliased with"),
    ]
    y = alt.Y("component:N", title=None, sort=components)
    end, low = (
        alt.X(f"{name}:Q", title=title, scale=alt.Scale(padding=12, nice=False)) for name in ("estimate", "ci95_low")
    )
    base = alt.Chart()
    layers = alt.layer(
        base.mark_bar(style="bar", height={"band": 0.62}).encode(
            x=end, x2=alt.datum(0), y=y, color=color, opacity=opacity, tooltip=tooltip
        ),
        base.mark_rule(style="zero").encode(x=alt.X("zero:Q", title=title)),
        base.transform_filter("isValid(datum.ci95_low)")
        .mark_rule(style="whisker")
        .encode(x=low, x2="ci95_high:Q", y=y),
        data=build_data(shown),
    ).properties(width=WIDTH, height=alt.Step(24))
    row = alt.Row("heading:N", title=None, sort=headings, header=alt.Header(orient="top", labelAnchor="start"))
    chart: alt.FacetChart = layers.facet(row=row, spacing=14).resolve_scale(y="independent")
    return chart


def build_interaction_chart(
    cells: pd.DataFrame, title: str = SCORE, scale: float = 100, unit: str = "points"
) -> Drawing:
    """A panel per pair of components: the mean score without and with the first, a line for either side of the second.

    `cells` has the columns of `build_interaction_cells`. Parallel lines are no interaction; the panel's heading has the
    pairs that it is aliased with, the estimate, which is paired, and its 95% interval.
    """
    shown = cells[["first_side", "second_side", "first", "second"]].copy()
    shown["mean"] = cells["mean"] * scale
    decimals = choose_decimals(cells, scale)
    shown["heading"] = [_spell_heading(row, scale, unit, decimals) for row in cells.to_dict("records")]
    shown["line"] = cells["second_side"].map({"with": "with the second", "without": "without the second"})
    return _draw_interactions(shown, title)


def _spell_heading(row: dict[Hashable, Any], scale: float, unit: str, decimals: int) -> str:
    estimate, low, high = (
        f"{round(row[name] * scale, decimals) + 0.0:{sign}.{decimals}f}".replace("-", "−")
        for name, sign in (("estimate", "+"), ("ci95_low", ""), ("ci95_high", ""))
    )
    interval = "" if pd.isna(row["ci95_low"]) else f" ({low} to {high})"
    aliases = [f"or {alias.replace(':', ' × ')}" for alias in row["aliased_with"].split(", ") if alias]
    return "|".join([f"{row['first']} × {row['second']}", *aliases, f"{estimate} {unit}{interval}"])


def _draw_interactions(shown: pd.DataFrame, title: str) -> Drawing:
    domain = ["without the second", "with the second"]
    color = alt.Color("line:N", title=None, scale=alt.Scale(domain=domain))
    shape = alt.Shape("line:N", title=None, scale=alt.Scale(domain=domain))
    x = alt.X(
        "first_side:N",
        title="first component",
        sort=["without", "with"],
        axis=alt.Axis(labelAngle=0),
        scale=alt.Scale(padding=0.4),
    )
    y = alt.Y("mean:Q", title=title, scale=alt.Scale(zero=False, padding=8))
    tooltip = [
        alt.Tooltip("first:N"),
        alt.Tooltip("first_side:N", title="side"),
        alt.Tooltip("second:N"),
        alt.Tooltip("second_side:N", title="side"),
        alt.Tooltip("mean:Q", format=".3f"),
    ]
    base = alt.Chart().encode(x=x, y=y, color=color, tooltip=tooltip)
    # A dash that were an encoding would be drawn around the legend's symbols too.
    lines = [
        base.transform_filter(f"datum.line === '{line}'").mark_line(style="interval", strokeDash=dash)
        for line, dash in zip(domain, DASHES[1::-1], strict=True)
    ]
    headings = list(dict.fromkeys(shown["heading"]))
    header = alt.Header(labelExpr="split(datum.value, '|')", labelLineHeight=15)
    width = (WIDTH - (COLUMNS - 1) * GAP) / COLUMNS
    return (
        alt.layer(
            *lines,
            base.mark_point(style="mean", filled=True).encode(shape=shape),
            data=build_data(shown),
        )
        .properties(width=width, height=150)
        .facet(facet=alt.Facet("heading:N", title=None, sort=headings, header=header), columns=COLUMNS, spacing=GAP)
    )
