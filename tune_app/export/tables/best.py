"""The note below a table in which the best is bold."""

from collections.abc import Sequence

from tune_app.analysis.pairs import MOST_PAIRED, find_pairs, find_standings
from tune_app.records.results import Results

RULE = "(p < 0.05, Holm over its comparisons with the others)"


def build_best_note(results: Results, best: Sequence[str], what: str) -> list[str]:
    """What bold numbers mean, or that none of the table is bold; nothing where no pair was tested.

    `best` are those of the parts of a table, which are each called a `what`.
    """
    if not any(pair["p_value"] is not None for pair in find_pairs(results)):
        return []
    if any(best):
        return [f"Bold: the best of its {what}, where that is decided {RULE}."]
    if any(len(standing.rows) > MOST_PAIRED for standing in find_standings(results)):
        return [f"None is bold: among more than {MOST_PAIRED} conditions only the leading one is compared."]
    where = "" if what == "table" else f" in any {what}"
    return [f"None is bold: which one is the best is not decided{where} {RULE}."]
