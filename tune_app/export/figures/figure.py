"""What a figure is: one Vega-Lite specification with its words, drawn here or by a browser."""

import json
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tune_app.export.figures.layout import find_label_offset, fit
from tune_app.export.figures.theme import NARROW, WIDTH, build_config

if TYPE_CHECKING:
    from tune_app.export.figures.write import DrawnFigure

ROWS = "data-rows"
DIGITS = 6  # significant digits of the numbers in a figure; the tables have them all


Drawing = alt.LayerChart | alt.FacetChart


@dataclass(frozen=True)
class Filled:
    """A chart of which there are many that differ in their data alone: its specification is built once.

    `template` is a specification that draws the data set `ROWS`, `rows` are its rows as JSON values.
    """

    template: dict[str, Any]
    rows: list[dict[str, Any]]

    def to_dict(self, validate: bool) -> dict[str, Any]:
        """The whole specification, as an altair chart gives it."""
        return self.template | {"datasets": {ROWS: self.rows}}


@dataclass(frozen=True)
class Figure:
    """A chart without colours of its own, its file name, its title and what must be known to read it."""

    name: str
    title: str
    caption: str
    chart: alt.TopLevelMixin | Filled = field(repr=False)

    def build_spec(self, dark: bool | None = None, titled: bool = True, width: int = WIDTH) -> dict[str, Any]:
        """The Vega-Lite specification in the light or dark theme, in all `width` pixels wide; without a theme for None.

        The same frame gives the same specification: names that altair counts up are replaced.
        """
        # Altair would check every row with its schema; drawing the specification shows what is wrong with it.
        spec = fit(_rename_views(self.chart.to_dict(validate=False)), width)
        spec.pop("config", None)
        spec["description"] = f"{self.title}. {self.caption}"
        if dark is not None:
            spec["config"] = build_config(dark, width < NARROW)
            if width < NARROW and spec.get("width") == width:
                spec["config"]["axisYBand"]["labelOffset"] = find_label_offset(spec)
        if titled:
            spec["title"] = {"text": _wrap(self.title, width // 8), "subtitle": _wrap(self.caption, width // 6)}
        return spec

    def draw(self) -> "DrawnFigure":
        """The figure as SVG and PNG, drawn by a process beside this one; ExportError if it cannot be drawn."""
        from tune_app.export.figures.write import draw_figure  # here, because it imports this file

        return draw_figure(self)

    def _repr_svg_(self) -> str:
        return self.draw().svg


def _rename_views(spec: dict[str, Any]) -> dict[str, Any]:
    """Altair numbers views and parameters over the life of the process; here they are numbered within the figure."""
    datasets = spec.pop("datasets", {})
    text = json.dumps(spec)
    for prefix in ("view_", "param_"):
        names = list(dict.fromkeys(re.findall(rf'"({prefix}\d+)"', text)))
        for index, name in enumerate(names):
            text = text.replace(f'"{name}"', f'"{prefix.upper()}{index}"')
    renamed: dict[str, Any] = json.loads(text)
    return renamed | {"datasets": {name: list(rows) for name, rows in datasets.items()}}


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width)


def build_data(frame: pd.DataFrame) -> dict[str, Any]:
    """The frame's rows as a chart's data; missing numbers become null, floats keep `DIGITS` significant digits.

    A tuple, because altair copies lists row by row with every step that a chart is built in.
    """
    return {"values": tuple(build_values(frame))}


def build_values(frame: pd.DataFrame, digits: int = DIGITS) -> list[dict[str, Any]]:
    """The frame's rows as JSON values; floats keep so many significant digits."""
    names = list(map(str, frame))
    columns = [_build_column(frame[name], digits) for name in frame]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _build_column(column: "pd.Series[Any]", digits: int) -> list[Any]:
    values: list[Any] = column.tolist()
    is_whole = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub"  # none of them is missing
    return values if is_whole else [_build_value(value, digits) for value in values]


def _build_value(value: Any, digits: int) -> Any:
    if type(value) is float:  # most values are, of hundreds of thousands
        return float(f"{value:.{digits}g}") if value == value else None
    if isinstance(value, str | bool):
        return value
    if value is None or pd.isna(value):
        return None
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    return int(value)
