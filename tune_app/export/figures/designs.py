"""What the components of a design do, as bars with intervals, and how two of them go together, as crossing lines."""

from collections.abc import Hashable
from typing import Any

import altair as alt
import pandas as pd

from tune_app.analysis.design_sentences import choose_decimals
from tune_app.analysis.designs import ADD_IN, INTERACTION, LEAVE_OUT, MAIN, MEAN_OF_BOTH, OWED, SHAPLEY
from tune_app.export.figures.figure import Drawing, Figure, build_data
from tune_app.export.figures.layout import GAP, HEADER, choose_step
from tune_app.export.figures.rows import add_places, build_rows_axis, draw_headings, list_places
from tune_app.export.figures.theme import DASHES, WIDTH
from tune_app.export.figures.titles import title_effects, title_interactions

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
READINGS = ("interval without zero", "interval with zero", "no interval")
COLUMNS = 3  # panels beside each other


def build_design_figures(
    effects: pd.DataFrame, cells: pd.DataFrame, metric: str = "test accuracy", scale: float = 100, axis: str = EFFECT
) -> list[Figure]:
    """The figures of a design; one that has nothing to draw is left out.

    `effects` as `build_design_effects` gives them, `cells` as `build_interaction_cells`; `scale` turns scores of
    `metric` into what `axis` says.
    """
    figures = []
    if not select_attributions(effects).empty:
        caption = f"Each bar is an effect on {metric}, the line across its end the 95% interval over paired folds."
        chart = build_attribution_chart(effects, axis, scale)
        drawn = select_attributions(effects)
        family = next(family for family in HEADINGS if (drawn["family"] == family).any())
        unit = " points" if "percentage points" in axis else ""
        title = title_effects(drawn[drawn["family"] == family].to_dict("records"), scale, unit)
        figures.append(Figure("attribution", title.format(metric=metric), caption, chart))
    if not cells.empty:
        caption = (
            f"Mean {metric} by the sides of two components; parallel lines are no interaction. Above each panel: "
            "how much larger the first one's effect is with the second than without it, with its 95% interval."
        )
        title = SCORE if metric == "test accuracy" else f"{metric.capitalize()}{' (%)' if scale == 100 else ''}"
        chart = build_interaction_chart(cells, title, scale)
        figures.append(Figure("interactions", title_interactions(cells), caption, chart))
    return figures


def select_attributions(effects: pd.DataFrame) -> pd.DataFrame:
    """The effects that are drawn as bars: those with a number."""
    return effects[effects["family"].isin(HEADINGS) & effects["estimate"].notna()]


def build_attribution_chart(effects: pd.DataFrame, title: str = EFFECT, scale: float = 100) -> Drawing:
    """Bars under a heading for each family of effects, each with its 95% interval, on one axis with zero.

    `effects` has the columns of `build_design_effects`; `scale` turns its scores into what `title` says.
    """
    effects = select_attributions(effects)
    shown = effects[["component", "p_holm", "n_pairs", "aliased_with"]].copy()
    for name in ("estimate", "ci95_low", "ci95_high"):
        shown[name] = effects[name] * scale
    shown["heading"], shown["label"] = effects["family"].map(HEADINGS), effects["component"]
    outside = (shown["ci95_low"] > 0) | (shown["ci95_high"] < 0)
    shown["reading"] = outside.map({True: READINGS[0], False: READINGS[1]})
    shown.loc[shown["ci95_low"].isna(), "reading"] = READINGS[2]
    order = list(HEADINGS.values())
    shown = shown.sort_values("heading", key=lambda headings: headings.map(order.index), kind="stable")
    return _draw_attributions(add_places(shown), title)


def _draw_attributions(shown: pd.DataFrame, title: str) -> Drawing:
    readings = [reading for reading in READINGS if (shown["reading"] == reading).any()]
    places = list_places(shown)
    opacities = [0.9 if reading == READINGS[0] else 0.35 for reading in readings]
    color = alt.Color("reading:N", title=None, scale=alt.Scale(domain=readings))
    opacity = alt.Opacity("reading:N", title=None, scale=alt.Scale(domain=readings, range=opacities))
    tooltip = [
        alt.Tooltip("component:N"),
        alt.Tooltip("estimate:Q", format="+.3f", title="effect"),
        alt.Tooltip("ci95_low:Q", format="+.3f", title="interval from"),
        alt.Tooltip("ci95_high:Q", format="+.3f", title="to"),
        alt.Tooltip("p_holm:Q", format=".3g", title="p after Holm"),
        alt.Tooltip("n_pairs:Q", title="pairs"),
        alt.Tooltip("aliased_with:N", title="aliased with"),
    ]
    y = build_rows_axis(places)
    end, low, zero = (
        alt.X(f"{name}:Q", title=title, scale=alt.Scale(padding=12, nice=False))
        for name in ("estimate", "ci95_low", "zero")
    )
    base = alt.Chart(build_data(shown.drop(columns="label")))
    return alt.layer(
        base.mark_bar(style="bar", height={"band": 0.62}).encode(
            x=end, x2=alt.datum(0), y=y, color=color, opacity=opacity, tooltip=tooltip
        ),
        alt.Chart(build_data(pd.DataFrame({"zero": [0]}))).mark_rule(style="zero").encode(x=zero),
        base.transform_filter("isValid(datum.ci95_low)")
        .mark_rule(style="whisker")
        .encode(x=low, x2="ci95_high:Q", y=y),
        draw_headings(places),
    ).properties(width=WIDTH, height=alt.Step(choose_step(len(places))))


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
    header = alt.Header(**HEADER)
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
