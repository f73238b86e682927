"""Records on disk: every byte counts."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.records.sample import EPOCH, FOLD
from tune_app.errors import RecordError
from tune_app.records import (
    SCHEMA,
    EpochRecord,
    FoldRecord,
    RecordSet,
    RecordStore,
    pack_labels,
    read_records,
    record_from_dict,
    record_from_line,
    record_to_dict,
    record_to_line,
    unpack_labels,
    write_records,
)

COMMITTED = Path(__file__).parents[2] / "results"
SCHEMA_2 = Path(__file__).parent / "schema_2.jsonl"  # the first lines that version 0.1.0 wrote of `quick`


def test_records_come_back_bit_for_bit(tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", [EPOCH, FOLD])
    records, damaged, torn = read_records(tmp_path / "r.jsonl")
    assert records.epochs["t", 0, 1] == EPOCH
    assert records.folds["t", 0] == FOLD
    assert (damaged, torn) == ((), b"")


@pytest.mark.parametrize(("classes", "prefix"), [(256, ""), (257, "u2:"), (2**16, "u2:")])
def test_labels_survive_packing(classes: int, prefix: str) -> None:
    labels = np.append(np.random.default_rng(0).integers(0, classes, 10_000), classes - 1)
    packed = pack_labels(labels)
    assert packed.startswith(prefix)
    assert np.array_equal(unpack_labels(packed), labels)


def test_a_byte_is_enough_for_256_classes_as_it_always_was() -> None:
    line = json.loads(SCHEMA_2.read_text().splitlines()[2])
    packed = line["test_predictions"]
    assert pack_labels(unpack_labels(packed)) == packed


@pytest.mark.parametrize("labels", [[0, -1], [0, 2**16]])
def test_labels_that_cannot_be_recorded_are_refused_and_never_cut_short(labels: list[int]) -> None:
    with pytest.raises(RecordError, match="cannot be recorded; at most 65,536 classes"):
        pack_labels(np.array(labels))


def test_every_line_carries_the_schema() -> None:
    assert json.loads(record_to_line(FOLD))["schema"] == SCHEMA == "3.1"


def test_records_of_schema_2_are_read_as_if_written_today(tmp_path: Path) -> None:
    lines = SCHEMA_2.read_text().splitlines()[:3]
    old = [json.loads(line) for line in lines]
    epoch, fold = record_from_dict(old[0]), record_from_dict(old[2])
    assert isinstance(epoch, EpochRecord)
    assert isinstance(fold, FoldRecord)
    assert epoch.scores == {name: old[0][name] for name in old[0] if name.startswith(("train_", "validation_"))}
    assert epoch.samples_per_second == old[0]["images_per_second"]
    assert fold.scores == {"test_loss": old[2]["test_loss"], "test_accuracy": old[2]["test_accuracy"]}
    assert fold.predictions == old[2]["test_predictions"]
    assert fold.engine_reason is None
    assert fold.fingerprints == {}
    (tmp_path / "records.jsonl").write_text("\n".join(lines) + "\n")
    store = RecordStore(tmp_path)  # a file of both schemas
    store.append(FOLD)
    store.close()
    records = read_records(store.path).records
    assert records.folds.keys() == {(fold.trial, fold.fold), ("t", 0)}
    write_records(tmp_path / "again.jsonl", [epoch, record_from_dict(old[1]), fold])
    assert list(read_records(tmp_path / "again.jsonl")[0].folds.values()) == [fold]


def test_a_failed_fold_of_schema_2_has_no_scores() -> None:
    old = json.loads(SCHEMA_2.read_text().splitlines()[2])
    failed = old | {"status": "failed", "test_loss": None, "test_accuracy": None, "test_predictions": None}
    assert record_from_dict(failed).scores == {}
    del failed["test_loss"]
    with pytest.raises(RecordError, match="other fields than schema 2: test_loss"):
        record_from_dict(failed)


def test_an_epoch_of_schema_2_without_one_of_its_numbers_is_damaged() -> None:
    old = json.loads(SCHEMA_2.read_text().splitlines()[0])
    with pytest.raises(ValueError, match=r"scores is .*'train_loss': None"):
        record_from_dict(old | {"train_loss": None})


@pytest.mark.parametrize("study", ["quick", "report", "audit"])
def test_every_committed_record_keeps_each_of_its_values(study: str, tmp_path: Path) -> None:
    """Read, written as an export writes it, read again."""
    path = COMMITTED / study / "records.jsonl"
    records = read_records(path).records
    write_records(tmp_path / "again.jsonl", [*records.epochs.values(), *records.folds.values()])
    again = read_records(tmp_path / "again.jsonl").records
    assert (again.epochs, again.folds) == (records.epochs, records.folds)
    for old in map(json.loads, path.read_text().splitlines()):
        key = old["trial"], old["fold"]
        record = records.epochs[*key, old["epoch"]] if old["kind"] == "epoch" else records.folds[key]
        named = {"images_per_second": "samples_per_second", "test_predictions": "predictions"}
        for name, value in old.items():
            if name not in ("schema", "kind", "checksum"):
                name = named.get(name, name)
                assert (getattr(record, name) if hasattr(record, name) else record.score(name)) == value, name


def test_fields_of_a_newer_minor_version_are_kept_and_written_back() -> None:
    line = record_to_dict(FOLD) | {"schema": "3.7", "carbon_grams": 1.5}
    record = record_from_dict(line)
    assert record.extra == {"schema": "3.7", "carbon_grams": 1.5}
    assert record_to_dict(record) == line
    assert record_from_line(record_to_line(record).encode().strip()) == record


def test_optional_fields_may_be_missing_and_others_may_not() -> None:
    line = json.loads(record_to_line(FOLD))
    optional = ("predictions", "best_epoch", "peak_memory_bytes", "engine", "engine_reason", "environment")
    for name in (*optional, "error_type", "error_message"):
        del line[name]
    record = record_from_dict(line)
    assert [getattr(record, name) for name in optional] == [None] * len(optional)
    del line["scores"]
    with pytest.raises(RecordError, match="a record of kind 'fold' without scores"):
        record_from_dict(line)


def test_the_last_record_of_a_key_counts(tmp_path: Path) -> None:
    failed = replace(FOLD, status="failed", scores={})
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


def test_another_schema_is_refused_with_the_remedy(tmp_path: Path) -> None:
    line = record_to_line(FOLD).replace('"schema":"3.1"', '"schema":"4.0"')
    line = re.sub(r',"checksum":"\w+"', "", line)
    (tmp_path / "records.jsonl").write_text(line)
    with pytest.raises(RecordError, match=r"schema '4.0', this version reads schemas 2 and 3; start over with --fresh"):
        RecordStore(tmp_path)
    assert (tmp_path / "records.jsonl").read_text() == line


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    code = f"from pathlib import Path; from tune_app.records import RecordStore; RecordStore(Path({str(tmp_path)!r}))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    store.close()
    assert done.returncode == 1
    assert f"is being written by another run of this study: process {os.getpid()} on " in done.stderr


def test_numbers_that_json_does_not_know_never_reach_the_disk(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        store.append(replace(EPOCH, scores={"validation_loss": float("nan")}))
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
