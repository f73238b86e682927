"""Tables for reading, as Markdown and for the terminal: the same cells in both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.conclusions import build_conclusions
from tune_app.analysis.conditions import build_conditions
from tune_app.analysis.frames import find_reported
from tune_app.export.rounding import (
    MISSING,
    choose_decimals,
    format_estimate,
    format_number,
    format_p_value,
    format_share,
)
from tune_app.records.results import Results

HEADINGS = ("row", "fits", "replicates", "test accuracy", "95% interval", "reported", "difference", "note")
CONTRASTS = "Contrasts of test accuracy"
# Headings of columns that are set flush left.
_TEXT = {"key", "claim", "verdict", "metric", "row", "baseline", "defect", "way", "explains", "place", "note"}


@dataclass(frozen=True)
class TextTable:
    """Cells rounded for reading; `notes` are sentences about single rows."""

    title: str
    headings: tuple[str, ...]
    cells: list[list[str]]
    notes: tuple[str, ...] = ()

    def is_text(self, heading: str) -> bool:
        """Whether the column is of words, set flush left; numbers are set flush right."""
        return heading in _TEXT or "key" in self.headings


def build_tables(results: Results, frames: Mapping[str, pd.DataFrame]) -> list[TextTable]:
    """The claims, the audit, the reference check, the conditions of each grid entry, the contrasts of test accuracy.

    `frames` are those of `build_frames`; a table without rows is left out.
    """
    tables = [
        build_claim_table(frames["claims"]),
        *([build_audit_table(frames["audit"])] if "audit" in frames else []),
        *([build_reference_table(frames["reference_check"])] if "reference_check" in frames else []),
        *build_condition_tables(results),
        _build_contrast_table(frames["contrasts"]),
    ]
    return [table for table in tables if table.cells]


def build_condition_tables(results: Results) -> list[TextTable]:
    """One per grid entry."""
    frames = build_conditions(results)
    titles = [
        f"Conditions, entry {number}" if len(frames) > 1 else "Conditions" for number in range(1, len(frames) + 1)
    ]
    return [_build_condition_table(title, build_cells(frame)) for title, frame in zip(titles, frames, strict=True)]


def _build_condition_table(title: str, cells: list[list[str]]) -> TextTable:
    """Without the columns that have nothing to say in this study."""
    optional = ("reported", "difference", "note")
    shown = [
        place
        for place, heading in enumerate(HEADINGS)
        if heading not in optional or any(row[place] not in ("", MISSING) for row in cells)
    ]
    headings = tuple(HEADINGS[place] for place in shown)
    return TextTable(title, headings, [[row[place] for place in shown] for row in cells])


def build_cells(table: pd.DataFrame) -> list[list[str]]:
    """The rows of a condition table under `HEADINGS`, rounded for reading."""
    return [_condition_cells(row) for row in table.to_dict("records")]


def _condition_cells(row: dict[Any, Any]) -> list[str]:
    low, high = row["test_accuracy_ci95_low"], row["test_accuracy_ci95_high"]
    decimals = choose_decimals(None if low is None or pd.isna(low) else (high - low) / 2)
    interval = MISSING
    if low is not None and not pd.isna(low):  # no accuracy lies outside [0, 1]; the CSV has the formula's ends
        interval = f"[{max(low, 0):.{decimals}f}, {min(high, 1):.{decimals}f}]"
    return [
        str(row["row"]),
        f"{row['fits_completed']}/{row['fits_planned']}",
        str(row["replicates"]),
        format_number(row["test_accuracy_mean"], decimals),
        interval,
        format_number(row["reported_test_accuracy"]),
        format_number(row["difference"], decimals, sign="+"),
        str(row["flags"]),
    ]


def build_claim_table(frame: pd.DataFrame) -> TextTable:
    """The verdicts of claims.csv; each reason is a note."""
    cells = [
        [
            row["sentence"],
            row["verdict"],
            row["metric"] + (f", epoch {row['epochs']}" if row["epochs"] else ""),
            *format_estimate(row["effect"], row["ci95_low"], row["ci95_high"], sign="+"),
            _spell_n(row),
        ]
        for row in frame.to_dict("records")
    ]
    notes = tuple(
        f"{row['sentence']} {row['verdict'].capitalize()}: {row['reason']}" for row in frame.to_dict("records")
    )
    return TextTable("Claims", ("claim", "verdict", "metric", "effect", "95% interval", "n"), cells, notes)


def _build_contrast_table(frame: pd.DataFrame) -> TextTable:
    rows = frame[frame["metric"] == "test_accuracy"].to_dict("records") if len(frame) else []
    cells = [
        [
            row["row"],
            row["baseline_row"],
            *format_estimate(row["effect"], row["ci95_low"], row["ci95_high"], sign="+"),
            format_p_value(row["p_holm"]),
            *(format_number(row[name], 2) for name in ("p_worse", "p_equivalent", "p_better")),
            format_number(row["smallest_detectable"], choose_decimals(row["smallest_detectable"])),
            _spell_n(row),
        ]
        for row in rows
    ]
    notes = tuple(f"{row['row']}: {row['reason']}" for row in rows if row["reason"])
    headings = ("row", "baseline", "effect", "95% interval", "p (Holm)", "P(worse)", "P(equal)", "P(better)")
    return TextTable(CONTRASTS, (*headings, "detectable", "n"), cells, notes)


def build_audit_table(frame: pd.DataFrame) -> TextTable:
    """What each defect costs, in points of test accuracy; the conclusions are notes."""
    headings = (
        *("row", "images", "replicates", "defect", "way", "without", "with", "cost", "95% interval", "median"),
        *("of the gap", "of the reported gap", "explains"),
    )
    cells = [
        [
            row["setting"],
            _spell_images(row["train_images"]),
            _spell_replicates(row),
            row["defect"],
            row["way"],
            format_number(row["accuracy_without"]),
            format_number(row["accuracy_with"]),
            *format_estimate(row["cost"], row["ci95_low"], row["ci95_high"], sign="+"),
            format_number(row["cost_median"], sign="+"),
            *(format_share(row[name]) for name in ("share_of_gap", "share_of_reported_gap")),
            row["explains"],
        ]
        for row in frame.to_dict("records")
    ]
    reasons = dict.fromkeys(
        f"{row['setting']}, {row['defect']}: {row['reason']}" for row in frame.to_dict("records") if row["reason"]
    )
    return TextTable("What the defects cost", headings, cells, (*build_conclusions(frame), *reasons))


def _spell_replicates(row: dict[Any, Any]) -> str:
    counts = row["replicates_without"], row["replicates_with"]
    return str(counts[0]) if counts[0] == counts[1] else f"{counts[0]} and {counts[1]}"


def build_reference_table(frame: pd.DataFrame) -> TextTable:
    """Each reported figure among the replicates run as reported, with the sound result beside it."""
    headings = ("row", "batch size", "reported", "as reported", "replicates", "below", "place", "range holds", "sound")
    cells = [
        [
            row["row"],
            str(row["batch_size"]),
            format_number(row["reported_test_accuracy"]),
            _spell_range(row, "as_reported"),
            str(row["as_reported_replicates"]),
            format_number(row["replicates_below"], 0),
            row["place"],
            format_share(row["range_coverage"]),
            _spell_range(row, "sound"),
        ]
        for row in frame.to_dict("records")
    ]
    notes = (
        "Below: replicates with a lower accuracy than the reported figure. Range holds: the chance that one more "
        "replicate lies between the least and the greatest of these.",
        *(
            f"{row['row']}, batch size {row['batch_size']}: {row['reason']}"
            for row in frame.to_dict("records")
            if row["reason"]
        ),
    )
    return TextTable("Reported figures among replicates (mean, least to greatest)", headings, cells, notes)


def _spell_images(images: float | None) -> str:
    return "all" if images is None or pd.isna(images) else f"{images:.0f}"


def _spell_range(row: dict[Any, Any], name: str) -> str:
    mean, low, high = (row[f"{name}_{what}"] for what in ("mean", "min", "max"))
    if mean is None or pd.isna(mean):
        return MISSING
    return f"{mean:.4f} ({low:.4f} to {high:.4f})"


def _spell_n(row: dict[Any, Any]) -> str:
    if row["n_pairs"] is not None and not pd.isna(row["n_pairs"]):
        return f"{row['n_pairs']} pairs"
    names = ("n_replicates", "n_replicates_baseline" if "n_replicates_baseline" in row else "n_replicates_against")
    return f"{row[names[0]]} and {row[names[1]]} replicates" if row["method"] else MISSING


def build_markdown(results: Results, tables: Sequence[TextTable]) -> str:
    """The tables with what must be known to read them; the verdicts on claims first."""
    study, recipe = results.study, results.study.recipe
    train = study.data.train_images or "all"
    test = study.data.test_images or "all"
    parts = [
        f"# {_escape(study.title or study.name)}",
        f"Data set {study.data.name}: {train} training and {test} test images. {recipe.epochs} epochs a fold, batch "
        f"size {recipe.batch_size}, {recipe.optimizer} at {recipe.learning_rate:g}, {recipe.precision}; splitter "
        f"{study.splitter}, seed {study.seed}.",
    ]
    for table in tables:
        parts += [f"## {table.title}", _markdown_table(table)]
        if table.notes:
            parts.append("\n".join(f"- {_escape(note)}" for note in table.notes))
    parts.append("## How to read this")
    parts.append("\n\n".join(build_reading(results)))
    return "\n\n".join(parts) + "\n"


def _escape(text: str) -> str:
    """One line, whatever a user wrote."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _markdown_table(table: TextTable) -> str:
    import tabulate

    escaped = [[_escape(cell) for cell in row] for row in table.cells]
    # Cells are text already: tabulate must not read 0.9830 as a number and drop its zero.
    align = ["left" if table.is_text(heading) else "right" for heading in table.headings]
    return tabulate.tabulate(
        escaped, headers=table.headings, tablefmt="pipe", disable_numparse=True, colalign=align if escaped else None
    )


