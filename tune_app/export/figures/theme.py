"""The one place for colours, shapes, dashes and type: every figure takes them from here, light or dark.

Colours are Okabe & Ito's (2008), which the colour-blind tell apart; shape or dash repeats what colour says, so that a
black and white print keeps it. Charts name styles (`band`, `rope`, `mean` …) and never a colour.
"""

from typing import Any

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
SHAPES = ["circle", "diamond", "cross", "square", "triangle-up", "triangle-down", "stroke"]
DASHES = [[1, 0], [5, 3], [2, 2], [8, 3, 2, 3]]
WIDTH = 640

_LIGHT = {
    "paper": "#ffffff",
    "ink": "#1a1a1a",
    "soft": "#555555",
    "grid": "#e4e4e4",
    "category": ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"],
    "ramp": ["#ffffff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"],
    "on_low": "#1a1a1a",
    "on_high": "#ffffff",
}
_DARK = {
    "paper": "#16181c",
    "ink": "#f0f0f0",
    "soft": "#b4b8bf",
    "grid": "#33373e",
    "category": ["#56B4E9", "#E69F00", "#2FC79A", "#E59BC4", "#F0E442", "#FF8A4C", "#ffffff"],
    "ramp": ["#16181c", "#12395c", "#2171b5", "#6baed6", "#deebf7"],
    "on_low": "#f0f0f0",
    "on_high": "#16181c",
}


def build_config(dark: bool) -> dict[str, Any]:
    """The Vega-Lite `config` of the light or the dark theme."""
    colours: dict[str, Any] = _DARK if dark else _LIGHT
    ink, soft, grid = colours["ink"], colours["soft"], colours["grid"]
    return {
        "background": colours["paper"],
        "font": FONT,
        "padding": 8,
        "axis": {
            "labelColor": ink, "titleColor": ink, "gridColor": grid, "domainColor": soft, "tickColor": soft,
            "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 340,
            "labelFlush": False,
        },
        "axisQuantitative": {"labelOverlap": "parity", "labelSeparation": 4},  # a narrow page has room for every other
        "header": {"labelColor": ink, "labelFontSize": 12, "labelFontWeight": "bold", "labelLimit": 340},
        "legend": {
            "labelColor": ink, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
            "labelLimit": 340, "symbolSize": 90, "symbolDash": [1, 0], "orient": "top",
        },
        "title": {
            "color": ink, "subtitleColor": soft, "anchor": "start", "fontSize": 15, "subtitleFontSize": 11.5,
            "offset": 12, "subtitlePadding": 5, "frame": "group",
        },
        "view": {"stroke": grid},
        "mark": {"aria": False},  # a label for each of a thousand marks helps nobody; the tables hold the numbers
        "range": {
            "category": colours["category"], "ramp": colours["ramp"], "heatmap": colours["ramp"], "symbol": SHAPES,
        },
        "style": {
            "band": {"opacity": 0.22},
            "interval": {"strokeWidth": 2},
            "fold": {"opacity": 0.65, "size": 30},
            "mean": {"size": 110, "strokeWidth": 1.5, "opacity": 1},
            "zero": {"color": ink, "strokeWidth": 1},
            "rope": {"color": soft, "opacity": 0.22},
            "connector": {"color": soft, "strokeDash": [2, 2]},
            "whisker": {"color": ink, "strokeWidth": 1.5},
            "note": {"color": soft, "fontSize": 10.5},
            "value": {"color": ink, "fontSize": 11},
            "bar": {"stroke": colours["paper"], "strokeWidth": 1},
            "part": {"opacity": 0.45, "stroke": colours["paper"], "strokeWidth": 1},
            "failed": {"color": ink, "size": 60, "strokeWidth": 2},
            "on-low": {"color": colours["on_low"], "fontSize": 8.5},
            "on-high": {"color": colours["on_high"], "fontSize": 8.5},
        },
    }  # fmt: skip
