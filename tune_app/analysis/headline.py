"""What a study shows, in short: which condition leads and whether that is decided, and the verdicts on its claims.

Numbers only; `export.headline` puts them into words for the page and the terminal.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from tune_app.analysis.conditions import infer_mean
from tune_app.analysis.labels import Row, build_group
from tune_app.analysis.metrics import build_scores
from tune_app.analysis.over_data import build_over_data
from tune_app.analysis.pairs import DECIDED, compare_with_leader, find_competitors
from tune_app.analysis.power import Region
from tune_app.analysis.sides import Condition, find_contrasts
from tune_app.analysis.t_tests import LEVEL
from tune_app.analysis.verdicts import build_region
from tune_app.records.results import Results
from tune_app.study import Metric, Study

SAME = 1e-9  # differences closer than this are equal
SHAPES = {"supported": "✓", "refuted": "✗", "negligible": "≈", "undecided": "?"}


@dataclass(frozen=True)
class Rival:
    """A condition beside the leading one. `effect` is the leader minus it, `is_decided` whether the leader is better.

    Of a study over several data sets `effect` is the difference of average ranks. `shared` are the pairs of fits that
    `effect` is over where that is not the difference of the means, because one side has more of them. `reason` says why
    nothing was tested.
    """

    label: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p_holm: float | None = None
    is_decided: bool = False
    is_baseline: bool = False
    reason: str = ""
    shared: int | None = None


@dataclass(frozen=True)
class Leading:
    """The condition with the best mean of the primary metric, or the best average rank over `data_sets` (0 for one).

    `value` with `low` and `high` (NaN without an interval) is that mean or rank; without any condition that has one
    `label` is empty. `rivals` are the others that have one, in the order of theirs; `tied` the labels of those with the
    same. `without` has the labels of conditions that have none, each with the reason. `left_out` counts conditions by
    another protocol than the sound one, which do not compete with those by it.
    """

    metric: Metric
    better: Literal["higher", "lower"]
    unit: str
    label: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    is_baseline: bool = False
    rivals: tuple[Rival, ...] = ()
    tied: tuple[str, ...] = ()
    without: tuple[tuple[str, str], ...] = ()
    left_out: int = 0
    data_sets: int = 0
    reason: str = ""

    @property
    def undecided(self) -> tuple[str, ...]:
        """The labels of the rivals that may be as good."""
        return tuple(rival.label for rival in self.rivals if not rival.is_decided)


@dataclass(frozen=True)
class VerdictRow:
    """A claim in a row: its verdict, the effect with its interval, and the effects that it allows, `region`.

    The interval is that of the verdict at `level`, else the 95% interval where `is_adjusted` is false; NaN without one.
    `needed` are the replicates that decide it four times in five, of at most `most`. None with `most`: not even these
    do. Without `most` its spread is not known, and they are the least that allow a verdict; None there: it is decided,
    or `reason` says what it lacks.
    """

    number: int
    sentence: str
    verdict: str
    metric: Metric
    epochs: str
    unit: str
    effect: float
    low: float
    high: float
    level: float
    is_adjusted: bool
    region: Region
    needed: int | None
    most: int | None
    reason: str

    @property
    def shape(self) -> str:
        return SHAPES[self.verdict]


def build_verdict_rows(study: Study, claims: pd.DataFrame) -> list[VerdictRow]:
    """A row for each row of claims.csv, as `build_verdicts` gives it for the study."""
    rows = claims.to_dict("records")
    return [
        _build_verdict_row(number, row, build_region(claim, 0.0 if pd.isna(row["by"]) else row["by"]))
        for number, (row, claim) in enumerate(zip(rows, study.claims, strict=True), start=1)
    ]


def _build_verdict_row(number: int, row: dict[Any, Any], region: Region) -> VerdictRow:
    is_adjusted = not pd.isna(row["adjusted_low"])
    ends = ("adjusted_low", "adjusted_high") if is_adjusted else ("ci95_low", "ci95_high")
    effect, low, high = (math.nan if pd.isna(row[name]) else float(row[name]) for name in ("effect", *ends))
    needed = None if pd.isna(row["needed_replicates"]) else int(row["needed_replicates"])
    return VerdictRow(
        number=number,
        **{name: row[name] for name in ("sentence", "verdict", "metric", "epochs", "unit", "reason")},
        effect=effect,
        low=low,
        high=high,
        level=float(row["adjusted_level"]) if is_adjusted else LEVEL,
        is_adjusted=is_adjusted,
        region=region,
        needed=needed,
        most=None if pd.isna(row["most_replicates"]) else int(row["most_replicates"]),
    )


def find_leading(results: Results) -> Leading:
    """The condition that leads, compared with each other one, and Holm's rule over these comparisons.

    The rivals that are not decided are the set of those that may be best: that the truly best one is missing from it
    has a chance below 5%. It says nothing of two of the others. A study over several data sets is judged by ranks.
    Else conditions by the sound protocol compete where there are any, all where there are none: a defect may raise a
    score.
    """
    if len(results.study.data.names) > 1:
        return _find_leading_over_data(results)
    study, metric = results.study, results.study.primary
    facts = study.describe_metric(metric)
    (standing,) = find_competitors(results)
    group = build_group(study, [*standing.rows, *(row for row, _ in standing.without)])
    without = tuple((group.label(row), reason) for row, reason in standing.without)
    if not standing.rows:
        return Leading(metric, facts.better, facts.unit, without=without, left_out=standing.left_out)
    first, *others = standing.rows
    baseline, is_baseline = find_baseline(study, first)
    pairs = compare_with_leader(results, standing.data, first.label)
    low, high = _find_interval(results, first)
    return Leading(
        metric,
        facts.better,
        facts.unit,
        group.label(first),
        standing.means[first.label],
        low,
        high,
        is_baseline,
        tuple(_build_rival(group.label(row), pairs[row.label], row.trials == baseline) for row in others),
        tuple(group.label(row) for row in others if standing.means[row.label] == standing.means[first.label]),
        without,
        standing.left_out,
    )


def _build_rival(label: str, pair: Mapping[str, Any], is_baseline: bool) -> Rival:
    """The rival from its row of pairs.csv, adjusted over the leader's comparisons."""
    is_part = pair["effect"] is not None and not math.isclose(
        pair["effect"], pair["mean"] - pair["other_mean"], abs_tol=SAME
    )
    return Rival(
        label,
        pair["effect"],
        pair["ci95_low"],
        pair["ci95_high"],
        pair["p_holm"],
        pair["status"] == DECIDED,
        is_baseline,
        pair["reason"] or "",
        pair["n_pairs"] if is_part else None,
    )


