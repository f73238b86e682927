"""Results in, one HTML file out: styles, scripts and data are all inside it, and nothing is fetched."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from tune_app.analysis.audit.conclusions import build_conclusions
from tune_app.analysis.audit.costs import build_waterfall
from tune_app.analysis.confusion import build_confusions
from tune_app.analysis.curves import build_fit_curves
from tune_app.analysis.designed import build_design_sentences
from tune_app.analysis.frames import build_folds
from tune_app.analysis.labels import Row, build_rows
from tune_app.errors import ExportError
from tune_app.export.figures import Figure
from tune_app.export.figures.study import build_trial_figures, collect_figures
from tune_app.export.figures.write import drawing, write_drawn
from tune_app.export.page.charts import ChartPool
from tune_app.export.page.content import build_facts, build_trial_summary, build_verdicts
from tune_app.export.tables.claims import ADJUSTMENT
from tune_app.export.tables.document import StudyTables
from tune_app.export.tables.model import Table
from tune_app.export.tables.page import PageTable, render_page
from tune_app.export.tables.trials import build_fold_table, build_plan_table
from tune_app.records import write_whole
from tune_app.records.results import Results
from tune_app.study import TrialSpec
from tune_app.study.file import build_yaml

PAGE_FILE = "index.html"
FIGURES_FOLDER = "figures"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class TrialSection:
    """What the page says of one trial."""

    id: str
    label: str
    summary: str
    figures: tuple[tuple[str, Figure], ...]
    folds: PageTable


def write_page(folder: Path, results: Results, frames: Mapping[str, pd.DataFrame], tables: StudyTables) -> list[str]:
    """Write `figures/` and `index.html` into a results folder: the same bytes for the same results.

    `frames` are those of `export.frames.build_frames`, `tables` those of `export.tables.document.build_tables`. Returns
    a sentence for each figure that cannot be drawn, and that the page is without.
    """
    audit = frames.get("audit")
    waterfall = None if audit is None else build_waterfall(audit)
    figures, failed = collect_figures(results, frames["contrasts"], waterfall)
    library = ""
    try:
        with drawing(figures) as finish:
            page = build_page(results, figures, frames, tables, lambda: finish().library)
            write_drawn(folder / FIGURES_FOLDER, finish())
            failed |= finish().failed
            library = finish().library
    except ExportError as error:  # the process that draws has ended: no figure here, and none in a browser
        failed |= dict.fromkeys((figure.name for figure in figures), str(error))
    if failed:
        shown = [figure for figure in figures if figure.name not in failed]
        page = build_page(results, shown, frames, tables, lambda: library, failed)
    write_whole(folder / PAGE_FILE, page)
    return [f"Figure {name} cannot be drawn, and the page is without it: {why}" for name, why in failed.items()]


def build_page(
    results: Results,
    figures: list[Figure],
    frames: Mapping[str, pd.DataFrame],
    tables: StudyTables,
    library: Callable[[], str],
    failed: Mapping[str, str] | None = None,
) -> str:
    """The page as HTML; a browser without JavaScript is sent to the files in `figures/`.

    `library` gives the JavaScript that draws the figures, and is asked for it at the very end. `failed` says why
    figures are left out, by name.
    """
    audit = frames.get("audit")
    pool = ChartPool()
    for figure in figures:
        pool.add(figure.name, figure)
    by_trial = (build_fit_curves(results), build_confusions(results), build_folds(results))
    rows = build_rows(results.study)
    trials = [_build_trial(results, row, spec, by_trial, pool) for row in rows for spec in row.trials]
    script, style = _read("page.js"), _read("page.css")
    conclusions = [] if audit is None else build_conclusions(audit)
    designs = frames.get("designs")
    sentences = [] if designs is None else build_design_sentences(results, designs)
    verdicts, reasons = build_verdicts(results.study, frames["claims"])
    plan = build_plan_table(results)
    content = {
        "study": results.study,
        "facts": build_facts(results),
        "conclusions": [*sentences, *conclusions],
        "data_sets": tables.data_sets and render_page(tables.data_sets),
        "design": tables.designs and render_page(tables.designs),
        "verdicts": verdicts,
        "reasons": reasons,
        "claims_scope": tables.claims.scope if tables.claims else "",
        "adjustment": ADJUSTMENT if frames["claims"]["adjusted_level"].notna().any() else "",
        "reported": [render_page(table) for table in (*tables.reported, tables.check) if table],
        "audit": tables.audit and render_page(_leave_out(tables.audit, conclusions)),
        "conditions": render_page(tables.conditions),
        "metrics": tables.metrics and render_page(tables.metrics),
        "contrasts": [render_page(table) for table in tables.contrasts],
        "effects": tables.effects and render_page(tables.effects),
        "outlook": tables.outlook and render_page(tables.outlook),
        "other_contrasts": [[render_page(table) for table in family] for family in tables.other_contrasts],
        "figures": figures,
        "failed": dict(failed or {}),
        "trials": trials,
        "plan": plan and render_page(plan),
        "has_reference": bool(results.reference),
        "without_test": _lacks_test_labels(results),
        "environment": results.environment or {},
        "study_yaml": build_yaml(results.study),
        "charts": Markup(pool.build_json()),
        "script": Markup(script),
        "style": Markup(style),
    }
    drawing_script = _escape(library())
    hashes = " ".join(_hash(text) for text in (drawing_script, script))
    return _template().render(content, library=Markup(drawing_script), hashes=hashes, style_hash=_hash(style))


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
    loss_unit = results.study.describe_metric("test_loss").unit.partition("/")[0]  # of one network's test
    table = build_fold_table(folds, spec.id, loss_unit)
    return TrialSection(spec.id, label, summary, tuple(figures), render_page(table))


def _lacks_test_labels(results: Results) -> bool:
    """Whether there would be confusions if the folder held the labels of the one test part."""
    has_one = results.study.test != "none" and len(results.study.data.names) == 1
    return has_one and results.test is None and any(record.predictions for record in results.records.folds.values())


def _leave_out(table: Table, sentences: list[str]) -> Table:
    """The table without notes that the page has elsewhere."""
    return replace(table, notes=tuple(note for note in table.notes if note not in sentences))


def _select(frame: pd.DataFrame, trial: str) -> pd.DataFrame:
    return frame[frame["trial"] == trial] if "trial" in frame else frame


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
