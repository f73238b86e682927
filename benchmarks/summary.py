"""The CSVs of `benchmarks.peers` → its tables. Pure: frames in, frames and Markdown out."""

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contest import CONTESTANTS, OURS
from benchmarks.machine import build_machine_lines

GPU_COMMAND = "python -m benchmarks.peers --device cuda --images 60000 --epochs 5"
TOLERANCE_FLOOR = 0.002  # accuracy; below it a difference is of no account, however many fits show it
PEERS = tuple(name for name, contestant in CONTESTANTS.items() if not contestant.executor)

NOTES = (
    "Wall time covers the whole process: imports, the start of Ray, and its end. Images are training images. Memory is "
    "the largest sum of PSS over the process tree, sampled twice a second. *Same accuracy*: the mean over paired fits "
    "differs from that of tune_app on Ray by no more than the tolerance, 3 standard errors or "
    f"{TOLERANCE_FLOOR:g}.",
    "",
    "*Of the limit*: the time that the network's nominal operations take as large fp32 matrix products on the same "
    "cores or device, all in use, measured before each repeat, over the time taken. A backward pass counts as two "
    "forward ones. *In the loop* counts the epochs alone, training and validation, on the cores that the fit had. A "
    "share can exceed 1 where the same function is evaluated with fewer operations than the nominal ones.",
)


def build_ratios(runs: pd.DataFrame) -> pd.DataFrame:
    """Wall time over that of tune_app on Ray in the same repeat: one row per repeat, one column per contestant."""
    walls = runs.dropna(subset=["wall_seconds"]).pivot(index="repeat", columns="contestant", values="wall_seconds")
    if OURS not in walls:
        return pd.DataFrame(np.nan, index=walls.index, columns=walls.columns)
    return walls.div(walls[OURS], axis=0)


