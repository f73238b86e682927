"""What further.html places: the ranking with all pairs folded below it, and the two-way tables."""

from typing import Any

from tune_app.export.tables.document import StudyTables
from tune_app.export.tables.page import render_page


def place_further(tables: StudyTables) -> dict[str, Any]:
    """The tables by the names that the template has for them; None or empty where the study has none."""
    return {
        "ranking": tables.ranking and render_page(tables.ranking),
        "pairs": tables.pairs and render_page(tables.pairs),
        "pivots": [render_page(table) for table in tables.pivots],
    }
