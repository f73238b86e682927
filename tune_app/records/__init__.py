"""What a study leaves on disk: records, their store, results folders."""

from tune_app.records.codec import (
    SCHEMA,
    pack_labels,
    record_from_dict,
    record_to_dict,
    unpack_labels,
)
from tune_app.records.files import write_bytes_whole, write_whole
from tune_app.records.lines import record_from_line, record_to_line
from tune_app.records.model import RUN_FIELDS, EpochRecord, FoldRecord, Record, RecordSet, build_failed_fold
from tune_app.records.store import (
    DAMAGED_FILE,
    RECORDS_FILE,
    Damaged,
    RecordStore,
    read_records,
    set_records_aside,
    write_records,
)

__all__ = [
    "DAMAGED_FILE",
    "RECORDS_FILE",
    "RUN_FIELDS",
    "SCHEMA",
    "Damaged",
    "EpochRecord",
    "FoldRecord",
    "Record",
    "RecordSet",
    "RecordStore",
    "build_failed_fold",
    "pack_labels",
    "read_records",
    "record_from_dict",
    "record_from_line",
    "record_to_dict",
    "record_to_line",
    "set_records_aside",
    "unpack_labels",
    "write_bytes_whole",
    "write_records",
    "write_whole",
]
