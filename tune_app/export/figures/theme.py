"""The one place for colours, shapes, dashes and type: every figure takes them from here, light or dark.

Colours are Okabe & Ito's (2008), which the colour-blind tell apart; shape or dash repeats what colour says, so that a
black and white print keeps it. Charts name styles (`band`, `rope`, `mean` …) and never a colour.
"""

from typing import Any

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
SHAPES = ["circle", "diamond", "cross", "square", "triangle-up", "triangle-down", "stroke"]
DASHES = [[1, 0], [5, 3], [2, 2], [8, 3, 2, 3]]
WIDTH = 662  # of a whole figure in pixels, 96 of them an inch: 6.9 inches, the width of a page's text
COLUMN = 322  # 3.35 inches, the width of a column
NARROW = 480  # below it the labels of rows stand above them
ABOVE = 18  # pixels that a row is higher for its label above it

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


def build_config(dark: bool, narrow: bool = False) -> dict[str, Any]:
    """The Vega-Lite `config` of the light or the dark theme, for a narrow figure with `NARROW_CONFIG`."""
    config = _build_wide(dark)
    return config | {name: config.get(name, {}) | part for name, part in NARROW_CONFIG.items()} if narrow else config


# Labels of rows stand above them within the plot, which so has the whole width; a legend is a list.
NARROW_CONFIG: dict[str, dict[str, Any]] = {
    "axisYBand": {"labelAlign": "left", "labelPadding": -4, "labelLimit": 290, "ticks": False},
    "legend": {"direction": "vertical", "columns": 1},
    "axis": {"labelLimit": 150},
    "header": {"labelFontSize": 10.5},
}


def _build_wide(dark: bool) -> dict[str, Any]:
    colours: dict[str, Any] = _DARK if dark else _LIGHT
    ink, soft, grid = colours["ink"], colours["soft"], colours["grid"]
    return {
        "background": colours["paper"],
        "font": FONT,
        "padding": 8,
        "axis": {
            "labelColor": ink, "titleColor": ink, "gridColor": grid, "domainColor": soft, "tickColor": soft,
            "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelLimit": 240,
            "labelFlush": False,
        },
        "axisYBand": {"labelPadding": 5, "labelLimit": 320},
        "axisQuantitative": {"labelOverlap": "parity", "labelSeparation": 4},  # a narrow page has room for every other
        "header": {"labelColor": ink, "labelFontSize": 12, "labelFontWeight": "bold", "labelLimit": 340},
        "legend": {
            "labelColor": ink, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
            "labelLimit": 340, "symbolSize": 90, "symbolDash": [1, 0], "orient": "top",
        },
        "title": {
            "color": ink, "subtitleColor": soft, "anchor": "start", "fontSize": 15, "subtitleFontSize": 11.5,
            "offset": 10, "subtitlePadding": 5, "frame": "bounds",
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
            "arrow": {"size": 60, "opacity": 1},
            "zero": {"color": ink, "strokeWidth": 1},
            "rope": {"color": soft, "opacity": 0.22},
            "connector": {"color": soft, "strokeDash": [2, 2]},
            "whisker": {"color": ink, "strokeWidth": 1.5},
            "baseline": {"color": soft, "opacity": 0.18},
            "heading": {"color": ink, "fontSize": 11, "fontWeight": "bold"},
            "note": {"color": soft, "fontSize": 10.5},
            "aside": {"color": soft, "fontSize": 10.5},
            "value": {"color": ink, "fontSize": 11},
            "bar": {"stroke": colours["paper"], "strokeWidth": 1},
            "fit": {"stroke": colours["paper"], "strokeWidth": 0.4},
            "part": {"opacity": 0.45, "stroke": colours["paper"], "strokeWidth": 1},
            "failed": {"color": ink, "size": 60, "strokeWidth": 2},
            "on-low": {"color": colours["on_low"], "fontSize": 8.5},
            "on-high": {"color": colours["on_high"], "fontSize": 8.5},
        },
    }  # fmt: skip
