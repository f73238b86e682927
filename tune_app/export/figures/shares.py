"""What the error of each condition's mean is made of, where its interval is the crossed one."""

import altair as alt
import pandas as pd

from tune_app.analysis.conditions import build_condition
from tune_app.analysis.contrast_rows import SHARES
from tune_app.analysis.labels import build_rows
from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.layout import choose_step
from tune_app.export.figures.rows import add_places, build_rows_axis, draw_headings, label_rows, list_places
from tune_app.export.figures.theme import WIDTH
from tune_app.records.results import Results


def build_shares(results: Results) -> pd.DataFrame:
    """One row per condition and source: row, its heading and label, source (as in `SHARES`), its place, share, text."""
    labels, marks = label_rows(results.study), []
    for row in build_rows(results.study):
        numbers = build_condition(results, row.trials)
        for place, name in enumerate(SHARES):
            share = numbers[f"{results.study.primary}_{name}"]
            if share is not None:
                text = f"{100 * share:.0f}%" if share >= 0.08 else ""  # narrower parts have no room for it
                marks.append((row.label, *labels[row.label], name, place, share, text))
    return pd.DataFrame(marks, columns=["row", "heading", "label", "source", "order", "share", "text"])


def name_sources(sample: str) -> dict[str, str]:
    """What the sources are called, by `SHARES`."""
    return dict(zip(SHARES, ("seeds", f"{sample}s", f"seeds × {sample}s"), strict=True))


def build_shares_chart(shares: pd.DataFrame, sample: str) -> Drawing:
    """A bar for each condition, from seeds to images to their interaction; `shares` as `build_shares` gives it."""
    names = name_sources(sample)
    shown = add_places(shares.assign(source=shares["source"].map(names)))
    places = list_places(shown)
    shown["end"] = shown.groupby("row", sort=False)["share"].cumsum()
    shown["start"] = shown["end"] - shown["share"]
    shown["middle"] = (shown["start"] + shown["end"]) / 2
    title = "Share of the squared standard error"
    base = alt.Chart(build_data(shown.drop(columns=["heading", "label", "order"])))
    y = build_rows_axis(places)
    scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(format="%", tickCount=5)
    color = alt.Color("source:N", title=None, scale=alt.Scale(domain=list(names.values())))
    tooltip = [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("source:N"),
        alt.Tooltip("share:Q", format=".1%"),
    ]
    return alt.layer(
        base.mark_bar(style="part", height={"band": 0.8}).encode(
            x=alt.X("start:Q", title=title, scale=scale, axis=axis), x2="end:Q", y=y, color=color, tooltip=tooltip
        ),
        base.mark_text(style="value").encode(x=alt.X("middle:Q", title=title, scale=scale), y=y, text="text:N"),
        draw_headings(places),
    ).properties(width=WIDTH, height=alt.Step(choose_step(len(places), 20)))
