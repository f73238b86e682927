"""Results in, one HTML file out: styles, scripts, data and drawings are all inside it, and nothing is fetched."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jinja2
import pandas as pd
import vl_convert
from markupsafe import Markup

from tune_app.analysis.confusion import build_confusions
from tune_app.analysis.curves import build_fit_curves
from tune_app.analysis.frames import build_folds
from tune_app.analysis.labels import Row, build_rows
from tune_app.analysis.results import Results
from tune_app.export.figures import Figure, build_figures, write_figures
from tune_app.export.figures.study import build_trial_figures
from tune_app.export.files import write_text_whole
from tune_app.export.page.charts import ChartPool
from tune_app.export.page.content import (
    build_condition_table,
    build_contrast_table,
    build_facts,
    build_fold_table,
    build_plan_page_table,
    build_trial_summary,
    build_verdicts,
)
from tune_app.export.page.tables import PageTable
from tune_app.study import TrialSpec
from tune_app.study_file import build_yaml

PAGE_FILE = "index.html"
FIGURES_FOLDER = "figures"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class TrialSection:
    """What the page tells of one trial."""

    id: str
    label: str
    summary: str
    figures: tuple[tuple[str, Figure], ...]
    folds: PageTable


def write_page(
    folder: Path,
    results: Results,
    contrasts: pd.DataFrame | None = None,
    claims: pd.DataFrame | None = None,
    audit: pd.DataFrame | None = None,
) -> Path:
    """Write `figures/` and `index.html` into a results folder, and say where the page is.

    `contrasts` and `claims` have the columns of contrasts.csv and claims.csv, `audit` those of `build_waterfall_chart`.
    The same results give the same bytes.
    """
    figures = build_figures(results, contrasts, audit)
    drawings = write_figures(folder / FIGURES_FOLDER, figures)
    write_text_whole(folder / PAGE_FILE, build_page(results, figures, drawings, contrasts, claims))
    return folder / PAGE_FILE


def build_page(
    results: Results,
    figures: list[Figure],
    drawings: Mapping[str, str],
    contrasts: pd.DataFrame | None = None,
    claims: pd.DataFrame | None = None,
) -> str:
    """The page as HTML; `drawings` are the figures as SVG by name, for readers without JavaScript."""
    pool = ChartPool()
    for figure in figures:
        pool.add(figure.name, figure)
    frames = (build_fit_curves(results), build_confusions(results), build_folds(results))
    trials = [_build_trial(results, row, spec, frames, pool) for row in build_rows(results) for spec in row.trials]
    library, script, style = _escape(_bundle()), _read("page.js"), _read("page.css")
    return _template().render(
        study=results.study,
        facts=build_facts(results),
        verdicts=build_verdicts(claims),
        contrasts=build_contrast_table(contrasts),
        conditions=build_condition_table(results),
        figures=figures,
        drawings={name: Markup(svg) for name, svg in drawings.items()},
        trials=trials,
        plan=build_plan_page_table(results),
        without_test=results.test is None,
        environment=results.environment or {},
        study_yaml=build_yaml(results.study),
        charts=Markup(pool.build_json()),
        library=Markup(library),
        script=Markup(script),
        style=Markup(style),
        hashes=" ".join(_hash(text) for text in (library, script)),
    )


def _build_trial(
    results: Results, row: Row, spec: TrialSpec, frames: tuple[pd.DataFrame, ...], pool: ChartPool
) -> TrialSection:
    curves, confusions, folds = (_select(frame, spec.id) for frame in frames)
    figures = []
    for figure in build_trial_figures(curves, confusions):
        key = f"{spec.id}/{figure.name}"
        pool.add(key, figure)
        figures.append((key, figure))
    label = f"{row.label}, replicate {spec.replicate}" if len(row.trials) > 1 else row.label
    summary = build_trial_summary(results, spec)
    return TrialSection(spec.id, label, summary, tuple(figures), build_fold_table(folds, spec.id))


def _select(frame: pd.DataFrame, trial: str) -> pd.DataFrame:
    return frame[frame["trial"] == trial] if "trial" in frame else frame


@lru_cache(maxsize=1)
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    bundle: str = vl_convert.javascript_bundle(None)
    return bundle


def _escape(script: str) -> str:
    """A script that cannot end its own element: inside its strings `<\\/` is the same as `</`."""
    return re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE).replace("<!--", "<\\!--")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
