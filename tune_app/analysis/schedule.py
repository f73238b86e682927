"""When and where each fit ran, and how long it took against the plan."""

import pandas as pd

from tune_app.analysis.labels import build_rows
from tune_app.records import FoldRecord
from tune_app.records.results import Results

IDLE_SECONDS = 60.0  # a stretch in which nothing ran is cut out if it is longer: the study was stopped and resumed
OVERLAP_SECONDS = 0.05  # two clocks time a fit; so much overlap is theirs


def build_schedule(results: Results) -> pd.DataFrame:
    """One row per fit, failed ones included, by the time it started.

    Columns: trial, row, model, replicate, fold (from 1), status, host, device, lane (fits that overlap on one device
    lie in different lanes, from 1), start_minutes and end_minutes (since the first fit, idle stretches cut out),
    fit_seconds, idle_seconds (cut out just before this fit).
    """
    rows = {spec.id: (row.label, spec) for row in build_rows(results.study) for spec in row.trials}
    fits = sorted((r for r in results.records.folds.values() if r.trial in rows), key=lambda r: (r.started, r.trial))
    lanes: dict[tuple[str, str], list[tuple[float, str]]] = {}
    found = []
    clock = busy_until = fits[0].started if fits else 0.0
    for record in fits:
        gap = record.started - busy_until
        idle = gap if gap > IDLE_SECONDS else 0.0
        clock += idle
        end = record.started + record.fit_seconds
        busy_until = max(busy_until, end)
        label, spec = rows[record.trial]
        found.append(
            {
                "trial": record.trial,
                "row": label,
                "model": spec.model,
                "replicate": record.replicate,
                "fold": record.fold + 1,
                "status": record.status,
                "host": record.host,
                "device": record.device,
                "lane": _take_lane(lanes.setdefault((record.host, record.device), []), record),
                "start_minutes": (record.started - clock) / 60,
                "end_minutes": (end - clock) / 60,
                "fit_seconds": record.fit_seconds,
                "idle_seconds": idle,
            }
        )
    return pd.DataFrame(found)


def _take_lane(lanes: list[tuple[float, str]], record: FoldRecord) -> int:
    """The lane (from 1) of a fit: its trial's own if that is free, else the first free; `lanes` has (end, trial)."""
    free = [index for index, (end, _) in enumerate(lanes) if end <= record.started + OVERLAP_SECONDS]
    own = [index for index in free if lanes[index][1] == record.trial]
    index = (own or free or [len(lanes)])[0]
    lanes[index : index + 1] = [(record.started + record.fit_seconds, record.trial)]
    return index + 1


def build_plan_table(results: Results) -> pd.DataFrame:
    """One row per trial: what was planned, and the mean of what its completed fits took; empty without a plan.

    Columns: trial, fits, fits_completed, parameters, flops, cpus, gpus, predicted_fit_seconds, measured_fit_seconds,
    measured_to_predicted (a ratio), predicted_memory_bytes (None in a plan of an earlier version), peak_memory_bytes.
    """
    if results.plan is None:
        return pd.DataFrame()
    table = results.plan.copy()
    seconds: dict[str, list[float]] = {trial: [] for trial in table["trial"]}
    peaks: dict[str, int] = {}
    for record in results.records.folds.values():
        if record.trial in seconds and record.status == "completed":
            seconds[record.trial].append(record.fit_seconds)
            peaks[record.trial] = max(peaks.get(record.trial, 0), record.peak_memory_bytes or 0)
    table["fits_completed"] = [len(seconds[trial]) for trial in table["trial"]]
    measured = [sum(seconds[trial]) / len(seconds[trial]) if seconds[trial] else None for trial in table["trial"]]
    table["measured_fit_seconds"] = pd.Series(measured, index=table.index, dtype=float)
    table["measured_to_predicted"] = table["measured_fit_seconds"] / table["predicted_fit_seconds"]
    if "predicted_memory_bytes" not in table:
        table["predicted_memory_bytes"] = None
    table["predicted_memory_bytes"] = table["predicted_memory_bytes"].astype(float)
    peak = [peaks.get(trial) or None for trial in table["trial"]]
    table["peak_memory_bytes"] = pd.Series(peak, index=table.index, dtype=float)
    order = ["trial", "fits", "fits_completed", "parameters", "flops", "cpus", "gpus"]
    order += ["predicted_fit_seconds", "measured_fit_seconds", "measured_to_predicted"]
    return table[[*order, "predicted_memory_bytes", "peak_memory_bytes"]]