def build_reading(results: Results) -> list[str]:
    """Paragraphs: how the numbers came about and what they do not say."""
    notes = [
        "Test accuracy is the mean over folds and replicates. The interval is the corrected resampled one (Nadeau & "
        "Bengio 2003), which allows for the training images that folds share; it is a heuristic, no more: no unbiased "
        "estimate of a cross-validation's variance exists.",
        "An effect is the row minus its baseline, paired on (replicate, fold) and tested by the corrected resampled "
        "t-test where both have the same splits, else by Welch's test over replicate means. p is adjusted by Holm over "
        "the contrasts of the metric; P(worse), P(equal) and P(better) are the Bayesian correlated t-test's, equal "
        f"meaning within ±{results.study.rope:g}. Detectable is the true difference that this design finds four times "
        "in five.",
    ]
    notes.append(
        "All networks are tested on one test set, and folds share most training images: for test metrics the numbers "
        "speak of new seeds and splits of these very images, not of new images (docs/statistics.md)."
    )
    if results.study.claims:
        notes.append(
            "A claim is supported where the 95% interval of its effect lies within the effects claimed, refuted where "
            "it lies outside, undecided where it reaches across the edge. The intervals are not widened for the number "
            "of claims."
        )
    if results.reference:
        notes.append(
            "A reported figure is one test of one network; the difference is ours minus the reported one. It stands "
            "beside rows of the same network on all images of the same data set: another width or fewer images make "
            "another experiment."
        )
        shown = [find_reported(results, trial.spec) for trial in results.study.grid_trials()]
        figures = [figure for figure in results.reference.values() if figure.note and figure in shown]
        notes += [f"{figure.row}: {figure.note}." for figure in figures]
    return notes