def find_baseline(study: Study, row: Row) -> tuple[Condition | None, bool]:
    """The condition that the row's is compared with in contrasts.csv, and whether it is the one baseline itself."""
    compared = {specs[0].id: nearest for specs, nearest in find_contrasts(study)}
    if nearest := compared.get(row.trials[0].id):
        return nearest, False
    return None, len(study.conditions()) - len(compared) == 1


def _find_interval(results: Results, row: Row) -> tuple[float, float]:
    metric = results.study.primary
    found = infer_mean(results, row.trials, metric, build_scores(results, row.trials, metric))
    return found.test.interval if found.test else (math.nan, math.nan)


def _find_leading_over_data(results: Results) -> Leading:
    study = results.study
    facts = study.describe_metric(study.primary)
    found = build_over_data(results)
    count = len(study.data.names)
    if found is None or found.summary is None:
        return Leading(study.primary, facts.better, facts.unit, data_sets=count, reason=found.reason if found else "")
    summary, ranks = found.summary, found.summary.average_ranks
    first, *others = sorted(ranks, key=lambda label: ranks[label])
    p_values = {frozenset((pair.first, pair.second)): pair.p_value for pair in summary.pairs}
    for against in summary.against:  # of two conditions there is one test, and no pairs
        if against.p_holm is not None and len(ranks) == 2:
            p_values[frozenset((against.condition, summary.baseline))] = against.p_holm
    rivals = []
    for label in others:
        p_value = p_values.get(frozenset((first, label)))
        is_decided = p_value is not None and p_value < 1 - LEVEL and ranks[label] > ranks[first]
        effect = ranks[first] - ranks[label]
        rivals.append(Rival(label, effect, None, None, p_value, is_decided, label == found.baseline))
    return Leading(
        study.primary,
        facts.better,
        facts.unit,
        first,
        ranks[first],
        is_baseline=first == found.baseline,
        rivals=tuple(rivals),
        tied=tuple(label for label in others if ranks[label] == ranks[first]),
        data_sets=count,
        reason=summary.reason,
    )
