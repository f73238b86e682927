"""Confusion matrices and the test images that are got wrong most often."""

import base64
import itertools
import struct
import zlib
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from tune_app.export.figures.figure import ROWS, Drawing, Filled, build_data, build_values
from tune_app.export.figures.layout import HEADER, break_heading
from tune_app.export.figures.theme import WIDTH
from tune_app.records.results import TestSet

CELL = 24
MATRIX = 260  # pixels of a matrix of many classes
ROOM = 16  # of a cell with a number in it
_MATRIX = ["row", "true", "predicted", "count", "share"]
BESIDE: dict[str, Any] = {
    "labelPadding": 4,
    "labelOffset": 0,
    "labelAlign": "right",
}  # labels of rows, in narrow figures too
DARK_SHARE = 0.25  # cells above this share are dark in the light theme: their text changes colour


def build_confusion_chart(confusions: pd.DataFrame) -> Drawing | Filled:
    """A matrix for each condition: true class down, predicted class across, shares of the true class's images.

    `confusions` has row, trial, true, predicted, count and share; one condition gives one matrix without a heading.
    """
    classes = 1 + int(confusions["true"].max())
    if confusions["trial"].nunique() == 1:
        return Filled(_build_matrix_template(classes), build_values(confusions[_MATRIX]))
    frame = sum_confusions(confusions)
    rows = list(dict.fromkeys(frame["row"]))
    if len(rows) == 1:
        return Filled(_build_matrix_template(classes), build_values(frame[_MATRIX]))
    panel = WIDTH / 2 - 60
    frame["heading"] = frame["row"].map(lambda row: break_heading(row, panel))
    headings = list(dict.fromkeys(frame["heading"]))
    facet = alt.Facet("heading:N", title=None, sort=headings, header=alt.Header(**HEADER))
    return _draw_matrix(build_data(frame), classes).facet(facet=facet, columns=2)


def sum_confusions(confusions: pd.DataFrame) -> pd.DataFrame:
    """The counts of each condition over its replicates: row, true, predicted, count and share of the true class."""
    counts = confusions.groupby(["row", "true", "predicted"], sort=False)["count"].sum()
    frame = pd.DataFrame(counts).reset_index()
    frame["share"] = frame["count"] / frame.groupby(["row", "true"])["count"].transform("sum").clip(lower=1)
    return frame


def choose_most_different(frame: pd.DataFrame) -> list[str]:
    """The two conditions whose matrices differ most; fewer where there are fewer, one where all are equal.

    By the distance in total variation, averaged over the true classes; `frame` as `sum_confusions` gives it. Of
    several pairs the first.
    """
    rows = list(dict.fromkeys(frame["row"]))
    if len(rows) == 1:
        return rows
    shares = frame.pivot_table(index=["true", "predicted"], columns="row", values="share", fill_value=0, sort=False)
    distances = pdist(shares[rows].to_numpy().T, "cityblock")
    if not distances.any():
        return rows[:1]
    first, second = list(itertools.combinations(range(len(rows)), 2))[int(distances.argmax())]
    return [rows[first], rows[second]]


@lru_cache(maxsize=8)
def _build_matrix_template(classes: int) -> dict[str, Any]:
    return _draw_matrix(alt.NamedData(ROWS), classes).to_dict(validate=False)


def _draw_matrix(data: dict[str, Any] | alt.NamedData, classes: int) -> Drawing:
    cell = min(CELL, MATRIX / classes)
    sparse = alt.Axis(labelAngle=0, ticks=False, domain=False, labelOverlap="parity")
    upright = alt.Axis(ticks=False, domain=False, labelOverlap="parity", **BESIDE)
    base = alt.Chart(data).encode(
        x=alt.X("predicted:O", title="Predicted", axis=sparse),
        y=alt.Y("true:O", title="True", axis=upright, scale=alt.Scale(type="band")),
        tooltip=[
            alt.Tooltip("true:O"),
            alt.Tooltip("predicted:O"),
            alt.Tooltip("count:Q", title="predictions"),
            alt.Tooltip("share:Q", format=".2%", title="share of the true class"),
        ],
    )
    scale = alt.Scale(type="sqrt", domain=[0, 1], interpolate="rgb")
    legend = alt.Legend(format="%", gradientLength=180, values=[0, 0.05, 0.25, 0.5, 1], direction="horizontal")
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", title="Share of the true class", scale=scale, legend=legend)
    )
    text = alt.Text("percent:Q", format=".0f")
    numbers = [
        base.transform_filter(condition)
        .transform_calculate(percent="datum.share * 100")
        .mark_text(style=style)
        .encode(text=text)
        for condition, style in (
            (f"datum.share >= 0.01 && datum.share <= {DARK_SHARE}", "on-low"),
            (f"datum.share > {DARK_SHARE}", "on-high"),
        )
        if cell >= ROOM
    ]  # fmt: skip
    return alt.layer(cells, *numbers).properties(width=alt.Step(cell), height=alt.Step(cell))


def build_confused_chart(confused: pd.DataFrame, test: TestSet) -> Drawing:
    """The images that most of a condition's fits get wrong, each with its true and its commonest wrong label.

    `confused` as `analysis.confusion.build_confused` gives it; images that the test set does not hold are left out.
    """
    pictures = {int(row): encode_png(image) for row, image in zip(test.image_rows, test.images, strict=True)}
    shown = confused[confused["image"].isin(pictures.keys())].copy()
    shown["picture"] = shown["image"].map(pictures)
    shown["position"] = test.positions[shown["image"].to_numpy(dtype=np.int64)]
    shown["label"] = [f"{t}→{p}" for t, p in zip(shown["true"], shown["predicted"], strict=True)]
    shown["row"] = shown["row"].map(lambda row: break_heading(row, 150))
    shown["often"] = [f"{w}/{n}" for w, n in zip(shown["wrong_fits"], shown["fits"], strict=True)]
    rows = list(dict.fromkeys(shown["row"]))
    base = alt.Chart(build_data(shown)).encode(
        x=alt.X(
            "rank:O", title="Rank (most often wrong first)", axis=alt.Axis(labelAngle=0, ticks=False, domain=False)
        ),
        y=alt.Y("row:N", title=None, sort=rows, axis=alt.Axis(ticks=False, domain=False, **HEADER, **BESIDE)),
        tooltip=[
            alt.Tooltip("row:N", title="condition"),
            alt.Tooltip("true:Q"),
            alt.Tooltip("predicted:Q", title="most often taken for"),
            alt.Tooltip("often:N", title="fits that are wrong"),
            alt.Tooltip("position:Q", title="place in the test split"),
        ],
    )
    return alt.layer(
        base.mark_image(width=40, height=40, yOffset=-12).encode(url="picture:N"),
        base.mark_text(style="value", dy=16).encode(text="label:N"),
        base.mark_text(style="note", dy=29).encode(text="often:N"),
    ).properties(width=alt.Step(48), height=alt.Step(76))


def encode_png(image: NDArray[np.uint8]) -> str:
    """A grey image (height, width) as the data URL of a PNG."""
    height, width = image.shape
    lines = b"".join(b"\0" + row.tobytes() for row in image)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(parts)).decode("ascii")
