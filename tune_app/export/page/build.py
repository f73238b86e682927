"""Results in, one HTML file out: styles, scripts and data are all inside it, and nothing is fetched."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from tune_app.analysis.audit.conclusions import build_conclusions
from tune_app.analysis.audit.costs import build_waterfall
from tune_app.analysis.designed import build_design_sentences
from tune_app.analysis.reported import ELSE
from tune_app.errors import ExportError
from tune_app.export.figures import Figure
from tune_app.export.figures.study import collect_figures
from tune_app.export.figures.write import drawing, write_drawn
from tune_app.export.headline import build_headline, is_about_defects
from tune_app.export.page.baseline import build_choice
from tune_app.export.page.charts import ChartPool
from tune_app.export.page.content import build_facts
from tune_app.export.page.files import list_files
from tune_app.export.page.further import place_further
from tune_app.export.page.packing import MOST_UNPACKED, Packs, pack
from tune_app.export.page.placed import place
from tune_app.export.page.templates import HERE, open_templates
from tune_app.export.page.trials import build_family, build_trials
from tune_app.export.page.verdicts import build_verdicts
from tune_app.export.tables.claims import spell_adjustment
from tune_app.export.tables.document import StudyTables
from tune_app.export.tables.model import Table
from tune_app.export.tables.trials import build_plan_table
from tune_app.records import write_whole
from tune_app.records.results import Results, build_sources
from tune_app.study import Study
from tune_app.study.file import build_yaml

PAGE_FILE = "index.html"
FIGURES_FOLDER = "figures"
SCRIPTS = ("fit.js", "charts.js", "tables.js", "page.js")
SECTIONS = (
    ("answer", "In short"),
    ("conditions", "Conditions"),
    ("pivots", "Two-way tables"),
    ("contrasts", "Contrasts"),
    ("reported", "Reported figures"),
    ("audit", "Defects"),
    ("data-sets", "Data sets"),
    ("designs", "Components"),
    ("metrics", "Metrics"),
    ("effects", "Effects"),
    ("figures", "Figures"),
    ("files", "Raw numbers"),
    ("run", "Trials and the run"),
)
ALWAYS = ("answer", "conditions", "figures", "files", "run")  # the others where the study has them


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
        with drawing(figures, prints=is_complete(results)) as finish:
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
    packs = Packs() if len(results.study.grid_trials()) > MOST_UNPACKED else None
    trials = build_trials(results, frames["folds"], pool, packs)
    script, style = _build_script(), _read("page.css")
    designs = frames.get("designs")
    study = results.study
    plan = build_plan_table(results)
    verdicts = build_verdicts(study, frames["claims"])
    placed = _place_figures(figures, has_claims=bool(verdicts.rows), is_about_defects=is_about_defects(results))
    content: dict[str, Any] = {
        "study": study,
        "facts": build_facts(results),
        "headline": build_headline(results, frames["claims"], frames["contrasts"], audit),
        "verdicts": verdicts,
        "claims_scope": tables.claims.scope if tables.claims else "",
        "adjustment": spell_adjustment(frames["claims"]),
        "conclusions": [] if audit is None else build_conclusions(audit),
        "design_sentences": [] if designs is None else build_design_sentences(results, designs),
        "other_contrasts": [build_family(family, study, packs) for family in tables.other_contrasts],
        "placed": placed,
        "figures": figures,
        "failed": dict(failed or {}),
        "trials": trials,
        "files": list_files(frames, build_sources(results)),
        "has_reference": bool(results.reference),
        "without_test": _lacks_test_labels(results),
        "environment": results.environment or {},
        "study_yaml": build_yaml(study),
        "charts": Markup(pool.build_json()) if packs is None else pack(pool.build_whole()),
        "packs": packs.texts if packs else [],
        "script": Markup(script),
        "style": Markup(style),
    }
    content |= _place_tables(tables, study, content["conclusions"])
    content |= place_further(tables, study)
    content["choice"] = build_choice(frames.get("pairs"), str(frames["contrasts"]["baseline_row"].mode().get(0, "")))
    content["plan"] = plan and place(plan, study)
    present = {*ALWAYS, *(name.replace("_", "-") for name, value in content.items() if value)}
    content["sections"] = [(id, title) for id, title in SECTIONS if id in present]
    drawing_script = _escape(library())
    hashes = " ".join(_hash(text) for text in (drawing_script, script))
    page = open_templates().get_template("page.html")
    return page.render(content, library=Markup(drawing_script), hashes=hashes, style_hash=_hash(style))


def _place_tables(tables: StudyTables, study: Study, conclusions: list[str]) -> dict[str, Any]:
    """The tables by the names that the template has for them; None for one that the study does not have."""
    audit = tables.audit and _leave_out(tables.audit, conclusions)
    one = {
        name: getattr(tables, name) for name in ("conditions", "metrics", "effects", "outlook", "designs", "data_sets")
    }
    placed: dict[str, Any] = {name: table and place(table, study) for name, table in (one | {"audit": audit}).items()}
    placed["contrasts"] = [place(table, study) for table in tables.contrasts]
    reported = [
        (any(r.values["verdict"] != ELSE for r in table.rows), place(table, study)) for table in tables.reported
    ]
    parts = {
        "shown": [table for is_comparable, table in reported if is_comparable],
        "folded": [table for is_comparable, table in reported if not is_comparable],
        "check": tables.check and place(tables.check, study),
    }
    return placed | {"reported": parts if any(parts.values()) else None}


def _place_figures(figures: Sequence[Figure], *, has_claims: bool, is_about_defects: bool) -> dict[str, list[Figure]]:
    """The figures by where they stand: first of all, in a section that they belong to, else among all others.

    Without claims the first screen has room for a second one.
    """
    opening = ["scores"] if has_claims else ["audit", "scores"] if is_about_defects else ["scores", "contrasts"]
    homes = {"contrasts": "contrasts", "audit": "audit", "critical-difference": "data-sets", "schedule": "plan"}
    by_name = {figure.name: figure for figure in figures}
    placed: dict[str, list[Figure]] = {home: [] for home in ("figures", *homes.values())}
    for name, figure in by_name.items():
        if name not in opening:
            placed[homes.get(name, "figures")].append(figure)
    placed["first"] = [by_name[name] for name in opening if name in by_name]
    return placed


def is_complete(results: Results) -> bool:
    """Whether every fit of the study is there: only then its figures are drawn for print."""
    planned = (trial.spec for trial in results.study.grid_trials())
    return all(results.records.is_completed(spec.id, fold) for spec in planned for fold in range(spec.folds))


def _lacks_test_labels(results: Results) -> bool:
    """Whether there would be confusions if the folder held the labels of the one test part."""
    has_one = results.study.test != "none" and len(results.study.data.names) == 1
    return has_one and results.test is None and any(record.predictions for record in results.records.folds.values())


def _leave_out(table: Table, sentences: list[str]) -> Table:
    """The table without notes that the page has elsewhere."""
    return replace(table, notes=tuple(note for note in table.notes if note not in sentences))


def _escape(script: str) -> str:
    """A script that cannot end its own element: inside its strings `<\\/` is the same as `</`."""
    return re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE).replace("<!--", "<\\!--")


def _build_script() -> str:
    """The page's own script, from the files of its parts."""
    parts = "\n".join(map(_read, SCRIPTS))
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
