"""The files of a results folder that the page links: where the numbers are."""

from collections.abc import Collection
from dataclasses import dataclass

from tune_app.export.frames import TIDY
from tune_app.records import RECORDS_FILE

ABOUT = {
    "folds": "a row per fit: scores, seconds, memory, environment",
    "epochs": "a row per epoch: learning curves",
    "trials": "a row per trial: fits, mean and spread over folds",
    "conditions": "means and intervals, every metric",
    "contrasts": "every condition against its baseline, every metric",
    "ranking": "the conditions in the order of their means",
    "pairs": "every pair of conditions",
    "claims": "the verdicts",
    "outlook": "what each claim and contrast needs",
    "audit": "what each defect costs",
    "reference_check": "reported figures among replicates run as reported",
    "designs": "what each component does",
    "effects": "effects of factors",
    "data_sets": "conditions over the data sets",
    "looks": "the claims from look to look",
    "networks": "a row per trained network",
    "threshold_curves": "ROC and precision-recall curves",
}
SOURCES = {
    "study.yaml": "the study",
    "environment.json": "where it ran",
    "plan.csv": "the plan",
    "test.npz": "test labels",
    "reference.csv": "reported figures",
    "looks.json": "looks at the claims",
}


@dataclass(frozen=True)
class FileLine:
    """The names of files with one content, the best first, and what they hold."""

    names: tuple[str, ...]
    about: str


def list_files(frames: Collection[str], sources: Collection[str]) -> list[FileLine]:
    """What lies beside the page: the frames, by name, and the files of `records.results.build_sources`."""
    ordered = [name for name in ABOUT if name in frames] + [name for name in frames if name not in ABOUT]
    lines = [
        FileLine((f"{name}.csv", *([f"{name}.parquet"] if name in TIDY else [])), ABOUT.get(name, ""))
        for name in ordered
    ]
    lines.append(FileLine((RECORDS_FILE,), "the records, a line per epoch and fit: what all else is made from"))
    others = tuple(sorted(name for name in sources if name != RECORDS_FILE))
    what = ", ".join(dict.fromkeys(SOURCES.get(name, "what else it was made from") for name in others))
    lines.append(FileLine(others, what))
    lines.append(
        FileLine(("table.md", "table.tex", "results.json"), "the tables for a paper, and all summaries in one")
    )
    return lines
