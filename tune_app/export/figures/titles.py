"""Titles: what a figure answers, as a sentence from its numbers. None says more than its numbers decide."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from tune_app.analysis.looks import spell_replicates
from tune_app.analysis.t_tests import LEVEL
from tune_app.export.rounding import choose_decimals, format_number
from tune_app.study.metrics import SHARE


def title_scores(means: pd.DataFrame, metric: str, better: str) -> str:
    """From the lowest to the highest mean, and whose is at the better end; `means` has row, score and interval."""
    words = metric.replace("_", " ")
    if means.empty:
        return f"No condition has a mean {words} yet"
    rows = means.sort_values("score", kind="stable").to_dict("records")
    low, high = (_spell_mean(row) for row in (rows[0], rows[-1]))
    if len(rows) == 1:
        return f"{spell_label(rows[0]['row'])} has a mean {words} of {low}"
    if low == high:
        return f"All {len(rows)} conditions have a mean {words} of about {low}"
    best, end = (rows[-1], "highest") if better == "higher" else (rows[0], "lowest")
    return f"Mean {words} runs from {low} to {high}, the {end} with {spell_label(best['row'])}"


def title_scores_over_data(means: pd.DataFrame, metric: str, better: str) -> str:
    """Which condition has the highest or lowest mean on most data sets; `means` has name, dataset and score."""
    words = metric.replace("_", " ")
    scores = means.pivot_table(index="dataset", columns="name", values="score", sort=False)
    if scores.empty:
        return f"No condition has a mean {words} yet"
    is_higher = better == "higher"
    best = scores.idxmax(axis=1) if is_higher else scores.idxmin(axis=1)
    counts = best.value_counts()
    return (
        f"{spell_label(str(counts.index[0]))} has the {'highest' if is_higher else 'lowest'} mean {words} on "
        f"{counts.iloc[0]} of {len(scores)} data sets"
    )


def _spell_mean(row: Mapping[Any, Any]) -> str:
    width = None if pd.isna(row["ci95_low"]) else (row["ci95_high"] - row["ci95_low"]) / 2
    return format_number(row["score"], min(3, choose_decimals(width)))


def spell_label(label: str) -> str:
    """A condition's label within a sentence: `CNN (4 folds)` for `CNN, 4 folds`."""
    name, _, levels = label.partition(", ")
    return f"{name} ({levels})" if levels else name


def select_decided(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The rows whose difference is decided by Holm's rule; those without a test are not."""
    return contrasts[contrasts["p_holm"] < 1 - LEVEL]


def title_contrasts(drawn: pd.DataFrame, spell_pair: Callable[[str, str], tuple[str, str, str]]) -> str:
    """How many differences from the baseline are decided, and the largest of these; `drawn` as contrasts.csv.

    `spell_pair` gives what two conditions are called beside each other, and what they have in common.
    """
    tested = drawn[drawn["p_holm"].notna()].to_dict("records")
    decided = select_decided(drawn).to_dict("records")
    if not tested:
        return "No difference from the baseline is tested"
    largest = max(decided or tested, key=lambda row: abs(row["effect"]))
    first, second, common = spell_pair(largest["row"], largest["baseline_row"])
    if not decided:
        if len(tested) == 1:
            return f"The difference between {first} and {second} is not decided"
        return f"No difference from the baseline is decided, of {len(tested)}"
    sign = 1 if largest["better"] == "higher" else -1
    verb = "better" if sign * largest["effect"] > 0 else "worse"
    sentence = f"{first} is {verb} than {second} by {_spell_size(largest)}" + (f" ({common})" if common else "")
    if len(tested) == 1:
        return sentence
    if len(decided) == 1:
        return f"1 of {len(tested)} differences from the baseline is decided: {sentence}"
    return f"{len(decided)} of {len(tested)} differences from the baseline are decided; the largest: {sentence}"


def _spell_size(row: Mapping[Any, Any]) -> str:
    """The size of an effect with its unit: `0.35 points`, `0.02`, `3.1 s`."""
    is_share = row["unit"] == SHARE
    scale = 100 if is_share else 1
    decimals = choose_decimals(scale * (row["ci95_high"] - row["ci95_low"]) / 2)
    unit = " points" if is_share else f" {row['unit']}" if row["unit"] else ""
    return f"{abs(scale * row['effect']):.{min(4, decimals)}f}{unit}"


def title_shares(shares: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Which source is the largest part of the error of most means; `names` has what sources are called."""
    largest = shares.loc[shares.groupby("row", sort=False)["share"].idxmax(), "source"].value_counts()
    source, count, total = str(largest.index[0]), int(largest.iloc[0]), int(largest.sum())
    is_plural = names[source].endswith("s") and "×" not in names[source]
    verb = "are" if is_plural else "is"
    part = f"{names[source].capitalize()} {verb} the largest part of the error"
    if total == 1:
        return f"{part} of the mean"
    return f"{part} of {'every mean' if count == total else f'{count} of {total} means'}"


def title_looks(looks: pd.DataFrame) -> str:
    """How many claims have a verdict after the last look."""
    last = looks.groupby("sentence", sort=False).last()
    decided = int((last["state"] == "decided").sum())
    replicates = spell_replicates(int(looks["replicates"].max()))
    return f"After {replicates} {_count(decided, len(last), 'claim')} decided"


def _count(some: int, total: int, noun: str) -> str:
    """`2 of 5 claims are`, `no claim is`, `the one claim is`."""
    if total == 1:
        return f"the one {noun} is" if some else f"the one {noun} is not"
    if some in (0, total):
        return f"all {total} {noun}s are" if some else f"none of {total} {noun}s is"
    return f"{some} of {total} {noun}s {'is' if some == 1 else 'are'}"


def title_audit(steps: pd.DataFrame) -> str:
    """The step of the waterfall that is the largest of those whose interval is without zero."""
    totals, changes = (steps[steps["kind"] == kind] for kind in ("total", "change"))
    gap = f"from {totals['points'].iloc[0]:.2f}% to {totals['points'].iloc[-1]:.2f}%"
    shown = changes[(changes["ci95_low"] > 0) | (changes["ci95_high"] < 0)]
    if shown.empty:
        return f"No defect is shown to explain the way {gap}"
    row = max(shown.to_dict("records"), key=lambda row: abs(row["points"]))
    return f"Of the way {gap}, {row['step']} explains {row['points']:+.2f} points".replace("+-", "−").replace(
        "-0", "−0"
    )


def title_critical_difference(ranks: Mapping[str, float], difference: float) -> str:
    """Which conditions the best by average rank is told apart from."""
    order = sorted(ranks, key=lambda name: ranks[name])
    best = order[0]
    apart = [name for name in order[1:] if ranks[name] - ranks[best] > difference]
    if not apart:
        return f"{best} has the best average rank, and is told apart from none of the others"
    which = "all others" if len(apart) == len(order) - 1 else f"{len(apart)} of {len(order) - 1} others"
    return f"{best} has the best average rank, and is told apart from {which if len(apart) > 1 else apart[0]}"


def title_effects(rows: Sequence[Mapping[Any, Any]], scale: float, unit: str) -> str:
    """Which component's effect is the largest of those decided; `rows` of the first family that is drawn."""
    decided = [row for row in rows if not pd.isna(row["p_holm"]) and row["p_holm"] < 1 - LEVEL]
    if not decided:
        return "No effect of a component is decided after Holm's adjustment"
    row = max(decided, key=lambda row: abs(row["estimate"]))
    size = abs(row["estimate"]) * scale
    decimals = choose_decimals(scale * (row["ci95_high"] - row["ci95_low"]) / 2)
    verb = "raises" if row["estimate"] > 0 else "lowers"
    text = f"{row['component']} {verb} {{metric}} by {size:.{min(4, decimals)}f}{unit}"
    others = f", the most of {len(decided)} components that are shown to matter" if len(decided) > 1 else ""
    return text + others


def title_interactions(cells: pd.DataFrame) -> str:
    """How many pairs of components are shown to act together."""
    pairs = cells.drop_duplicates(["first", "second"])
    apart = pairs[(pairs["ci95_low"] > 0) | (pairs["ci95_high"] < 0)]
    if len(pairs) == 1:
        row = pairs.iloc[0]
        return f"{row['first']} and {row['second']} {'' if len(apart) else 'are not shown to '}act together".replace(
            "  ", " "
        )
    if apart.empty:
        return f"None of {len(pairs)} pairs of components has an interval without zero"
    return f"{len(apart)} of {len(pairs)} pairs of components have an interval without zero"


def title_curves(curves: pd.DataFrame, metric: str, better: str) -> str:
    """In how many conditions the last epoch is the best on the validation part; `curves` as `build_curves` gives it."""
    words = metric.replace("_", " ")
    shown = curves[(curves["metric"] == metric) & (curves["split"] == "validation")]
    if shown.empty:
        return f"{words.capitalize()} of the training part by epoch"
    sign = 1 if better == "higher" else -1
    last = 0
    groups = [group for _, group in shown.groupby("row", sort=False)]
    for group in groups:
        group = group.sort_values("epoch")
        last += int(sign * group["mean"].iloc[-1] >= (sign * group["mean"]).max())
    best = "highest" if better == "higher" else "lowest"
    subject = f"Mean validation {words} is {best} after the last epoch"
    if len(groups) == 1:
        return subject if last else f"Mean validation {words} is {best} before the last epoch"
    where = f"all {len(groups)}" if last == len(groups) else f"{last} of {len(groups)}" if last else "none"
    return f"{subject} in {where} conditions" if last else f"{subject} in none of {len(groups)} conditions"


def title_confusion(frame: pd.DataFrame) -> str:
    """The mistake that is commonest, or of two conditions the cell in which they differ most.

    `frame` has row, true, predicted and share.
    """
    shares: dict[tuple[Any, Any], dict[str, float]] = {}
    for row in frame.to_dict("records"):
        if row["true"] != row["predicted"]:
            shares.setdefault((row["true"], row["predicted"]), {})[row["row"]] = float(row["share"])
    if not any(share for found in shares.values() for share in found.values()):
        return "Nothing is taken for anything else"
    ends = {cell: (min(found.values()), max(found.values())) for cell, found in shares.items()}
    if frame["row"].nunique() == 1:
        cell = max(ends, key=lambda cell: ends[cell][1])
        return f"The commonest mistake: {cell[0]} is taken for {cell[1]}, in {_percent(ends[cell][1])} of its cases"
    cell = max(ends, key=lambda cell: ends[cell][1] - ends[cell][0])
    low, high = map(_percent, ends[cell])
    return f"{cell[0]} is taken for {cell[1]} in {low} to {high} of its cases, depending on the condition"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if share < 0.1 else f"{100 * share:.0f}%"


def title_confused(confused: pd.DataFrame) -> str:
    """How many images every fit of the first condition gets wrong; `confused` as `build_confused` gives it."""
    first = confused[confused["row"] == confused["row"].iloc[0]]
    every, name = int((first["wrong_fits"] == first["fits"]).sum()), spell_label(first["row"].iloc[0])
    if not every:
        worst = first.iloc[0]
        return f"No test image is wrong in every fit of {name}; one is in {worst['wrong_fits']} of {worst['fits']}"
    count = f"At least {every}" if every == len(first) else str(every)
    return f"{count} test {'image is' if every == 1 else 'images are'} wrong in every fit of {name}"


def title_roc(curves: pd.DataFrame) -> str:
    """Which condition finds most of the second class at a false-positive rate of 5%; `curves` has row, x, mean."""
    low, high, best = _find_ends(curves, 0.05)
    found = "of the second class is found on average"
    if low == high:
        return f"At 5% false alarms, {high} {found}"
    return f"At 5% false alarms, {low} to {high} {found}, the most by {best}"


def title_precision_recall(curves: pd.DataFrame) -> str:
    """Which condition has the highest precision at a recall of 90%; `curves` has row, x and mean."""
    low, high, best = _find_ends(curves, 0.9)
    where = "Where 90% of the second class is found, precision is on average"
    return f"{where} {high}" if low == high else f"{where} {low} to {high}, the highest with {best}"


def _find_ends(curves: pd.DataFrame, x: float) -> tuple[str, str, str]:
    """The lowest and the highest mean at `x` in percent, and which condition has it."""
    rows = curves[(curves["x"] - x).abs() < 1e-9].sort_values("mean", kind="stable").to_dict("records")
    low, high = (f"{100 * rows[place]['mean']:.1f}%" for place in (0, -1))
    return low, high, spell_label(rows[-1]["row"])


def title_schedule(schedule: pd.DataFrame) -> str:
    """Fits, time and how many ran at once; `schedule` as `build_schedule` gives it."""
    minutes = float(schedule["end_minutes"].max())
    time = f"{minutes:,.0f} minutes" if minutes >= 10 else f"{minutes:.1f} minutes"
    places = len(schedule[["host", "device", "lane"]].drop_duplicates())
    failed = int((schedule["status"] == "failed").sum())
    at_once = f", up to {places} at a time" if places > 1 else ", one after the other" * (len(schedule) > 1)
    fits = f"{len(schedule):,} fit{'s' * (len(schedule) > 1)}"
    return f"{fits} took {time}{at_once}" + (f"; {failed:,} failed" if failed else "")
