"""Columns of a table as arrays, or a sentence that names the column and the row."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tune_app.data.arrays import encode_texts, to_float32
from tune_app.errors import DataError, choices

if TYPE_CHECKING:
    import pandas as pd

_COUNTED = "counted from 1 below the header"
_FEW = 10  # rows in which different texts may still be categories


class Columns:
    """The columns of a table that was read from `path`."""

    def __init__(self, path: Path, table: "pd.DataFrame") -> None:
        self.path = path
        self._table = table.set_axis([str(name) for name in table.columns], axis=1)
        self.names = list(self._table.columns)
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise DataError(f"{path}: several columns are called {repeated[0]!r}; give each a name of its own")

    def require(self, names: list[str]) -> None:
        """Raises DataError, with near matches, for every name that is no column."""
        unknown = [name for name in names if name not in self.names]
        if unknown:
            only = self.names[0]
            hint = ""
            if len(self.names) == 1 and (other := next((mark for mark in ";\t|" if mark in only), "")):
                hint = f"; the columns seem to be separated by {other!r}: say separator: {other!r}"
            sentences = [f"{self.path} has no column {name!r}{choices(name, self.names)}{hint}" for name in unknown]
            raise DataError("\n".join(dict.fromkeys(sentences)))

    def find_rest(self, taken: list[str]) -> list[str]:
        """The columns that are not `taken`. One without a name, such as the index that pandas writes, is refused."""
        rest = [name for name in self.names if name not in taken]
        unnamed = [name for name in rest if name.startswith("Unnamed: ") or not name.strip()]
        if unnamed:
            raise DataError(
                f"{self.path}: column {self.names.index(unnamed[0]) + 1} has no name; it may number the rows, and so "
                "tell their order; leave it out (index=False in pandas), or name the inputs"
            )
        if not rest:
            raise DataError(f"{self.path}: no column is left for the inputs; all are {', '.join(taken)}")
        return rest

    def refuse_missing(self, names: list[str]) -> None:
        """Raises DataError with the number and the first row of each column's missing values."""
        sentences = []
        for name in names:
            missing = self._table[name].isna().to_numpy()
            if missing.any():
                count = int(missing.sum())
                sentences.append(
                    f"{self.path}: column {name!r} has {count} missing value{'s' * (count > 1)}, the first in row "
                    f"{int(missing.argmax()) + 1}, {_COUNTED}"
                )
        if sentences:
            sentences[-1] += "; fill them in or leave those rows out; empty cells, NA, NaN, None and null are missing"
            raise DataError("\n".join(sentences))

    def is_bool(self, name: str) -> bool:
        """Whether the column holds nothing but true and false."""
        from pandas.api.types import is_bool_dtype

        return bool(is_bool_dtype(self._table[name].dtype)) and self._table[name].dtype.name != "category"

    def is_number(self, name: str) -> bool:
        """Whether the column holds numbers; bool is none."""
        from pandas.api.types import is_numeric_dtype

        return bool(is_numeric_dtype(self._table[name].dtype)) and not self.is_bool(name)

    def refuse_texts(self, targets: list[str], task: str) -> None:
        """Raises DataError for a target that is neither numbers nor, for several labels, bool."""
        for name in targets:
            if not self.is_number(name) and not (task == "multilabel" and self.is_bool(name)):
                raise DataError(f"{self.path}: target {name!r} holds no numbers; task {task} needs them")

    def read_inputs(self, names: list[str], categories: list[str]) -> tuple[NDArray[np.float32], tuple[int, ...]]:
        """The columns float32 (N, columns), and the positions of those that hold codes of categories."""
        values = np.empty((len(self._table), len(names)), dtype=np.float32)
        categorical = []
        for position, name in enumerate(names):
            if self.is_number(name) and name not in categories:
                values[:, position] = to_float32(self.read_plain(name))
                continue
            column = self.read_plain(name) if name in categories else self._read_categories(name)
            values[:, position] = np.unique(column, return_inverse=True)[1]
            categorical.append(position)
        return values, tuple(categorical)

    def _read_categories(self, name: str) -> NDArray[Any]:
        """A column that nobody called a category; texts that are hardly categories are refused."""
        import pandas as pd

        texts = self.read_plain(name)
        if texts.dtype.kind == "M":
            raise DataError(f"{self.path}: column {name!r} holds dates; name it as time or group, or leave it out")
        if texts.dtype.kind != "U":
            return texts
        # One "?" makes a column of text, and each of its numbers would pass for a category.
        numbers = pd.to_numeric(pd.Series(texts), errors="coerce").notna().to_numpy()
        if numbers.mean() > 0.5:
            row = int((~numbers).argmax())
            but = "stored as text" if numbers.all() else f"but {str(texts[row])!r} in row {row + 1}, {_COUNTED}"
            raise DataError(
                f"{self.path}: column {name!r} holds numbers, {but}; mend the file, or name the column under "
                "categories if its numbers are codes"
            )
        if len(texts) >= _FEW and len(set(texts.tolist())) == len(texts):
            raise DataError(
                f"{self.path}: column {name!r} has another text in each of its {len(texts)} rows, from which nothing "
                "can be learned; name the inputs without it"
            )
        return texts

    def read_plain(self, name: str) -> NDArray[Any]:
        """The column in NumPy's own type: numbers, bool, dates or texts; other things are refused."""
        from pandas.api.types import is_integer_dtype

        column = self._table[name]
        if self.is_bool(name):
            return column.to_numpy(dtype=np.bool_)
        if self.is_number(name):
            return column.to_numpy(dtype=np.int64 if is_integer_dtype(column.dtype) else np.float64)
        if column.dtype.kind == "M":
            return column.to_numpy(dtype="datetime64[ns]")
        values = column.tolist()
        kinds = {type(value) for value in values}
        if kinds in ({str}, {bool}) or kinds <= {int, float}:
            return np.array(values)
        shown = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(f"{self.path}: column {name!r} holds {shown}; numbers, bool or texts are needed, of one kind")

    def read_numbers(self, names: list[str]) -> NDArray[np.float64]:
        """Columns of numbers or bool (N, columns)."""
        return np.stack([self.read_plain(name).astype(np.float64) for name in names], axis=1)

    def read_folds(self, name: str) -> NDArray[np.int64]:
        """A column of whole numbers."""
        values = self.read_plain(name)
        if not self.is_number(name) or (values != np.floor(values)).any():
            raise DataError(
                f"{self.path}: folds {name!r} hold other things than whole numbers; each row's fold from 0 is needed, "
                "-1 is always trained on"
            )
        return values.astype(np.int64)

    def read_time(self, name: str) -> NDArray[Any]:
        """A column of numbers or dates; texts are read as ISO 8601 dates, in UTC where they name a zone."""
        import pandas as pd

        column = self._table[name]
        if self.is_number(name):
            return self.read_plain(name)
        try:
            dates = pd.to_datetime(column, format="ISO8601", utc=True)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{self.path}: time {name!r} holds neither numbers nor dates such as 2024-05-31 ({error})"
            ) from error
        return dates.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")


def encode(values: NDArray[Any], classes: tuple[str, ...], what: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Positions among `classes`, or among the sorted values if there are none; and the classes."""
    found, positions = np.unique(values, return_inverse=True)
    names = tuple(_spell(value) for value in found)
    if not classes:
        return positions.astype(np.int64), names
    return encode_texts(np.array(names, dtype=np.str_)[positions], classes, what), classes


def _spell(value: Any) -> str:
    """A class's name; that of a whole number has no point."""
    return str(int(value)) if isinstance(value, np.floating) and float(value).is_integer() else str(value)
