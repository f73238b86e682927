"""Cells as they stand in a column: decimal points one below the other, what is constant in the caption."""

from tune_app.export.tables.layout import FIGURE_SPACE, LETTERS, POINT_SPACE, lay_out
from tune_app.export.tables.markdown import render_markdown
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Reason, Row, Table, Value
from tune_app.export.tables.page import render_page

COLUMNS = (
    Column("row", "row"),
    Column("effect", "effect", Kind.ESTIMATE, signed=True),
    Column("effect", "95% interval", Kind.INTERVAL, signed=True),
    Column("both", "both", Kind.BOTH),
    Column("n", "n", settles=True),
    Column("fold", "fold", Kind.COUNT),
)
FINE, COARSE, BARE = Estimate(0.01234, 0.01111, 0.01357), Estimate(-0.4, -1.5, 0.7), Estimate(2.0)


def build_table(*estimates: Estimate, n: str = "12 pairs", best: int = -1, reasons: tuple[Reason, ...] = ()) -> Table:
    rows = []
    for number, each in enumerate(estimates):
        values: dict[str, Value] = {"row": f"r{number}", "effect": each, "both": each, "n": n, "fold": 4}
        rows.append(Row(values, best=frozenset(["effect"] if number == best else [])))
    return Table("t", "A title", COLUMNS, (Group("", tuple(rows)),), reasons=reasons)


def list_points(table: Table, heading: str) -> set[int]:
    """How far from the right end the decimal points of a column stand; a digit is as wide as a figure space."""
    layout = lay_out(table, Medium.SCREEN)
    place = [column.heading for column in layout.columns].index(heading)
    texts = [row[place].text + row[place].pad for row in layout.blocks[0].rows]
    found = set()
    for text in texts:
        point = next(p for p in range(len(text) - 1, -1, -1) if text[p] in (".", POINT_SPACE))
        found.add(len(text) - point)
    return found


def test_decimal_points_stand_one_below_the_other() -> None:
    table = build_table(FINE, COARSE, Estimate(123.0, 23.0, 223.0), BARE)
    assert len(list_points(table, "effect")) == 1
    assert len(list_points(build_table(FINE, COARSE), "95% interval")) == 1
    assert len(list_points(build_table(FINE, COARSE), "both")) == 1


def test_aligning_changes_no_number() -> None:
    alone = [lay_out(build_table(each), Medium.SCREEN).blocks[0].rows[0] for each in (FINE, COARSE, BARE)]
    together = lay_out(build_table(FINE, COARSE, BARE), Medium.SCREEN)
    for one, row in zip(alone, together.blocks[0].rows, strict=True):
        shown = dict(zip([column.heading for column in together.columns], row, strict=True))
        texts = shown["effect"].text, shown["both"].text
        bare = [text.translate({ord(FIGURE_SPACE): None, ord(POINT_SPACE): None}).replace("  ", " ") for text in texts]
        assert bare[0] == one[1].text
        assert bare[1] in {cell.text for cell in one}


def test_what_all_rows_have_in_common_is_in_the_caption_and_no_column() -> None:
    layout = lay_out(build_table(FINE, COARSE), Medium.SCREEN)
    assert layout.caption == "A title; in every row: n 12 pairs"
    assert "n" not in [column.heading for column in layout.columns]
    assert "fold" in [column.heading for column in layout.columns], "it is not said to settle"
    assert "n" in [column.heading for column in lay_out(build_table(FINE), Medium.SCREEN).columns], "of a single row"


def test_the_best_is_set_off_in_every_rendering() -> None:
    table = build_table(FINE, COARSE, best=1)
    assert render_markdown(table).count("**") == 2
    assert "**-0.4**" in render_markdown(table)
    ((_, rows),) = render_page(table).groups
    assert [[cell.is_best for cell in row].count(True) for row in rows] == [0, 1]


def test_where_letters_do_not_suffice_notes_name_their_rows() -> None:
    estimates = [Estimate(float(number)) for number in range(len(LETTERS) + 2)]
    reasons = tuple(Reason((f"r{number}",), f"reason {number}.") for number in range(len(LETTERS) + 2))
    layout = lay_out(build_table(*estimates, reasons=reasons), Medium.SCREEN)
    assert [cell[0].mark for cell in layout.blocks[0].rows] == [*LETTERS, "", ""]
    assert layout.notes[-1] == f"r{len(LETTERS) + 1}: reason {len(LETTERS) + 1}."
