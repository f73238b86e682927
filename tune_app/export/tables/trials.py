"""Tables of single trials: their folds, and what they were planned to cost."""

from collections.abc import Callable

import pandas as pd

from tune_app.analysis.schedule import build_plan_table as build_plan_frame
from tune_app.export.tables.model import Column, Group, Kind, Part, Row, Table, list_records
from tune_app.records.results import Results

FOLDS = (
    Column("fold", "fold", Kind.COUNT),
    Column("status", "status"),
    Column("best_epoch", "best epoch", Kind.COUNT),
    Column("fit_seconds", "fit took", Kind.NUMBER, unit="s", decimals=1),
    Column("peak_memory_mib", "peak memory", Kind.COUNT, unit="MiB"),
    Column("device", "device"),
    Column("error_type", "error"),
    Column("error_message", "message"),
)
PLAN = (
    Column("trial", "trial", wraps=True),
    Column("done", "fits", Kind.PART),
    Column("parameters", "parameters", Kind.COUNT),
    Column("giga_operations", "operations of a fit", Kind.NUMBER, unit="10⁹", decimals=1),
    Column("cpus", "CPUs", Kind.NUMBER, decimals=2),
    Column("gpus", "GPUs", Kind.NUMBER, decimals=2),
    Column("predicted_fit_seconds", "predicted", Kind.NUMBER, unit="s a fit", decimals=1),
    Column("measured_fit_seconds", "measured", Kind.NUMBER, unit="s a fit", decimals=1),
    Column("measured_to_predicted", "measured / predicted", Kind.NUMBER, decimals=2),
    Column("predicted_memory_mib", "memory, predicted", Kind.COUNT, unit="MiB"),
    Column("peak_memory_mib", "memory, measured", Kind.COUNT, unit="MiB"),
)


def build_fold_tables(folds: pd.DataFrame, loss_unit: str = "nats") -> Callable[[str], Table]:
    """What gives the table of one trial by its id, a row for each of its folds, failed ones included.

    `folds` are the rows of `build_folds`, of all trials.
    """
    shown = [str(name) for name in folds if str(name).startswith("test_") and "wilson" not in str(name)]
    order = sorted(shown, key=lambda name: name == "test_loss")
    units = {"test_accuracy": "share", "test_loss": loss_unit}
    scores = [Column(name, name.replace("_", " "), Kind.NUMBER, unit=units.get(name, "")) for name in order]
    columns = (*FOLDS[:2], *scores, *FOLDS[2:])
    needed = {column.name for column in columns} | {"trial", "peak_memory_bytes"}
    rows: dict[str, list[Row]] = {}
    for record in list_records(folds[[name for name in folds if name in needed]]):
        peak = _scale(record["peak_memory_bytes"], 2**20)
        rows.setdefault(record["trial"], []).append(Row(record | {"peak_memory_mib": peak}))

    def build(trial: str) -> Table:
        return Table(f"folds-{trial}", "Folds of this trial", columns, (Group("", tuple(rows.get(trial, ()))),))

    return build


def _scale(value: float | None, unit: float) -> float | None:
    """The value in that unit; None stays: a fit that failed before it began has no peak."""
    return None if value is None else value / unit


def build_plan_table(results: Results) -> Table | None:
    """Plan against actual, a row for each trial; None without a plan."""
    frame = build_plan_frame(results)
    if frame.empty:
        return None
    rows = tuple(
        Row(
            r
            | {"done": Part(r["fits_completed"], r["fits"]), "giga_operations": r["flops"] / 1e9}
            | {"predicted_memory_mib": _scale(r["predicted_memory_bytes"], 2**20)}
            | {"peak_memory_mib": _scale(r["peak_memory_bytes"], 2**20)},
            target=f"trial-{r['trial']}",
        )
        for r in list_records(frame)
    )
    done = frame[frame["fits_completed"] > 0]
    predicted, measured = (
        (done[f"{name}_fit_seconds"] * done["fits_completed"]).sum() for name in ("predicted", "measured")
    )
    note = f"All completed fits together: {predicted:,.0f} s predicted, {measured:,.0f} s measured."
    return Table(
        "plan",
        "Plan against actual: one fit",
        PLAN,
        (Group("", rows),),
        notes=tuple(filter(None, [note if len(done) else "", spell_timing(results)])),
    )


def spell_timing(results: Results) -> str:
    """What the last run took as a whole, and what had been predicted; empty where its environment does not say."""
    timing = (results.environment or {}).get("timing") or {}
    try:
        numbers = [float(timing[name]) for name in ("start", "predicted_start", "fits", "predicted_fits")]
        export = float(timing["predicted_export"])
    except (KeyError, TypeError, ValueError):
        return ""
    return (
        "The last run: {:,.0f} s from the command to its first fit ({:,.0f} s predicted), {:,.0f} s from there to the "
        "end of the last ({:,.0f} s predicted)".format(*numbers)
        + f", and then tables and page ({export:,.0f} s predicted)."
    )
