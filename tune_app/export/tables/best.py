"""Which condition of a table is the best, where that is decided, and the note that says how."""

from collections.abc import Iterable, Sequence

from tune_app.analysis.pairs import find_beaten, find_pairs
from tune_app.records.results import Results


def find_best(results: Results, labels: Iterable[str]) -> str:
    """The label of the condition that is decidedly better than each of the others; empty if there is none."""
    names = list(dict.fromkeys(labels))
    beaten = find_beaten(results)
    found = (name for name in names if all((name, other) in beaten for other in names if other != name))
    return next(found, "") if len(names) > 1 else ""


def build_best_note(results: Results, best: Sequence[str], what: str) -> list[str]:
    """What bold numbers mean, or that none of the table is bold; nothing where no pair was tested.

    `best` are those of the parts of a table, which are each called a `what`.
    """
    families = list(dict.fromkeys(pair["family"] for pair in find_pairs(results) if pair["family"]))
    if not families:
        return []
    rule = f"(p < 0.05, adjusted over {' and over '.join(families)})"
    if any(best):
        return [f"Bold: the best of its {what}, where it is decided that it beats each other one there {rule}."]
    return [f"None is bold: of no {what} it is decided that one beats each other {rule}."]
