"""Records that prove themselves: damaged lines are found, set aside, and what they told runs again."""

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.records.sample import EPOCH, FOLD
from tune_app.errors import RecordError
from tune_app.records import RecordStore, read_records, record_to_line, unpack_labels


def test_a_damaged_line_is_set_aside_with_its_content_and_its_fold_runs_again(tmp_path: Path) -> None:
    other = replace(FOLD, fold=1)
    lines = [
        record_to_line(EPOCH),
        record_to_line(FOLD).replace("0.25", "0.26"),
        record_to_line(replace(EPOCH, fold=1)),
    ]
    (tmp_path / "records.jsonl").write_text("".join([*lines, record_to_line(other)]))
    store = RecordStore(tmp_path)
    assert [(line.number, line.reason) for line in store.damaged] == [(2, "its checksum is that of another text")]
    assert store.records.missing_folds("t", 2) == (0,)
    store.append(FOLD)
    store.close()
    assert (tmp_path / "records.damaged.jsonl").read_text() == lines[1]
    again = RecordStore(tmp_path)
    again.close()
    assert again.damaged == ()
    assert again.records.folds == {("t", 0): FOLD, ("t", 1): other}


def test_a_fold_whose_epochs_are_damaged_runs_again(tmp_path: Path) -> None:
    """Also where an interrupt comes between, and the damaged line is gone."""
    first, second = (record_to_line(replace(EPOCH, fold=fold)) for fold in (0, 1))
    folds = [record_to_line(replace(FOLD, fold=fold)) for fold in (0, 1)]
    (tmp_path / "records.jsonl").write_text("".join([first.replace("0.001", "0.002"), second, *folds]))
    for damaged in (1, 0):
        store = RecordStore(tmp_path)
        store.close()
        assert len(store.damaged) == damaged
        assert store.records.missing_folds("t", 2) == (0,)


@pytest.mark.parametrize("place", range(0, 700, 23))
def test_no_flipped_bit_goes_unseen(tmp_path: Path, place: int) -> None:
    line = bytearray(record_to_line(FOLD).encode())
    line[place % (len(line) - 1)] ^= 1
    (tmp_path / "records.jsonl").write_bytes(bytes(line))
    try:
        records, damaged, torn = read_records(tmp_path / "records.jsonl")
    except RecordError as error:
        assert "schema" in str(error)  # noqa: PT017 - the flipped bit is the schema's
    else:
        assert not records.folds
        assert damaged or torn


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"test_accuracy":0.9', '"test_accuracy":Infinity', "Infinity is no number of JSON"),
        ('"test_accuracy":0.9', '"test_accuracy":NaN', "NaN is no number of JSON"),
        ('"test_accuracy":0.9', '"test_accuracy":1e999', "scores is .*'test_accuracy': inf"),
        ('"test_accuracy":0.9', '"test_accuracy":5', "test_accuracy is 5, a share lies between 0 and 1"),
        ('"test_accuracy":0.9', '"test_accuracy":"0.9"', "scores is .*'test_accuracy': '0.9'"),
        ('"test_accuracy":0.9', '"test_accuracy":null', "scores is .*'test_accuracy': None"),
        ('"completed"', '"finished"', "status is 'finished'"),
        ('"fold":0', '"fold":0.5', "fold is 0.5"),
        ('"fold":0', '"fold":true', "fold is True"),
        ('"fold":0', '"fold":-1', "fold is -1, at least 0 is possible"),
        ('"epochs":1', '"epochs":1' + "0" * 400, "epochs is 1000"),
        ('"fit_seconds":1.5', '"fit_seconds":1e999', "fit_seconds is inf"),
        ('"host":"h"', '"host":"\\ud800"', "surrogates not allowed"),
        ('"host":"h"', '"host":' + "[" * 100_000 + "]" * 100_000, "nested too deeply"),
    ],
)
def test_a_value_that_no_run_records_is_a_damaged_line(tmp_path: Path, before: str, after: str, message: str) -> None:
    """Of an earlier schema, whose lines have no checksum."""
    line = json.loads(record_to_line(FOLD)) | {"schema": "3.0"}
    del line["checksum"]
    text = json.dumps(line, separators=(",", ":"))
    assert before in text
    (tmp_path / "records.jsonl").write_text(text.replace(before, after) + "\n")
    (damaged,) = read_records(tmp_path / "records.jsonl").damaged
    assert re.search(message, damaged.reason)


def test_a_line_that_has_lost_its_checksum_is_damaged(tmp_path: Path) -> None:
    line = json.loads(record_to_line(FOLD))
    del line["checksum"]
    (tmp_path / "records.jsonl").write_text(json.dumps(line) + "\n")
    assert [line.reason for line in read_records(tmp_path / "records.jsonl").damaged] == ["its checksum is missing"]


@pytest.mark.parametrize(
    ("packed", "message"),
    [("not base64!", "unpacked"), (base64.b64encode(b"no zlib").decode(), "unpacked"), ("", "cut off")],
)
def test_predictions_that_are_none_are_refused(packed: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        unpack_labels(packed)


def test_predictions_that_unpack_without_end_are_refused_in_bounded_memory() -> None:
    packing = zlib.compressobj(9)
    bomb = b"".join([*(packing.compress(bytes(2**20)) for _ in range(300)), packing.flush()])
    with pytest.raises(RecordError, match="over 268,435,456 bytes"):
        unpack_labels(base64.b64encode(bomb).decode())
