"""Results compared, written: a page, and the numbers as CSV beside it."""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from tune_app.errors import ExportError, ResultsError
from tune_app.export.figures import Figure
from tune_app.export.figures.write import draw_figure
from tune_app.export.frames import write_csv
from tune_app.export.page import PAGE_FILE
from tune_app.export.page.templates import HERE, open_templates
from tune_app.export.tables.model import Table
from tune_app.export.tables.page import render_page
from tune_app.records import RECORDS_FILE, write_whole


def write_comparison(
    folder: Path,
    names: Sequence[tuple[str, str]],
    tables: Sequence[Table],
    figure: Figure | None,
    scores: pd.DataFrame,
    changes: pd.DataFrame,
) -> Path:
    """Write `index.html`, `comparison.csv` and `changes.csv`; the page's path. `names` are (letter, folder or study).

    ResultsError where the folder is one of results, or cannot be written. ExportError, once everything is written, if
    the figure cannot be drawn: the page is without it and says why.
    """
    if (folder / RECORDS_FILE).exists():
        raise ResultsError(f"{folder} holds a study's results, which a comparison would overwrite; name another folder")
    style = (HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    title = f"{', '.join(Path(name).name for _, name in names[:-1])} and {Path(names[-1][1]).name} compared"
    drawn, undrawn = None, ""
    if figure:
        try:
            drawn = _draw(figure)
        except ExportError as error:
            undrawn = str(error)
    page = (
        open_templates()
        .get_template("comparison.html")
        .render(
            title=title,
            sides=[(letter, name, _find_page(folder, name)) for letter, name in names],
            tables=[render_page(table) for table in tables],
            figure=figure,
            drawn=drawn,
            undrawn=undrawn,
            style=Markup(style),
            style_hash=f"'sha256-{digest}'",
        )
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / "comparison.csv", scores)
        write_csv(folder / "changes.csv", changes)
        write_whole(folder / PAGE_FILE, page)
    except OSError as error:
        raise ResultsError(f"{folder} cannot be written: {error.strerror}; choose another one with --to") from error
    if undrawn:
        raise ExportError(f"the page of the comparison is without its figure: {undrawn}")
    return folder / PAGE_FILE


def _draw(figure: Figure) -> dict[str, str]:
    """The figure without its words, as addresses of images: light and dark, which nothing needs to be allowed for."""
    drawn = draw_figure(figure, titled=False)
    return {
        theme: f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
        for theme, svg in (("light", drawn.svg), ("dark", drawn.dark_svg))
    }


def _find_page(folder: Path, name: str) -> str:
    """The way from the folder to a side's own page, empty where there is none."""
    page = Path(name) / PAGE_FILE
    if not page.is_file():
        return ""
    return quote(os.path.relpath(page.resolve(), folder.resolve()).replace(os.sep, "/"))
