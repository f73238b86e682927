"""Figures: tidy frames in, one specification out, drawn as SVG and PNG without a browser or by the page's reader."""

from tune_app.export.figures.contrasts import build_forest_chart, build_waterfall_chart
from tune_app.export.figures.figure import Figure
from tune_app.export.figures.study import build_figures
from tune_app.export.figures.write import write_figures

__all__ = ["Figure", "build_figures", "build_forest_chart", "build_waterfall_chart", "write_figures"]
