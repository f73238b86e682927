"""How wide a table is in LaTeX, and in which size of letters, upright or turned, it fits on a page.

Widths are those of Computer Modern, the fonts that LaTeX has by itself, in points at 10 pt.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tune_app.export.tables.layout import FIGURE_SPACE, LETTERS, POINT_SPACE, Layout
from tune_app.export.tables.model import Column

TEXT_WIDTH = 345.0  # of the class article on A4 at 10 pt, the narrowest that is common
TEXT_HEIGHT = 598.0
SIZES = (("normalsize", 1.0), ("small", 0.925), ("footnotesize", 0.85))
GAP = 8.0  # between columns, whatever the size of letters
# Of a column whose lines are broken: first with room for half a sentence, if that does not fit for two words.
LEAST = (150.0, 55.0)
_WIDTHS = {
    **dict.fromkeys("0123456789" + FIGURE_SPACE, 5.0),
    **dict.fromkeys(".,:;'!il[]|" + POINT_SPACE, 2.8),
    **dict.fromkeys("fjrst()-/ ", 4.0),
    **dict.fromkeys("mwW%+−<>=×±→@", 8.4),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ", 7.4),
    **dict.fromkeys("M", 9.2),
    **dict.fromkeys(LETTERS, 4.2),
}
_LETTER = 5.4  # any other


@dataclass(frozen=True)
class Fit:
    """A way to set a table: the places of its columns, the size of letters, and the widths of columns that wrap (pt).

    `is_turned`: on a page of its own, its lines along the long side.
    """

    places: tuple[int, ...]
    size: str
    wrapped: dict[int, float]
    is_turned: bool = False

    @property
    def scale(self) -> float:
        return dict(SIZES)[self.size]

    @property
    def width(self) -> float:
        return TEXT_HEIGHT if self.is_turned else TEXT_WIDTH


def measure(text: str) -> float:
    """The width of the text in points, as regular letters of 10 pt."""
    return sum(_WIDTHS.get(character, _LETTER) for character in text)


def fit(layout: Layout) -> list[Fit]:
    """The ways to set the parts of the table: one wherever it fits, upright before turned, else several upright ones.

    Every part has the first column.
    """
    every = tuple(range(len(layout.columns)))
    for is_turned, least in itertools.product((False, True), LEAST):
        for size, _ in SIZES if least == LEAST[0] else SIZES[::-1]:
            if found := _try(layout, every, size, least, is_turned=is_turned):
                return [found]
    return list(_split(layout))


def _split(layout: Layout) -> Iterator[Fit]:
    """As many columns as fit, again and again; a column that does not fit by itself stands all the same."""
    size = SIZES[-1][0]
    left = list(range(1, len(layout.columns)))
    while left:
        count = next((n for n in range(len(left), 1, -1) if _try(layout, (0, *left[:n]), size, LEAST[-1])), 1)
        places = (0, *left[:count])
        yield _try(layout, places, size, LEAST[-1]) or Fit(places, size, _squeeze(layout, places))
        left = left[count:]


def _squeeze(layout: Layout, places: Sequence[int]) -> dict[int, float]:
    return {place: TEXT_WIDTH / len(places) - GAP for place in places if layout.columns[place].wraps}


def _try(layout: Layout, places: tuple[int, ...], size: str, least: float, *, is_turned: bool = False) -> Fit | None:
    """The fit in that size; None where the columns that cannot wrap leave too little for those that do."""
    whole = Fit(places, size, {}, is_turned)
    room = (whole.width - GAP * (len(places) - 1)) / whole.scale
    needed = {place: measure_column(layout, place) for place in places}
    if sum(needed.values()) <= room:
        return whole
    wrapping = [place for place in places if layout.columns[place].wraps and needed[place] > least]
    room -= sum(width for place, width in needed.items() if place not in wrapping)
    smallest = {place: max(least, _measure_word(layout, place)) for place in wrapping}
    if not wrapping or room < sum(smallest.values()):
        return None
    widths = _share(room, smallest, needed)
    return Fit(places, size, {place: width * whole.scale for place, width in widths.items()}, is_turned)


def _share(room: float, smallest: dict[int, float], needed: dict[int, float]) -> dict[int, float]:
    """The room, given to the columns that wrap: none gets more than it needs, and what is left goes in equal parts."""
    left = room - sum(smallest.values())
    widths = {}
    missing = {place: max(0.0, needed[place] - least) for place, least in smallest.items()}
    for number, (place, width) in enumerate(sorted(missing.items(), key=lambda item: item[1])):
        more = min(width, left / (len(missing) - number))
        widths[place] = smallest[place] + more
        left -= more
    return widths


def _measure_word(layout: Layout, place: int) -> float:
    """The width of the longest word of a column, which no line breaks but after a hyphen."""
    texts = [f"{row[place].text}{row[place].mark}" for block in layout.blocks for row in block.rows]
    return 1.03 * max((measure(word) for text in texts for word in text.replace("-", "- ").split()), default=0.0)


def measure_column(layout: Layout, place: int) -> float:
    """The width of the column's widest cell, or of its heading in lines."""
    cells = [row[place] for block in layout.blocks for row in block.rows]
    widths = [measure(f"{cell.text}{cell.mark}{cell.pad}") * (1.15 if cell.is_best else 1) for cell in cells]
    widest = max(widths, default=0.0)
    return max([widest, *(measure(line) for line in break_heading(layout.columns[place], widest))])


def break_heading(column: Column, room: float) -> list[str]:
    """The heading in lines, its unit the last, where it is wider than the numbers below it (pt at 10 pt)."""
    unit = [f"({column.unit})"] if column.unit else []
    if measure(column.title) <= room:
        return [column.title]
    words, lines = column.heading.split(" "), list[str]()
    for word in words:
        if lines and (measure(f"{lines[-1]} {word}") <= room or len(f"{lines[-1]} {word}") <= 8):
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return [*lines, *unit]


def count_lines(text: str, width: float) -> int:
    """The lines that the text takes in a column of that width (pt at 10 pt)."""
    return max(1, -(-int(measure(text) * 1.08) // max(1, int(width))))
