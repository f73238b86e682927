"""What further.html places: the ranking with all pairs folded below it, and the two-way tables."""

from typing import Any

from tune_app.export.page.placed import place
from tune_app.export.tables.document import StudyTables
from tune_app.study import Study


def place_further(tables: StudyTables, study: Study) -> dict[str, Any]:
    """The tables by the names that the template has for them; None or empty where the study has none."""
    return {
        "ranking": tables.ranking and place(tables.ranking, study),
        "pairs": tables.pairs and place(tables.pairs, study),
        "pivots": [place(table, study) for table in tables.pivots],
    }
