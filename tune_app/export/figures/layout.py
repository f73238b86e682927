"""How a drawing is fitted to a width: that of a page's text, of a column, or what a browser's window has.

`page/fit.js` does the same to the specifications that the page carries.
"""

import math
import textwrap
from typing import Any

from tune_app.export.figures.theme import ABOVE, COLUMN, NARROW, WIDTH

PANEL = 130  # the least width of a panel with its gap
MARGIN = 70  # beside panels, for their axis
GAP = 14  # between panels
DOWN = 7  # pixels by which marks make room for the labels above them
BAR = 0.42  # of a row's height, under its label
WIDEST = 860  # a figure in a browser's window
PICTURES = 4  # in a row of a narrow figure
HIGHEST = 780  # pixels of a plot that stands on a page with its axis and caption
BEHIND = ("baseline", "heading")  # styles that stay where they are
# What page/fit.js goes by.
LAYOUT: dict[str, Any] = {
    **{"panel": PANEL, "margin": MARGIN, "gap": GAP, "narrow": NARROW, "widest": WIDEST},
    **{"above": ABOVE, "down": DOWN, "bar": BAR, "behind": BEHIND, "pictures": PICTURES},
}


def fit(spec: dict[str, Any], width: int) -> dict[str, Any]:
    """The specification of a chart, drawn as wide as `width` in all.

    A chart whose width is `WIDTH` takes what its labels leave. Panels become fewer in a row; those that have a width,
    share it. Charts of neither kind stay as they are.
    """
    if "facet" in spec and "columns" in spec:
        return _fit_panels(spec, width)
    if width < NARROW and any(layer["mark"]["type"] == "image" for layer in spec.get("layer", ())):
        spec = spec | {"transform": [{"filter": f"datum.rank <= {PICTURES}"}]}
    if spec.get("width") != WIDTH:
        return spec
    height, rows = spec["height"], count_rows(spec)
    if isinstance(height, dict):  # a width that is fitted needs a height in pixels
        height = height["step"] * rows
    if width < NARROW and any(_has_rows(layer["encoding"].get("y", {})) for layer in spec["layer"]):
        layers = [_lower(layer) for layer in spec["layer"] if layer["mark"].get("style") != "aside"]
        spec, height = spec | {"layer": layers}, height + ABOVE * rows
    return spec | {"width": width, "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}


def count_rows(spec: dict[str, Any]) -> int:
    """The rows of a chart with labels at its left; 1 for any other chart."""
    vertical = (layer.get("encoding", {}).get("y", {}) for layer in spec.get("layer", ()))
    return next((len(y["scale"]["domain"]) for y in vertical if _has_rows(y)), 1)


def _has_rows(y: dict[str, Any]) -> bool:
    return y.get("type") == "nominal" and "domain" in (y.get("scale") or {})


def find_label_offset(spec: dict[str, Any]) -> float:
    """How far the label of a row in a narrow chart is moved, to the row's upper edge."""
    return float(8 - spec["height"] / count_rows(spec) / 2)


def _fit_panels(spec: dict[str, Any], width: int) -> dict[str, Any]:
    inner = spec["spec"]
    if isinstance(inner.get("width"), dict):  # its cells have a size of their own
        return spec | {"columns": 1} if width < NARROW else spec
    has_own = spec.get("resolve", {}).get("scale", {}).get("y") == "independent"  # an axis for each panel
    columns = max(1, min(spec["columns"], width // (PANEL + MARGIN) if has_own else (width - MARGIN) // PANEL))
    panel = (width - MARGIN * (columns if has_own else 1) - (columns - 1) * GAP) // columns
    return spec | {"columns": columns, "spec": inner | {"width": panel}}


def _lower(layer: dict[str, Any]) -> dict[str, Any]:
    """The layer with its marks below the labels of its rows."""
    mark = layer["mark"]
    if layer["encoding"].get("y", {}).get("type") != "nominal" or mark.get("style") in BEHIND:
        return layer
    moved = {"yOffset": DOWN + mark.get("yOffset", 0)} | ({"y2Offset": DOWN} if "y2" in layer["encoding"] else {})
    bar = {"height": {"band": BAR}} if "height" in mark else {}
    return layer | {"mark": mark | moved | bar}


def has_column(spec: dict[str, Any]) -> bool:
    """Whether a specification that was fitted to a column is for print there: no panels, and no higher than a page."""
    return spec.get("width") == COLUMN and float(spec["height"]) <= HIGHEST


def break_heading(text: str, width: float) -> str:
    """A panel's heading with `|` where its lines end, for `HEADER`; `width` in pixels."""
    return "|".join(textwrap.wrap(text, max(12, math.floor(width / 6.4))))


HEADER: dict[str, Any] = {"labelExpr": "split(datum.label, '|')", "labelLineHeight": 13}


def choose_step(rows: int, most: int = 24) -> int:
    """The height of a row, so that all of them stand on one screen."""
    return max(13, min(most, 540 // max(1, rows)))
