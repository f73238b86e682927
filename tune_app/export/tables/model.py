"""What a table is: typed rows under typed columns, with a title, captions and notes. It holds values, not texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

import pandas as pd


class Kind(Enum):
    """What the values of a column are; `cells.spell` says how each is spelt."""

    TEXT = "text"
    COUNT = "count"
    NUMBER = "number"  # with the column's decimals
    SHARE = "share"  # in whole percent
    PROBABILITY = "probability"
    P_VALUE = "p-value"
    SPREAD = "spread"  # an uncertainty itself, which decides its own decimals
    ESTIMATE = "estimate"  # the value of an `Estimate`
    INTERVAL = "interval"  # the interval of an `Estimate`
    BOTH = "estimate with interval"
    RANGE = "range"  # of a `Range`
    PART = "part"  # of a `Part`
    SHARES = "shares"  # of a `Shares`


class Medium(IntEnum):
    """Where a table is read, from the one with the least room to the one with the most."""

    TERMINAL = 0
    PRINT = 1  # a column of LaTeX
    PAPER = 2  # Markdown, a notebook
    SCREEN = 3


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval, which decides the decimals of both; without one `low` and `high` are None."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Range:
    """The mean of some numbers, their least and their greatest one."""

    mean: float | None
    least: float | None
    greatest: float | None


@dataclass(frozen=True)
class Part:
    """So many of so many."""

    done: int
    planned: int


@dataclass(frozen=True)
class Shares:
    """What a squared standard error is made of; the three sum to 1."""

    seeds: float
    images: float
    interaction: float


Value = str | int | float | Estimate | Range | Part | Shares | None


@dataclass(frozen=True)
class Column:
    """A column: the name of its values, its heading and their unit, their kind.

    `least` is the medium with the least room that shows it. `signed` numbers show a plus, intervals end at `bounds`,
    and words that may be long wrap. What `settles` is said in the caption where all rows have the same.
    """

    name: str
    heading: str
    kind: Kind = Kind.TEXT
    unit: str = ""
    least: Medium = Medium.TERMINAL
    decimals: int | None = None  # None: four digits
    signed: bool = False
    bounds: tuple[float, float] | None = None
    wraps: bool = False
    settles: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the values are words, which are set flush left; numbers are set flush right."""
        return self.kind is Kind.TEXT

    @property
    def title(self) -> str:
        """The heading with the unit."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading


@dataclass(frozen=True)
class Row:
    """Values by the names of their columns; `target` is the id of the section that the row's first cell leads to.

    `best` are the names of columns whose value is the best, and decidedly so. Footnotes speak of the row by its `key`,
    where that is another than its first cell.
    """

    values: Mapping[str, Value]
    target: str = ""
    best: frozenset[str] = frozenset()
    key: str = ""


@dataclass(frozen=True)
class Group:
    """Rows under a caption that says what they have in common; it is empty where that goes without saying."""

    caption: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Reason:
    """Sentences, and the keys of the rows that they are about."""

    rows: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Table:
    """`name` is an identifier, unique in a document. The first column names the row; `notes` are sentences.

    `scope` is the sentence that says what the numbers speak of, empty for a table of facts. `reasons` are what must be
    known of some rows, which `layout` makes footnotes of; `explained` are notes for media that show the column named.
    `file` has what a medium has no room for.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()
    scope: str = ""
    reasons: tuple[Reason, ...] = ()
    explained: tuple[tuple[str, str], ...] = ()
    file: str = "table.md"

    @property
    def rows(self) -> list[Row]:
        """The rows of all groups."""
        return [row for group in self.groups for row in group.rows]

    @property
    def caption(self) -> str:
        """The title, with the caption of the only group."""
        (first, *others) = self.groups or (Group("", ()),)
        return self.title if others or not first.caption else f"{self.title}: {first.caption}"

    def select_columns(self, medium: Medium, group: Group | None = None) -> list[Column]:
        """The columns that the medium shows: the first one, and those with a value in any row (of one group)."""
        first, *others = self.columns
        rows = group.rows if group else self.rows
        return [
            first,
            *(
                column
                for column in others
                if column.least <= medium
                and any(not is_missing(row.values.get(column.name), column.kind) for row in rows)
            ),
        ]


@dataclass(frozen=True)
class Over:
    """A count that is known to be greater than `limit`."""

    limit: int


def is_missing(value: Any, kind: Kind) -> bool:
    """Whether there is nothing to show: None, NaN, an empty text, an estimate without what its column shows."""
    if isinstance(value, Estimate):
        value = value.low if kind is Kind.INTERVAL else value.value
    if isinstance(value, Range):
        value = value.mean
    return not isinstance(value, Part | Shares | Over) and (value is None or value == "" or bool(pd.isna(value)))


def list_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows, by the names of its columns."""
    return [{str(name): value for name, value in record.items()} for record in frame.to_dict("records")]
