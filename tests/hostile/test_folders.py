"""Results folders from hostile hands: tables without what is damaged, or one message."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.builders import build_effect_results, write_sources
from tests.hostile.inputs import check_message, scalars, try_each, values, wrong_contents, wrong_texts
from tune_app.errors import TuneAppError
from tune_app.export.frames import build_frames, build_json
from tune_app.export.page.build import build_page
from tune_app.export.tables.document import build_document, build_tables
from tune_app.export.tables.latex import render_latex
from tune_app.records import record_to_dict
from tune_app.records.results import TestSet, read_results

FEW_OR_MANY = pytest.mark.parametrize("share", [0.1, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
RESULTS = replace(
    build_effect_results(),
    test=TestSet(np.arange(60) % 10, np.arange(60), np.zeros((2, 8, 8), np.uint8), np.arange(2)),
    environment={"command": "tune-grid", "versions": {"torch": "2.11"}, "commit": "abc", "nodes": [{"cpus": 2}]},
)
RECORDS = [record_to_dict(record) for record in RESULTS.records.in_order(trial for trial, _ in RESULTS.records.folds)]
FOLD = next(record for record in RECORDS if record["kind"] == "fold")
EPOCH = next(record for record in RECORDS if record["kind"] == "epoch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sources(tmp_path / "results", RESULTS)
    return tmp_path / "results"


def make_tables(folder: Path) -> None:
    """All that `tune-report` makes, but for figures; an error of ours is one message."""
    try:
        results = read_results(folder)
        frames = build_frames(results)
        tables = build_tables(results, frames)
        build_document(results, tables.on_paper)
        render_latex(tables.on_paper, results.study.name)
        build_json(results, frames)
        build_page(results, [], frames, tables, str)
    except TuneAppError as error:
        check_message(error)


def to_line(content: Any) -> bytes:
    """As our own writer would write it: with the checksum of whatever it says."""
    body = json.dumps(content).removesuffix("}").encode()
    return body + f',"checksum":"{hashlib.blake2b(body, digest_size=8).hexdigest()}"}}\n'.encode()


@FEW_OR_MANY
def test_records_that_say_anything_are_tables_or_a_message(folder: Path, share: float) -> None:
    others = b"".join(to_line(record) for record in RECORDS if record not in (FOLD, EPOCH))

    def attempt(content: Any) -> None:
        (folder / "records.jsonl").write_bytes(others + to_line(content))
        make_tables(folder)

    single = st.builds(lambda key, value: FOLD | {key: value}, st.sampled_from(sorted(FOLD)), scalars)
    try_each(int(40 * share), st.one_of(single, wrong_contents(FOLD), wrong_contents(EPOCH)), attempt)


@FEW_OR_MANY
@pytest.mark.parametrize("name", ["study.yaml", "environment.json", "plan.csv", "reference.csv", "looks.json"])
def test_side_files_that_say_anything_are_tables_or_a_message(folder: Path, name: str, share: float) -> None:
    place = folder / name
    plan = "trial,fits,parameters,flops,predicted_fit_seconds,cpus,gpus\nx,3,1,1,1,1,0\n"
    reference = "row,model,regularizer,folds,test_accuracy\nCNN,cnn,none,4,0.9\n"
    text = {"plan.csv": plan, "reference.csv": reference, "looks.json": '{"schema": 1, "looks": []}'}.get(name)
    text = place.read_text() if place.exists() else text

    def attempt(changed: str) -> None:
        place.write_text(changed, encoding="utf-8", errors="surrogatepass")
        make_tables(folder)

    drawn: st.SearchStrategy[str] = wrong_texts(str(text))
    if name.endswith("json"):
        drawn = st.one_of(drawn, wrong_contents(json.loads(str(text))).map(json.dumps), values.map(json.dumps))
    try_each(int(20 * share), drawn, attempt)


def write_npy(shape: str, content: bytes, dtype: str = "'<i8'") -> bytes:
    """An array whose header says what it likes."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


HOSTILE_ARRAYS = {
    "a pickle": write_npy("(1,)", b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.", "'|O'"),
    "a header that announces a terabyte": write_npy("(137438953472,)", b"x" * 64),
    "a header that is code": write_npy("__import__('os').system('touch ran')", b""),
    "nested brackets": write_npy("(" * 90 + ")" * 90, b""),
    "a negative shape": write_npy("(-1,)", b"x" * 64),
    "texts": write_npy("(2,)", "ab".encode("utf-32-le") * 2, "'<U2'"),
    "no array": b"hello",
    "nothing": b"",
    "a bomb": write_npy("(268435456,)", bytes(2**26)),
}


@pytest.mark.parametrize("kind", HOSTILE_ARRAYS)
@pytest.mark.parametrize("name", ["test.npz", "pseudo.npz"])
def test_archives_are_read_without_running_or_growing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    monkeypatch.chdir(folder)
    for damaged in ("labels", "images", "image_rows"):
        arrays: dict[str, Any] = {
            "labels": np.arange(60) % 10,
            "positions": np.arange(60),
            "images": np.zeros((2, 8, 8), np.uint8),
        }
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for array, content in {**arrays, "image_rows": np.arange(2)}.items():
                buffer = io.BytesIO()
                np.save(buffer, content)
                archive.writestr(f"{array}.npy", HOSTILE_ARRAYS[kind] if array == damaged else buffer.getvalue())
        make_tables(folder)
        assert not (folder / "ran").exists()


@pytest.mark.parametrize("name", ["test.npz", "pseudo.npz", "threshold_curves.csv"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04cos\nsystem\n."])
def test_files_that_are_something_else_are_a_message(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(TuneAppError, match=name) as caught:
        read_results(folder)
    check_message(caught.value)
