"""Condition tables as Markdown and for the terminal: the same cells in both."""

import pandas as pd
from rich.console import JustifyMethod
from rich.table import Table

from tune_app.analysis.frames import build_conditions
from tune_app.analysis.results import Results

HEADINGS = ("row", "fits", "replicates", "test accuracy", "95% interval", "reported", "difference", "note")


def build_cells(table: pd.DataFrame) -> list[list[str]]:
    """The rows of a condition table under `HEADINGS`, rounded for reading."""
    return [
        [
            str(row["row"]),
            f"{row['fits_completed']}/{row['fits_planned']}",
            str(row["replicates"]),
            _number(row["test_accuracy_mean"]),
            _interval(row["test_accuracy_ci95_low"], row["test_accuracy_ci95_high"]),
            _number(row["reported_test_accuracy"]),
            _number(row["difference"], sign="+"),
            str(row["flags"]),
        ]
        for row in table.to_dict("records")
    ]


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None or pd.isna(value) else f"{value:{sign}.4f}"


def _interval(low: float | None, high: float | None) -> str:
    if low is None or high is None or pd.isna(low):
        return "–"
    return f"[{max(low, 0):.4f}, {min(high, 1):.4f}]"  # no accuracy lies outside [0, 1]; the CSV has the formula's ends


def build_markdown(results: Results) -> str:
    """The tables with what must be known to read them."""
    study, recipe = results.study, results.study.recipe
    train = study.data.train_images or "all"
    test = study.data.test_images or "all"
    parts = [
        f"# {study.title or study.name}",
        f"Data set {study.data.name}: {train} training and {test} test images. {recipe.epochs} epochs a fold, batch "
        f"size {recipe.batch_size}, {recipe.optimizer} at {recipe.learning_rate:g}, {recipe.precision}; splitter "
        f"{study.splitter}, seed {study.seed}.",
    ]
    for table in build_conditions(results):
        parts.append(_markdown_table(build_cells(table)))
    parts.append(_reading(results))
    return "\n\n".join(parts) + "\n"


def _markdown_table(cells: list[list[str]]) -> str:
    import tabulate

    escaped = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    # Cells are text already: tabulate must not read 0.9830 as a number and drop its zero.
    return tabulate.tabulate(escaped, headers=HEADINGS, tablefmt="github", disable_numparse=True)


def _reading(results: Results) -> str:
    notes = [
        "Test accuracy is the mean over folds and replicates. The interval is the corrected resampled one (Nadeau & "
        "Bengio 2003), which allows for the training images that folds share; it is a heuristic, no more: no unbiased "
        "estimate of a cross-validation's variance exists.",
    ]
    if results.reference:
        notes.append(
            "The reported figure is one test of one network; the difference is ours minus the reported one. A row "
            "with another width is another network and is not set against a reported figure."
        )
        shown = {
            (t.spec.model, t.spec.regularizer, t.spec.folds) for t in results.study.grid_trials() if t.spec.width == 1
        }
        notes += [
            f"{figure.row}: {figure.note}." for key, figure in results.reference.items() if figure.note and key in shown
        ]
    return "\n\n".join(notes)


def build_terminal_tables(results: Results) -> list[Table]:
    """The same tables for a rich console."""
    tables = []
    for frame in build_conditions(results):
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
        cells = build_cells(frame)
        shown = [
            i for i in range(len(HEADINGS)) if i in (0, 1, 3) or any(row[i] not in ("", "–", "1") for row in cells)
        ]
        for index in shown:
            justify: JustifyMethod = "left" if index in (0, 7) else "right"
            table.add_column(HEADINGS[index].replace(" ", "\n"), no_wrap=index not in (0, 7), justify=justify)
        for row in cells:
            table.add_row(*(row[index] for index in shown))
        tables.append(table)
    return tables