def build_terminal_tables(results: Results) -> list[Table]:
    """The claims, in brief, and the conditions for a rich console; a column without content is left out."""
    claims = build_claim_table(build_verdicts(results))
    brief = [claims.headings.index(name) for name in ("claim", "verdict", "effect", "95% interval")]
    headings = tuple(claims.headings[index] for index in brief)
    cells = [[row[index] for index in brief] for row in claims.cells]
    tables = [TextTable(claims.title, headings, cells), *build_condition_tables(results)]
    return [build_terminal_table(table) for table in tables if table.cells]


def build_terminal_table(text: TextTable) -> Table:
    """The cells for a rich console."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    shown = [
        index
        for index, heading in enumerate(text.headings)
        if heading in ("row", "fits", "test accuracy")
        or any(row[index] not in ("", MISSING, "1") for row in text.cells)
    ]
    for index in shown:
        heading = text.headings[index]
        justify: JustifyMethod = "left" if text.is_text(heading) else "right"
        wraps = heading in ("claim", "row", "note", "A", "B")
        table.add_column(heading.replace(" ", "\n"), no_wrap=not wraps, justify=justify)
    for row in text.cells:
        table.add_row(*(Text(row[index]) for index in shown))  # no markup: brackets are brackets
    return table


def build_comparison_tables(comparison: pd.DataFrame, changes: pd.DataFrame) -> list[TextTable]:
    """Two studies A and B: what changed, and per metric the same conditions with the effect B − A."""
    cells = [[row["key"], row["first"], row["second"]] for row in changes.to_dict("records")]
    tables = [TextTable("What changed", ("key", "A", "B"), cells)] if cells else []
    said: dict[str, None] = {}
    for metric, frame in comparison.groupby("metric", sort=False):
        rows = frame.to_dict("records")
        title = f"{metric}, {rows[0]['unit']}"
        headings = ("row", "A", "B", "B\u00a0−\u00a0A", "95% interval", "p", "n")
        notes = [note for row in rows if row["reason"] and (note := f"{row['row']}: {row['reason']}") not in said]
        said |= dict.fromkeys(notes)
        if any(not pd.isna(row.get("p_value")) for row in rows):
            notes.insert(0, "p is that of each row by itself, not adjusted for their number.")
        tables.append(TextTable(title, headings, [_comparison_cells(row) for row in rows], tuple(notes)))
    return tables


def _comparison_cells(row: dict[Any, Any]) -> list[str]:
    effect, interval = format_estimate(row["effect"], row["ci95_low"], row["ci95_high"], sign="+")
    means = [format_number(row["mean_first"]), format_number(row["mean_second"])]
    return [row["row"], *means, effect, interval, format_p_value(row["p_value"]), _spell_n(row)]
