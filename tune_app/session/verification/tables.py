"""The tables of a results folder, held cell by cell against those that its records give."""

import io
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app import __version__
from tune_app.export.folder import SUMMARY_FILE
from tune_app.export.frames import build_frames, build_json, render_csv
from tune_app.export.tables.document import build_document, build_tables
from tune_app.export.tables.latex import render_latex
from tune_app.export.tables.markdown import render_markdown
from tune_app.records.results import Results
from tune_app.session.verification.check import Check, count
from tune_app.study.factors import FORMER_NAMES

COPIED = ("epochs", "folds")  # frames whose numbers are those of the records, digit by digit
LATER = ("ranking", "pairs")  # files that an earlier state of this version did not write
COMPUTED = "_wilson95_"  # in the names of their other columns
WIDTH = 100  # characters of a cell that is quoted
ROUNDING = 1e-9  # relative, of numbers that another version of a package may compute
_FORMER = FORMER_NAMES | {"images_per_second": "samples_per_second"}


def check_tables(folder: Path, results: Results) -> Check:
    """CSV files cell by cell; of tables that this version wrote also texts, `table.md`, `table.tex`, `results.json`.

    Tables of another version may be worded otherwise: of those the numbers are compared.
    """
    frames = build_frames(results)
    if not any((folder / f"{name}.csv").exists() for name in frames):
        return Check("Tables", f"there are none, only what they follow from; `tune-report {folder}` writes them.")
    version, problems = _read_version(folder)
    later = [name for name in LATER if name in frames]
    is_earlier = bool(later) and not any((folder / f"{name}.csv").exists() for name in later)
    frames = {name: frame for name, frame in frames.items() if not (is_earlier and name in later)}
    is_ours = (
        version == __version__
        and not is_earlier
        and not any(_lacks_columns(folder / f"{n}.csv", frames[n]) for n in frames)
    )
    problems += [
        problem
        for name, frame in frames.items()
        for problem in compare_frame(folder / f"{name}.csv", frame, is_ours, name in COPIED)
    ]
    files, cells = len(frames), sum(frame.size for frame in frames.values())
    if is_ours:
        built = build_tables(results, frames)
        tables = built.on_paper
        texts = {
            "table.md": build_document(results, tables),
            "table.tex": render_latex(tables, results.study.name),
            SUMMARY_FILE: build_json(results, frames),
            **{f"{table.name}.md": f"{render_markdown(table)}\n" for table in built.pivots},
            **{f"{table.name}.tex": render_latex([table], table.name) for table in built.pivots},
        }
        files += len(texts)
        for name, text in texts.items():
            problems += _compare_text(folder / name, text)
    writer = "an earlier state of this version" if version == __version__ else f"version {version or 'unknown'}"
    written = "" if is_ours else f" They were written by {writer}: numbers alone are compared, and no texts."
    told = f"{count(files, 'file')} with {count(cells, 'cell')} follow from the records.{written}"
    if problems and written:
        problems = [problems[0] + written, *problems[1:]]
    return Check("Tables", told, tuple(problems))


def _read_version(folder: Path) -> tuple[str, list[str]]:
    """The version that wrote the tables, empty where the folder does not say; and what is wrong with the file."""
    try:
        summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        return str((summary["made_from"] or {}).get("tune_app", "")), []
    except FileNotFoundError:
        return "", [f"{SUMMARY_FILE} is missing."]
    except RecursionError:
        return "", [f"{SUMMARY_FILE} cannot be read: it is nested too deeply."]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return "", [f"{SUMMARY_FILE} cannot be read: {error}."]


def compare_frame(path: Path, frame: pd.DataFrame, is_ours: bool, is_copied: bool) -> Iterator[str]:
    """Sentences on what a CSV file has otherwise than the frame: file, line, column and both values."""
    try:
        theirs = _read_cells(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield f"{path.name} is missing."
        return
    except (OSError, ValueError) as error:
        yield f"{path.name} cannot be read: {error}."
        return
    theirs = theirs.rename(
        columns={name: _FORMER[name] for name in theirs if name in _FORMER and _FORMER[name] not in theirs}
    )
    ours = _read_cells(render_csv(frame))
    yield from (
        f"{path.name} has a column {name}, which does not follow from the records."
        for name in theirs
        if name not in ours
    )
    if len(ours) != len(theirs):
        yield f"{path.name} has {count(len(theirs), 'row')}, and {len(ours):,} follow from the records."
        return
    for name in [str(name) for name in theirs if name in ours]:
        exactly = is_copied and COMPUTED not in name
        for row in np.flatnonzero(_differ(theirs[name], ours[name], exactly, is_ours)):
            there, here = _spell(theirs[name].iloc[row]), _spell(ours[name].iloc[row])
            yield f"{path.name}, line {row + 2}, column {name}: {there}, by the records {here}."


def _spell(cell: str) -> str:
    """The cell, or so much of it as a line has room for."""
    return textwrap.shorten(cell, WIDTH, placeholder=" …").rstrip(".") or "nothing"


def _lacks_columns(path: Path, frame: pd.DataFrame) -> bool:
    """Whether the file is from a time when there were fewer."""
    try:
        return bool(set(frame) - set(_read_cells(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        return False  # said where it is compared


def _read_cells(text: str) -> pd.DataFrame:
    """Every cell as the text that it is."""
    if not text.strip():
        return pd.DataFrame()
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def _differ(theirs: "pd.Series[str]", ours: "pd.Series[str]", exactly: bool, with_texts: bool) -> NDArray[np.bool_]:
    """Where the cells differ (rows,), by more than rounding unless exactly; texts where they are to be compared."""
    differ = (theirs.to_numpy() != ours.to_numpy()).astype(bool)
    there, here = (pd.to_numeric(each.where(differ), errors="coerce").to_numpy(np.float64) for each in (theirs, ours))
    are_numbers = np.isfinite(there) & np.isfinite(here)
    is_half = np.isfinite(there) != np.isfinite(here)
    near = there == here if exactly else np.isclose(there, here, rtol=ROUNDING, atol=1e-15)
    return np.asarray(differ & np.where(are_numbers, ~near, with_texts | is_half))


def _compare_text(path: Path, text: str) -> Iterator[str]:
    try:
        theirs = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield f"{path.name} cannot be read: {error}."
        return
    ours = text.splitlines()
    if path.suffix == ".json":
        if not _is_same(json.loads("\n".join(theirs)), json.loads(text)):
            yield f"{path.name} has other numbers or words than follow from the records."
        return
    for number, (there, here) in enumerate(zip(theirs, ours, strict=False), start=1):
        if there != here:
            yield f"{path.name}, line {number}: {_spell(there)!r}, by the records {_spell(here)!r}."
    if len(theirs) != len(ours):
        yield f"{path.name} has {len(theirs):,} lines, and {len(ours):,} follow from the records."


def _is_same(one: Any, other: Any) -> bool:
    """Whether two contents of JSON are the same but for rounding."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return bool(np.isclose(one, other, rtol=ROUNDING, atol=1e-15))
    return bool(one == other)
