"""The schedule: what ran where and when."""

import altair as alt
import pandas as pd

from tune_app.export.figures.figure import Drawing, build_data
from tune_app.export.figures.layout import choose_step
from tune_app.export.figures.theme import WIDTH

ROOM = 40  # height of a lane with notes above its bars
LETTER = 5.6  # width of a letter of a note
MOST_BARS = 2000  # fits with a bar of their own


def build_schedule_chart(schedule: pd.DataFrame) -> Drawing:
    """Device and lane down, time across, a bar for each fit of `analysis.schedule.build_schedule`'s frame."""
    shown = schedule.copy() if len(schedule) <= MOST_BARS else _merge(schedule)
    several = shown["host"].nunique() > 1
    place = shown["host"] + " " + shown["device"] if several else shown["device"]
    shown["where"] = place + ", lane " + shown["lane"].astype(str)
    shown["idle_hours"] = shown["idle_seconds"] / 3600
    shown["middle"] = (shown["start_minutes"] + shown["end_minutes"]) / 2
    shown["text"] = _build_texts(shown)
    order = sorted(set(zip(place, shown["lane"], shown["where"], strict=True)))
    lanes = [where for _, _, where in order]
    title = "Time since the first fit (minutes)"
    shown.loc[shown["status"] != "failed", "middle"] = None  # no other fit is marked there
    step = choose_step(len(lanes), 46)
    if step < ROOM:
        shown["text"] = None
    base = alt.Chart(build_data(shown.drop(columns=["host", "device", "lane", "trial"])))
    y = alt.Y("where:N", title=None, sort=lanes, scale=alt.Scale(type="band", domain=lanes))
    tooltip = [
        alt.Tooltip("row:N", title="condition"),
        alt.Tooltip("replicate:Q"),
        alt.Tooltip("fold:Q"),
        alt.Tooltip("status:N"),
        alt.Tooltip("start_minutes:Q", format=".2f", title="start (minutes)"),
        alt.Tooltip("fit_seconds:Q", format=".1f", title="took (s)"),
    ]
    legend = alt.Legend() if shown["model"].nunique() > 1 else None
    color = alt.Color("model:N", title="Model", sort=None, legend=legend)
    x = alt.X("start_minutes:Q", title=title, scale=alt.Scale(nice=False, zero=True))
    return alt.layer(
        base.mark_bar(style="fit", height={"band": 0.5}).encode(
            x=x, x2="end_minutes:Q", y=y, color=color, tooltip=tooltip
        ),
        base.transform_filter("datum.text").mark_text(style="aside", align="left", dy=-17, dx=1).encode(
            x=x, y=y, text="text:N"
        ),
        base.transform_filter("datum.status === 'failed'").mark_point(style="failed", shape="cross").encode(
            x=alt.X("middle:Q", title=title), y=y, tooltip=tooltip
        ),
        base.transform_filter("datum.idle_seconds > 0").mark_rule(style="connector").encode(
            x=x, tooltip=[alt.Tooltip("idle_hours:Q", format=".2f", title="idle hours cut out here")]
        ),
    ).properties(width=WIDTH, height=alt.Step(step))  # fmt: skip


def _merge(schedule: pd.DataFrame) -> pd.DataFrame:
    """The schedule with one bar for the completed fits that a trial made in turn on one lane."""
    by = ["host", "device", "lane"]
    order = schedule.sort_values([*by, "start_minutes"], kind="stable")
    alike = order[[*by, "trial", "status"]]
    is_new = (alike != alike.shift()).any(axis=1) | (order["status"] != "completed") | (order["idle_seconds"] > 0)
    return order.groupby(is_new.cumsum(), sort=False).agg(
        dict.fromkeys(order, "first") | {"end_minutes": "last", "fit_seconds": "sum"}
    )


def _build_texts(schedule: pd.DataFrame) -> list[str | None]:
    """A trial's condition, or else its model, over its first bar on a lane, where it is short enough for its bars.

    No text reaches into another; with one model its name says nothing.
    """
    minutes = max(schedule["end_minutes"].max(), 1e-9)
    ends = schedule.groupby(["where", "trial"])["end_minutes"].transform("max")
    first = ~schedule.duplicated(["where", "trial"])
    models = schedule["model"] if schedule["model"].nunique() > 1 else [""] * len(schedule)
    taken: dict[str, float] = {}  # by lane, where its last text ends
    found: list[str | None] = []
    for where, start, end, is_first, *texts in zip(
        schedule["where"], schedule["start_minutes"], ends, first, schedule["row"], models, strict=True
    ):
        place, room = start / minutes * WIDTH, (end - start) / minutes * WIDTH
        is_free = is_first and place >= taken.get(where, 0)
        text = next((text for text in texts if text and is_free and len(text) * LETTER <= room), None)
        if text:
            taken[where] = place + len(text) * LETTER
        found.append(text)
    return found
