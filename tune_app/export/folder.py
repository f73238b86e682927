"""A results folder, written: complete in itself, each file whole or not at all."""

import contextlib
import itertools
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tune_app.errors import RecordError, ResultsError
from tune_app.export.figures.write import prepare_drawing
from tune_app.export.frames import (
    SUMMARIES,
    TIDY,
    build_frames,
    build_json,
    build_stamp,
    write_csv,
)
from tune_app.export.page import PAGE_FILE, write_page
from tune_app.export.parquet import write_parquet
from tune_app.export.tables.document import build_document, build_tables
from tune_app.export.tables.latex import render_latex
from tune_app.export.tables.markdown import render_markdown
from tune_app.export.tables.pivot import name_pivots
from tune_app.records import RECORDS_FILE, read_records, write_whole
from tune_app.records.results import Results, build_sources
from tune_app.study.schema import TableChoice

SUMMARY_FILE = "results.json"


def check_writable(folder: Path, remedy: str = "or choose another folder with --results") -> None:
    """Raise ResultsError, with the remedy, unless files can be written to `folder`, which is created."""
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
    except OSError as error:
        raise ResultsError(f"{folder} cannot be written: {error.strerror}; free some space, {remedy}") from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def choose_folder(folder: Path, results: Results) -> Path:
    """`folder`, or `<folder>.partial` if writing there would lose records that this run does not have.

    That happens when a fresh clone, whose results folder holds a whole run, runs a part of the study or an edited one.
    Where that would lose records, too, it is `<folder>.partial-2`, and so on.
    """
    names = (".partial" if number == 1 else f".partial-{number}" for number in itertools.count(1))
    places = itertools.chain([folder], (folder.with_name(folder.name + name) for name in names))
    return next(place for place in places if not _loses_records(place, results))


def _loses_records(folder: Path, results: Results) -> bool:
    """Whether records would be lost there; those that cannot be read (of another schema) are not ours to replace."""
    if not (folder / RECORDS_FILE).exists():
        return False
    try:
        there, damaged, _ = read_records(folder / RECORDS_FILE)
    except RecordError:
        return True
    return bool(damaged or there.completed() - results.records.completed())


def write_results(folder: Path, results: Results, sources: bool = True, more: Sequence[TableChoice] = ()) -> list[str]:
    """Write tables, figures and page, with `sources` the records, study and environment too.

    `more` are two-way tables beside those that the study asks for.

    Each file appears whole or not at all; ResultsError if the folder refuses one. Returns a sentence for each figure
    that cannot be drawn: it costs that figure, never the tables.
    """
    undrawn: list[str] = []
    prepare_drawing()
    writers = build_sources(results) if sources else {}
    frames = build_frames(results)
    writers |= {f"{name}.csv": partial(write_csv, frame=frame) for name, frame in frames.items()}
    writers |= {f"{name}.parquet": partial(write_parquet, frame=frames[name]) for name in TIDY}
    tables = build_tables(results, frames, more)
    writers["table.md"] = lambda path: write_whole(path, build_document(results, tables.on_paper))
    writers["table.tex"] = lambda path: write_whole(path, render_latex(tables.on_paper, results.study.name))
    for table in tables.pivots:
        writers[f"{table.name}.md"] = partial(write_whole, text=f"{render_markdown(table)}\n")
        writers[f"{table.name}.tex"] = partial(write_whole, text=render_latex([table], table.name))
    writers[PAGE_FILE] = lambda path: undrawn.extend(write_page(path.parent, results, frames, tables))
    writers[SUMMARY_FILE] = lambda path: write_whole(
        path, build_json(results, frames, whole=not undrawn)
    )  # last of all
    for name, write in writers.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / name)
        except OSError as error:
            raise ResultsError(
                f"{folder / name} cannot be written: {error.strerror}; the records are safe: free some space and run "
                "the same command again"
            ) from error
    return undrawn


def is_current(folder: Path, results: Results) -> bool:
    """Whether the folder's tables were made from these results by this version, and none of its files is gone."""
    try:
        summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        made_from = summary["made_from"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    names = [*build_sources(results), *(f"{name}.csv" for name in TIDY | SUMMARIES), "table.md", "table.tex", PAGE_FILE]
    names += [f"{name}{suffix}" for name in name_pivots(results.study.tables) for suffix in (".md", ".tex")]
    return bool(made_from == build_stamp(results)) and all((folder / name).is_file() for name in names)
