"""A results folder, written: complete in itself, each file whole or not at all."""

import contextlib
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tune_app.errors import RecordError, ResultsError
from tune_app.export.figures.write import prepare_drawing
from tune_app.export.frames import TIDY, build_frames, build_json, write_csv, write_parquet
from tune_app.export.latex import build_latex
from tune_app.export.page import PAGE_FILE, write_page
from tune_app.export.tables import build_markdown, build_tables
from tune_app.records import RECORDS_FILE, read_records, write_records, write_whole
from tune_app.records.files import write_bytes_whole
from tune_app.records.results import (
    ENVIRONMENT_FILE,
    PLAN_FILE,
    REFERENCE_FILE,
    STUDY_FILE,
    TEST_FILE,
    Results,
    TestSet,
)
from tune_app.study.file import build_yaml


def check_writable(folder: Path) -> None:
    """Raise ResultsError unless files can be written to `folder`, which is created."""
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
    except OSError as error:
        raise ResultsError(
            f"{folder} cannot be written: {error.strerror}; free some space, or choose another folder with --results"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def choose_folder(folder: Path, results: Results) -> Path:
    """`folder`, or `<folder>.partial` if writing there would lose records that this run does not have.

    That happens when a fresh clone, whose results folder holds a whole run, runs a part of the study or an edited one.
    Records there that cannot be read (damaged, or of another schema) are not ours to replace either.
    """
    if not (folder / RECORDS_FILE).exists():
        return folder
    partial_folder = folder.with_name(f"{folder.name}.partial")
    try:
        there, _ = read_records(folder / RECORDS_FILE)
    except RecordError:
        return partial_folder
    return partial_folder if there.completed() - results.records.completed() else folder


def write_results(
    folder: Path, results: Results, environment: Mapping[str, Any] | None = None, reference: Path | None = None
) -> None:
    """Write records, study, environment and tables; ResultsError if the folder refuses.

    Without `environment` (when tables are made anew from records) only the tables are written. The plan and the test
    set are written where `results` has them.
    """
    prepare_drawing()
    order = [trial.spec.id for trial in results.study.grid_trials()]
    plan, test = results.plan, results.test
    writers: dict[str, Callable[[Path], None]] = {}
    if environment is not None:
        results = replace(results, environment=environment)
        writers[RECORDS_FILE] = lambda path: write_records(path, results.records.in_order(order))
        writers[STUDY_FILE] = lambda path: write_whole(path, build_yaml(results.study))
        writers[ENVIRONMENT_FILE] = lambda path: write_whole(path, json.dumps(environment, indent=2) + "\n")
        if plan is not None:
            writers[PLAN_FILE] = lambda path: write_csv(path, plan)
        if test is not None:
            writers[TEST_FILE] = lambda path: _write_test_set(path, test)
        if reference:
            writers[REFERENCE_FILE] = lambda path: write_whole(path, reference.read_text(encoding="utf-8"))
    frames = build_frames(results)
    writers |= {f"{name}.csv": partial(write_csv, frame=frame) for name, frame in frames.items()}
    writers |= {f"{name}.parquet": partial(write_parquet, frame=frames[name]) for name in TIDY}
    writers["results.json"] = lambda path: write_whole(path, build_json(results, frames))
    tables = build_tables(results, frames)
    writers["table.md"] = lambda path: write_whole(path, build_markdown(results, tables))
    writers["table.tex"] = lambda path: write_whole(path, build_latex(tables, results.study.name))
    writers[PAGE_FILE] = lambda path: write_page(path.parent, results, frames)
    for name, write in writers.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / name)
        except OSError as error:
            raise ResultsError(
                f"{folder / name} cannot be written: {error.strerror}; the records are safe: free some space and run "
                "the same command again"
            ) from error


def _write_test_set(path: Path, test: TestSet) -> None:
    content = io.BytesIO()
    np.savez_compressed(
        content, labels=test.labels, positions=test.positions, images=test.images, image_rows=test.image_rows
    )
    write_bytes_whole(path, content.getvalue())
