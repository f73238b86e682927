"""The data files of a results folder: CSV and JSON, at full precision."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tune_app import __version__
from tune_app.analysis.audit.conclusions import build_conclusions
from tune_app.analysis.audit.costs import build_audit
from tune_app.analysis.audit.reference_check import build_reference_check
from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.conditions import build_condition_scores, build_trials
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.analysis.designed import build_designs
from tune_app.analysis.effects import build_effects
from tune_app.analysis.frames import build_epochs, build_folds
from tune_app.analysis.looking import build_looks
from tune_app.analysis.networks import build_networks
from tune_app.analysis.outlook import build_final_outlook
from tune_app.analysis.over_data import build_data_sets
from tune_app.analysis.pairs import build_pairs, build_ranking
from tune_app.records import write_whole
from tune_app.records.results import Results, build_digest

TIDY: dict[str, Callable[[Results], pd.DataFrame]] = {
    "epochs": build_epochs,
    "folds": build_folds,
    "trials": build_trials,
}
SUMMARIES: dict[str, Callable[[Results], pd.DataFrame]] = {
    "conditions": build_condition_scores,
    "contrasts": build_contrasts,
    "claims": build_verdicts,
    "outlook": build_final_outlook,
}
# Of studies that vary the protocol, and of those that have reported figures to compare with.
OCCASIONAL: dict[str, Callable[[Results], pd.DataFrame]] = {
    "audit": build_audit,
    "reference_check": build_reference_check,
    "designs": build_designs,
    "effects": build_effects,
    "data_sets": build_data_sets,
    "looks": build_looks,
    "ranking": build_ranking,
    "pairs": build_pairs,
}

FORMULA = ("=", "+", "-", "@", "\t", "\n")  # how what a spreadsheet computes begins
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+](?:inf|nan)")


def build_frames(results: Results) -> dict[str, pd.DataFrame]:
    """The tidy frames and the summaries, by the name of their files; an occasional one that is empty is left out."""
    frames = {name: build(results) for name, build in (TIDY | SUMMARIES | OCCASIONAL).items()}
    if results.test is not None:
        frames["networks"] = build_networks(results, results.test.labels)
    return {name: frame for name, frame in frames.items() if name in TIDY | SUMMARIES or len(frame)}


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """The frame as CSV; the file appears complete or not at all."""
    write_whole(path, render_csv(frame))


def render_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV, in which no text is a formula."""
    texts = [name for name in frame if frame[name].dtype.kind not in "biufM"]
    harmless = {str(name): _quote_formulas(frame[name]) for name in texts}
    return str(frame.assign(**harmless).to_csv(index=False, lineterminator="\n"))


def _quote_formulas(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column; each different text is looked at once, as most stand in many rows."""
    texts = {cell for cell in column if isinstance(cell, str)}
    quoted = {cell: found for cell in texts if (found := quote_formula(cell)) != cell}
    return column.map(lambda cell: quoted.get(cell, cell) if isinstance(cell, str) else cell) if quoted else column


def quote_formula(cell: Any) -> Any:
    """The cell; a text that a spreadsheet would compute has an apostrophe before it, as one would type it there.

    Those begin with `=`, `+`, `-`, `@`, a tab or a new line. A number is none, also one that is spelled as text.
    """
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r\n", "\n").replace("\r", "\n")  # which Python's writer would leave without quotes
    return f"'{cell}" if cell.startswith(FORMULA) and not _NUMBER.fullmatch(cell) else cell


def build_stamp(results: Results) -> dict[str, str]:
    """What tables follow from: the sources of the results, and the version that makes tables of them."""
    return {"tune_app": __version__, "sources": build_digest(results)}


def build_json(results: Results, frames: dict[str, pd.DataFrame], whole: bool = True) -> str:
    """The study and its summaries as strict JSON; a number that does not exist is null."""
    content: dict[str, Any] = {
        "made_from": build_stamp(results) if whole else None,
        "study": results.study.model_dump(mode="json"),
    }
    for name in [name for name in (*SUMMARIES, *OCCASIONAL, "networks") if name in frames]:
        cells = frames[name].astype(object)
        content[name] = cells.where(cells.notna(), None).to_dict("records")
    if "audit" in frames:
        content["conclusions"] = build_conclusions(frames["audit"])
    return "{" + ",\n".join(f"{_spell_json(name)}: {_spell_rows(value)}" for name, value in content.items()) + "}\n"


def _spell_rows(value: Any) -> str:
    """A list with a line for each item: `json.dumps` with an indent takes ten times as long."""
    if not isinstance(value, list) or not value:
        return _spell_json(value)
    return "[\n" + ",\n".join(map(_spell_json, value)) + "\n]"


_spell_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode
