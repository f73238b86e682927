"""All pairs of the conditions that compete, by the primary metric, and the ranking that follows from them.

Which one is better of any two is adjusted over all pairs. Which one is the best is adjusted over the comparisons of the
leading one with the others alone: that set leaves the true best out no more often than it should (Hsu 1984), whichever
leads, but of two of the others it says nothing.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.comparable import find_version_note
from tune_app.analysis.conditions import infer_mean
from tune_app.analysis.contrasts import build_contrast, describe_estimate
from tune_app.analysis.labels import Row, build_rows
from tune_app.analysis.metrics import build_scores
from tune_app.analysis.sides import Side
from tune_app.analysis.t_tests import LEVEL, adjust_by_holm, fill_in_holm
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study.once import once
from tune_app.study.protocol import SOUND

MOST_PAIRED = 30  # conditions: 435 pairs take seconds; of more, only the leading one is compared with each other
DECIDED = "decided"  # the status of a pair whose adjusted p is below 5%
OPEN = "undecided"
COLUMNS = (
    *("data", "metric", "unit", "better", "row", "other_row", "mean", "other_mean", "effect", "ci95_low", "ci95_high"),
    *("t", "df", "p_value", "p_holm", "family", "n_pairs", "n_replicates", "n_replicates_other"),
    *("method", "estimand", "status", "reason", "note"),
)
RANKING = (
    *("data", "metric", "unit", "better", "place", "row", "mean", "ci95_low", "ci95_high", "behind"),
    *("behind_low", "behind_high", "p_holm", "family", "status", "n_better_than", "n_worse_than"),
    *("estimand", "reason"),
)
_FLOATS = ("mean", "other_mean", "effect", "ci95_low", "ci95_high", "t", "df", "p_value", "p_holm")


@dataclass(frozen=True)
class Standing:
    """Conditions of one data set that compete, the best mean first; `without` are those without one, with the reason.

    A defect of the protocol may raise a score: where any condition is run by the sound protocol, the others do not
    compete, and `left_out` counts them.
    """

    data: str
    rows: tuple[Row, ...]
    means: Mapping[str, float]  # by the row's label
    without: tuple[tuple[Row, str], ...]
    left_out: int


def find_standings(results: Results) -> Sequence[Standing]:
    """The conditions that compete, by data set in the study's order; none where fewer than two have a mean."""
    return tuple(standing for standing in find_competitors(results) if len(standing.rows) > 1)


@once
def find_competitors(results: Results) -> Sequence[Standing]:
    """As `find_standings`, for each data set, however many of its conditions have a mean."""
    study = results.study
    found = []
    for name in study.data.names:
        every = [row for row in build_rows(study) if row.trials[0].dataset == name]
        rows = [row for row in every if row.trials[0].condition["protocol"] == SOUND] or every
        means: dict[str, float] = {}
        without = []
        for row in rows:
            try:
                means[row.label] = float(build_scores(results, row.trials, study.primary).mean())
            except RefusedError as refusal:
                without.append((row, str(refusal)))
        sign = -1 if study.describe_metric(study.primary).better == "higher" else 1
        ranked = sorted((row for row in rows if row.label in means), key=lambda row: sign * means[row.label])
        found.append(Standing(name, tuple(ranked), means, tuple(without), len(every) - len(rows)))
    return tuple(found)


def build_pairs(results: Results) -> pd.DataFrame:
    """One row per pair of conditions that compete: the one with the better mean, `row`, minus `other_row`.

    Pairs of one data set are a family of Holm's. Of more than 30 conditions, the leading one alone is compared with
    each other, and p is multiplied by the number of all pairs (Bonferroni). The columns are in docs/results.md.
    """
    rows = pd.DataFrame(find_pairs(results), columns=list(COLUMNS))
    return rows.astype(dict.fromkeys(_FLOATS, float) | {"n_pairs": "Int64"})


@once
def find_pairs(results: Results) -> Sequence[Mapping[str, Any]]:
    """The rows of `build_pairs`."""
    return tuple(row for standing in find_standings(results) for row in _compare(results, standing))


def find_winner(pair: Mapping[str, Any]) -> str:
    """The label of the condition that is better, empty where that is not decided."""
    if pair["status"] != DECIDED:
        return ""
    return _name_better(pair)


def find_beaten(results: Results) -> set[tuple[str, str]]:
    """(better, worse) for every pair of labels that is decided."""
    found = ((find_winner(pair), pair) for pair in find_pairs(results))
    return {(winner, p["other_row"] if winner == p["row"] else p["row"]) for winner, p in found if winner}


def _compare(results: Results, standing: Standing) -> list[dict[str, Any]]:
    """The pairs of one data set, adjusted."""
    ranked, count = standing.rows, len(standing.rows)
    total, is_whole = count * (count - 1) // 2, count <= MOST_PAIRED
    pairs = itertools.combinations(ranked, 2) if is_whole else ((ranked[0], other) for other in ranked[1:])
    rows = [_build_pair(results, standing, first, second) for first, second in pairs]
    what = f"pairs of {results.study.primary}" + (f" on {standing.data}" if len(results.study.data.names) > 1 else "")
    if is_whole:
        fill_in_holm(rows)
        family = f"all {sum(row['p_value'] is not None for row in rows)} {what}"
    else:
        family = f"all {total:,} {what}, by Bonferroni"
        for row in rows:
            row["p_holm"] = None if row["p_value"] is None else min(1.0, row["p_value"] * total)
    for row in rows:
        row["family"] = family if row["p_value"] is not None else ""
        row["status"] = row["status"] or (DECIDED if row["p_holm"] < 1 - LEVEL else OPEN)
    return rows


def _build_pair(results: Results, standing: Standing, first: Row, second: Row) -> dict[str, Any]:
    """The pair's numbers; `status` is empty where it has a p-value, which is still to be adjusted."""
    metric, study = results.study.primary, results.study
    sides = Side(results, first.trials), Side(results, second.trials)
    facts = study.describe_metric(metric)
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"data": standing.data, "metric": metric, "note": ""}
    row |= {"unit": facts.unit, "better": facts.better, "row": first.label, "other_row": second.label}
    row |= {"mean": standing.means[first.label], "other_mean": standing.means[second.label]}
    row |= {"n_replicates": len(first.trials), "n_replicates_other": len(second.trials)}
    try:
        contrast = build_contrast([sides], metric)
    except RefusedError as refusal:
        return row | {"status": "refused", "reason": str(refusal), "method": "", "estimand": ""}
    numbers = describe_estimate(contrast)
    row |= {"effect": numbers.pop("estimate"), **numbers, "note": find_version_note([sides])}
    return row | {"status": "" if contrast.status == "tested" else contrast.status}


def build_ranking(results: Results) -> pd.DataFrame:
    """One row per condition that competes, by its place: its mean, and what separates it from the leading one.

    `behind` is the leading condition minus it. The counts are of decided pairs, with the leader or not.
    """
    beaten = find_beaten(results)
    rows = [row for standing in find_standings(results) for row in _rank(results, standing, beaten)]
    types: dict[str, Any] = dict.fromkeys(("place", "n_better_than", "n_worse_than"), "Int64")
    types |= dict.fromkeys(("mean", "ci95_low", "ci95_high", "behind", "behind_low", "behind_high", "p_holm"), float)
    return pd.DataFrame(rows, columns=list(RANKING)).astype(types)


def find_best(results: Results, labels: Iterable[str]) -> str:
    """The label of the condition that is the best of these, by Holm over its comparisons; empty if undecided."""
    names = list(dict.fromkeys(labels))
    means = {label: mean for standing in find_standings(results) for label, mean in standing.means.items()}
    if len(names) < 2 or any(name not in means for name in names):
        return ""
    better = results.study.describe_metric(results.study.primary).better
    leader = (max if better == "higher" else min)(names, key=lambda name: means[name])
    pairs = [p for p in find_pairs(results) if p["row"] == leader or p["other_row"] == leader]
    own = [pair for pair in pairs if {pair["row"], pair["other_row"]} <= set(names)]
    if len(own) < len(names) - 1 or any(pair["p_value"] is None for pair in own):
        return ""
    adjusted = adjust_by_holm([pair["p_value"] for pair in own])
    is_best = all(_name_better(pair) == leader for pair in own) and adjusted.max() < 1 - LEVEL
    return leader if is_best else ""


def compare_with_leader(results: Results, data: str, leader: str) -> dict[str, dict[str, Any]]:
    """The pairs with the leading condition by the label of the other, with p adjusted over these pairs alone."""
    found = [dict(p) for p in find_pairs(results) if p["data"] == data and p["row"] == leader]
    fill_in_holm(found)
    tested = [pair for pair in found if pair["p_value"] is not None]
    for pair in tested:
        pair["family"] = f"the best against the rest, {len(tested)} comparisons" + (
            f" on {data}" if len(results.study.data.names) > 1 else ""
        )
        is_decided = pair["p_holm"] < 1 - LEVEL and _name_better(pair) == leader
        pair["status"] = DECIDED if is_decided else OPEN
    return {pair["other_row"]: pair for pair in found}


def _name_better(pair: Mapping[str, Any]) -> str:
    return str(pair["row" if (pair["effect"] > 0) == (pair["better"] == "higher") else "other_row"])


def _rank(results: Results, standing: Standing, beaten: set[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    metric, means = results.study.primary, [standing.means[row.label] for row in standing.rows]
    facts = results.study.describe_metric(metric)
    same = {"data": standing.data, "metric": metric, "unit": facts.unit, "better": facts.better}
    empty = dict.fromkeys(RANKING) | same | dict.fromkeys(("family", "status", "reason", "estimand"), "")
    leader = standing.rows[0].label
    pairs = compare_with_leader(results, standing.data, leader)
    for row, mean in zip(standing.rows, means, strict=True):
        found = infer_mean(results, row.trials, metric, build_scores(results, row.trials, metric))
        low, high = found.test.interval if found.test else (None, None)
        numbers = {"place": 1 + means.index(mean), "row": row.label, "mean": mean, "ci95_low": low, "ci95_high": high}
        if pair := pairs.get(row.label):
            numbers |= {"behind": pair["effect"], "behind_low": pair["ci95_low"], "behind_high": pair["ci95_high"]}
            numbers |= {name: pair[name] for name in ("p_holm", "family", "status", "reason")}
        numbers["n_better_than"] = sum(winner == row.label for winner, _ in beaten)
        numbers["n_worse_than"] = sum(loser == row.label for _, loser in beaten)
        yield empty | numbers | {"estimand": found.estimand or ""}
    for row, reason in standing.without:
        yield empty | {"row": row.label, "status": "refused", "reason": reason}
