"""Tidy frames as Parquet: a column has the same type in every study's file, whatever is missing in one of them."""

import io
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from tune_app.records import EpochRecord, FoldRecord
from tune_app.records.files import write_bytes_whole
from tune_app.study.factors import TABLE

_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_OWN = {
    **dict.fromkeys(("fits_planned", "fits_completed", "predicted_memory_bytes"), int),
    **dict.fromkeys(("flags", "torch_version"), str),
    **dict.fromkeys(("fit_seconds_total", "predicted_seconds_total"), float),
    "single_class": bool,
}
# How columns beside a score end; user's metrics are not known by name.
_TEXTS = ("_method", "_estimand")
_NUMBERS = ("_mean", "_std", "_min", "_max", "_low", "_high", "_seeds", "_images", "_interaction", "_loss", "_accuracy")


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """The frame as Parquet; the file appears complete or not at all."""
    schema = pa.schema([(str(name), _choose_type(str(name), frame[name])) for name in frame])
    texts = [field.name for field in schema if field.type == pa.string()]
    words = frame[texts].apply(lambda column: column.astype(object).where(column.isna(), column.map(str)))
    content = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pandas(frame.assign(**words), schema, preserve_index=False), content)
    write_bytes_whole(path, content.getvalue())


def _choose_type(name: str, column: "pd.Series[Any]") -> pa.DataType:
    """What the column holds in any study; of an argument of the user's networks, what it holds in this one."""
    if known := _KNOWN.get(name):
        return _ARROW[known]
    if name.endswith(_TEXTS):
        return pa.string()
    if name.endswith(_NUMBERS):
        return pa.float64()
    kinds = set(column.dropna().map(type))
    if column.dtype.kind in "if" or (kinds and kinds <= {int, float}):
        return pa.int64() if column.dtype == "int64" else pa.float64()
    return _ARROW.get(kinds.pop(), pa.string()) if len(kinds) == 1 else pa.string()


def _find_base(hint: Any) -> type | None:
    """The plain type within an annotation; None for none."""
    if hint in _ARROW:
        return hint  # type: ignore[no-any-return]
    inner = (_find_base(part) for part in get_args(hint) if not isinstance(part, str))
    return next(filter(None, inner), str if any(isinstance(part, str) for part in get_args(hint)) else None)


_HINTS = {name: hint for kind in (EpochRecord, FoldRecord) for name, hint in get_type_hints(kind).items()}
_HINTS |= {factor.name: factor.kind for factor in TABLE}
_KNOWN = {name: base for name, hint in _HINTS.items() if (base := _find_base(hint))} | _OWN
