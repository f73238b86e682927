"""Records on disk: every byte counts."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tune_app.errors import RecordError
from tune_app.records import (
    EpochRecord,
    FoldRecord,
    RecordSet,
    RecordStore,
    pack_labels,
    read_records,
    record_to_line,
    unpack_labels,
    write_records,
)

EPOCH = EpochRecord("t", 0, 0, 1, 0.1 + 0.2, 0.5, 1 / 3, 0.5, 0.001, 1.5, 1000.0)
FOLD = FoldRecord(
    "t", 0, 0, "completed", 1, 0.25, 0.9, pack_labels(np.arange(10, dtype=np.uint8)), 1, 1e9, 1.5, 7, "cpu", "h"
)


def test_records_come_back_bit_for_bit(tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", [EPOCH, FOLD])
    records, torn = read_records(tmp_path / "r.jsonl")
    assert records.epochs["t", 0, 1] == EPOCH
    assert records.folds["t", 0] == FOLD
    assert torn == b""


def test_labels_survive_packing() -> None:
    labels = np.random.default_rng(0).integers(0, 256, 10_000).astype(np.uint8)
    assert np.array_equal(unpack_labels(pack_labels(labels)), labels)


def test_every_line_carries_the_schema() -> None:
    assert json.loads(record_to_line(FOLD))["schema"] == 2


def test_the_last_record_of_a_key_counts(tmp_path: Path) -> None:
    failed = replace(FOLD, status="failed", test_accuracy=None)
    assert not RecordSet([FOLD, failed]).is_completed("t", 0)
    assert RecordSet([failed, FOLD]).is_completed("t", 0)


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_torn_last_line_is_dropped_and_writing_goes_on(tmp_path: Path, cut: int) -> None:
    store = RecordStore(tmp_path)
    store.append(EPOCH)
    store.append(FOLD)
    store.close()
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[:-cut])
    again = RecordStore(tmp_path)
    assert again.torn
    assert not again.records.is_completed("t", 0)
    again.append(FOLD)
    again.close()
    assert store.path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_refused_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(record_to_line(EPOCH) + "{oops\n" + record_to_line(FOLD))
    with pytest.raises(RecordError, match=r"line 2, is damaged.*--fresh"):
        RecordStore(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"test_accuracy":0.9', '"test_accuracy":Infinity', "Infinity is no number of JSON"),
        ('"test_accuracy":0.9', '"test_accuracy":NaN', "NaN is no number of JSON"),
        ('"test_accuracy":0.9', '"test_accuracy":"0.9"', "test_accuracy is '0.9'"),
        ('"fold":0', '"fold":0.5', "fold is 0.5"),
        ('"fold":0', '"fold":true', "fold is True"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_damaged_line(tmp_path: Path, before: str, after: str, message: str) -> None:
    line = record_to_line(FOLD)
    assert before in line
    (tmp_path / "records.jsonl").write_text(line.replace(before, after))
    with pytest.raises(RecordError, match=f"line 1, is damaged \\({message}"):
        read_records(tmp_path / "records.jsonl")


def test_another_schema_is_refused_with_the_remedy(tmp_path: Path) -> None:
    line = record_to_line(FOLD).replace('"schema":2', '"schema":99')
    (tmp_path / "records.jsonl").write_text(line)
    with pytest.raises(RecordError, match=r"schema 99, this version reads schema 2; start over with --fresh"):
        RecordStore(tmp_path)
    assert (tmp_path / "records.jsonl").read_text() == line


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    code = f"from pathlib import Path; from tune_app.records import RecordStore; RecordStore(Path({str(tmp_path)!r}))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    store.close()
    assert done.returncode == 1
    assert "is being written by another run" in done.stderr


def test_numbers_that_json_does_not_know_never_reach_the_disk(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        store.append(replace(EPOCH, validation_loss=float("nan")))
    store.close()
    assert store.path.read_bytes() == b""


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    store.append(EPOCH)
    store._file.close()
    store._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115 - every write to it fails as on a full disk
    with pytest.raises(RecordError, match="No space left on device; free some space"):
        store.append(FOLD)
    store.close()
    again = RecordStore(tmp_path)
    assert list(again.records.epochs) == [("t", 0, 1)]
    again.close()


def test_a_record_on_disk_is_known_even_if_an_interrupt_comes_while_the_disk_confirms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    store = RecordStore(tmp_path)
    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.append(FOLD)
    store.close()
    assert read_records(store.path)[0].folds == store.records.folds == {("t", 0): FOLD}