def build_summary(runs: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """One row per contestant in the order of `CONTESTANTS`; medians over the repeats, with minimum and maximum."""
    ratios = build_ratios(runs)
    rows = []
    for name in (name for name in CONTESTANTS if name in set(runs["contestant"])):
        started = runs[runs["contestant"] == name]
        of = started[started["wall_seconds"].notna()]
        if of.empty:
            rows.append({"contestant": name, "started": len(started), "runs": 0, "error": started["error"].iloc[-1]})
            continue
        own = fits[fits["contestant"] == name]
        difference, tolerance = compare_accuracy(fits, name)
        share = of["flops"] / of["limit_flops_per_second"] / of["wall_seconds"]
        rows.append(
            {
                "contestant": name,
                "started": len(started),
                "runs": len(of),
                **_spread("wall_seconds", of["wall_seconds"]),
                "images_per_second": (of["images_trained"] / of["wall_seconds"]).median(),
                **_spread("ratio", ratios[name].dropna()),
                "peak_memory_bytes": of["peak_memory_bytes"].median(),
                "test_accuracy_mean": own["test_accuracy"].mean(),
                "accuracy_difference": difference,
                "accuracy_tolerance": tolerance,
                "same_accuracy": abs(difference) <= tolerance,
                "limit_share": share.median(),
                "limit_share_in_loop": _loop_share(own),
            }
        )
    return pd.DataFrame(rows)


def _spread(name: str, values: "pd.Series[float]") -> dict[str, float]:
    return {name: values.median(), f"{name}_min": values.min(), f"{name}_max": values.max()}


def _loop_share(fits: pd.DataFrame) -> float:
    """Seconds that the epochs take at the machine's limit over those they took; NaN where nobody timed them."""
    timed = fits.dropna(subset=["loop_seconds"])
    return float(timed["limit_loop_seconds"].sum() / timed["loop_seconds"].sum()) if len(timed) else float("nan")


def build_loop_shares(fits: pd.DataFrame) -> pd.DataFrame:
    """The share of the limit inside the epoch loop: regularizers down, our contestants across."""
    timed = fits.dropna(subset=["loop_seconds"])
    grouped = timed.groupby(["regularizer", "contestant"], sort=False)[["limit_loop_seconds", "loop_seconds"]].sum()
    return (grouped["limit_loop_seconds"] / grouped["loop_seconds"]).unstack()


def compare_accuracy(fits: pd.DataFrame, name: str) -> tuple[float, float]:
    """Mean test accuracy of `name` minus that of tune_app on Ray, and the difference that chance may make.

    Paired on (repeat, regularizer, fold): the tolerance is 3 standard errors of the mean difference, at least 0.002.
    """
    scores = fits.pivot_table(index=["repeat", "regularizer", "fold"], columns="contestant", values="test_accuracy")
    if OURS not in scores or name not in scores:
        return float("nan"), float("nan")
    differences = (scores[name] - scores[OURS]).dropna()
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return float(differences.mean()), max(TOLERANCE_FLOOR, 3 * float(error))


def build_targets(runs: pd.DataFrame, fits: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Rule, measured value and target of what the project wants to reach; only what these runs can show."""
    ratios = build_ratios(runs)
    targets = []
    if OURS in ratios and "report_loop" in ratios:
        targets.append(("times as fast as the report's loop", ratios["report_loop"].median(), 5.0))
    others = [name for name in PEERS if name != "report_loop" and name in ratios]
    if OURS in ratios and others:
        targets.append(("times as fast as the best of the other peers", ratios[others].min(axis=1).median(), 2.5))
    ours = fits[fits["contestant"] == OURS]
    if len(ours):
        targets.append(("of the limit inside the epoch loop, evaluation included in both", _loop_share(ours), 0.7))
    return targets


def build_markdown(runs: pd.DataFrame, fits: pd.DataFrame, machine: dict[str, Any]) -> str:
    """The whole of `peers.md`."""
    lines = [
        "# Speed against peers",
        "",
        _describe_work(runs),
        "",
        *build_machine_lines(machine),
        *([] if machine["gpus"] else [f"- On a GPU: not measured, none was at hand. `{GPU_COMMAND}` measures it."]),
        "- Limits, TFLOP/s in matrix products: "
        + ", ".join(f"{precision} {rate / 1e12:.3f}" for precision, rate in machine["limits"].items()),
        "",
        _table(pd.DataFrame([_spell_row(row) for row in build_summary(runs, fits).to_dict("records")])),
        "",
        *NOTES,
        "",
    ]
    shares = build_loop_shares(fits)
    if len(shares):
        lines += ["Share of the limit inside the epoch loop, by regularizer:", "", _table(_spell_shares(shares)), ""]
    targets = build_targets(runs, fits)
    if targets:
        lines += ["Targets, set for a study of at least two minutes on 2 cores:", "", _spell_targets(targets), ""]
    return "\n".join(lines)


def _describe_work(runs: pd.DataFrame) -> str:
    first = runs.iloc[0]
    regularizers = str(first["regularizers"]).split()
    return (
        f"The report's CNN ({', '.join(regularizers)}), {first['folds']} folds each, {first['images']:,} training "
        f"images, epochs: {first['epochs']}, {first['test_images']:,} test images, batches of 100, on "
        f"{first['device']}. All contestants run in turn within one call, in an order that rotates, n times each, "
        "every time with another seed. Medians, with minimum–maximum in brackets."
    )


def _spell_targets(targets: list[tuple[str, float, float]]) -> str:
    rows = [
        {"target": rule, "measured": f"{value:.2f}", "wanted": f"≥ {least:g}", "met": "yes" if value >= least else "no"}
        for rule, value, least in targets
    ]
    return _table(pd.DataFrame(rows))


def _spell_row(row: dict[Any, Any]) -> dict[str, str]:
    title = CONTESTANTS[row["contestant"]].title
    count = f"{row['runs']}" if row["runs"] == row["started"] else f"{row['runs']} of {row['started']}"
    if not row["runs"]:
        return {"contestant": f"{title}: no run ({row['error'].splitlines()[-1]})", "n": count}
    difference = row["accuracy_difference"]
    return {
        "contestant": title,
        "n": count,
        "wall, s": f"{row['wall_seconds']:.1f} [{row['wall_seconds_min']:.1f}–{row['wall_seconds_max']:.1f}]",
        "images/s": f"{row['images_per_second']:,.0f}",
        "time / ours": _blank(row["ratio"], f"{row['ratio']:.2f} [{row['ratio_min']:.2f}–{row['ratio_max']:.2f}]"),
        "peak memory, GiB": f"{row['peak_memory_bytes'] / 2**30:.2f}",
        "test accuracy": f"{row['test_accuracy_mean']:.4f}",
        "difference ± tolerance": _blank(difference, f"{difference:+.4f} ± {row['accuracy_tolerance']:.4f}"),
        "same accuracy": _blank(difference, "yes" if row["same_accuracy"] else "no"),
        "of the limit": f"{row['limit_share']:.2f}",
        "in the loop": _blank(row["limit_share_in_loop"], f"{row['limit_share_in_loop']:.2f}"),
    }


def _spell_shares(shares: pd.DataFrame) -> pd.DataFrame:
    return shares.map(lambda share: f"{share:.2f}").rename(columns=lambda name: CONTESTANTS[name].title).reset_index()


def _blank(value: float, text: str) -> str:
    return "" if np.isnan(value) else text


def _table(frame: pd.DataFrame) -> str:
    return str(frame.fillna("").to_markdown(index=False, disable_numparse=True))
