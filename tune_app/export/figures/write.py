"""Figures as files, the same bytes for the same frames."""

import re
from collections.abc import Iterable
from pathlib import Path

import vl_convert

from tune_app.export.figures.figure import Figure
from tune_app.export.files import write_bytes_whole, write_text_whole

SCALE = 2.0  # PNG pixels for one unit of the drawing


def write_figures(folder: Path, figures: Iterable[Figure]) -> None:
    """Write `<name>.svg`, `<name>.dark.svg` and `<name>.png` for each figure; figures of an earlier export go."""
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for figure in figures:
        light, dark = (_draw(figure, dark) for dark in (False, True))
        write_text_whole(folder / f"{figure.name}.svg", light)
        write_text_whole(folder / f"{figure.name}.dark.svg", dark)
        write_bytes_whole(folder / f"{figure.name}.png", vl_convert.svg_to_png(light, scale=SCALE))
        written |= {f"{figure.name}{ending}" for ending in (".svg", ".dark.svg", ".png")}
    for path in folder.iterdir():
        if path.suffix in (".svg", ".png") and path.name not in written:
            path.unlink()


def _draw(figure: Figure, dark: bool) -> str:
    """SVG whose ids are the figure's own: Vega counts them over the life of the process."""
    svg = vl_convert.vegalite_to_svg(figure.build_spec(dark))
    ids = list(dict.fromkeys(re.findall(r'id="((?:gradient_|clip)\d+)"', svg)))
    new = {name: f"{figure.name}-{index}" for index, name in enumerate(ids)}
    return re.sub(r"\b(?:gradient_|clip)\d+\b", lambda match: new.get(match[0], match[0]), svg)
