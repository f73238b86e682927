"""A study over several data sets: its conditions' means by data set, and in how many of them each is better."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tune_app.analysis.contrasts import build_contrast
from tune_app.analysis.datasets import MIN_DATA_SETS, Summary, summarise_over_data_sets
from tune_app.analysis.estimands import find_source
from tune_app.analysis.hierarchical import Posterior, Within, build_within, build_within_folds, sample_posterior
from tune_app.analysis.metrics import build_scores, choose_rope
from tune_app.analysis.sides import Condition, Side
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import TrialSpec
from tune_app.study.labels import Labelling

HIERARCHICAL = ("mean_effect", "ci95_low", "ci95_high", "p_worse", "p_equivalent", "p_better", "rope")
Placed = dict[str, dict[str, Condition]]  # by the condition's label, then by the data set


@dataclass(frozen=True, eq=False)
class OverData:
    """`means` has a row a condition and a column a data set; `summary` compares with `baseline`, None if refused.

    `placed` has the conditions by their labels.
    """

    means: pd.DataFrame
    baseline: str
    summary: Summary | None
    reason: str = ""
    placed: Placed = field(default_factory=dict)


def build_over_data(results: Results) -> OverData | None:
    """The conditions of a study over several data sets by its primary metric; None for a study of one data set."""
    study = results.study
    if len(study.data.names) < 2:
        return None
    conditions = list(study.conditions())
    labelling = _build_labelling(results, [specs[0] for specs in conditions])
    means = pd.DataFrame(index=pd.Index([], name="condition"), columns=list(study.data.names), dtype=float)
    placed: Placed = {}
    for specs in conditions:
        label = labelling.label(_leave_out(specs[0]))
        placed.setdefault(label, {})[specs[0].dataset] = specs
        try:
            means.loc[label, specs[0].dataset] = float(build_scores(results, specs, study.primary).mean())
        except RefusedError:
            means.loc[label, specs[0].dataset] = float("nan")
    named = {name: level for name, level in study.baseline.model_dump(exclude_none=True).items() if name != "data"}
    first = next((s for s in conditions if s[0].condition.items() >= named.items()), conditions[0])
    baseline = labelling.label(_leave_out(first[0]))
    try:
        better = study.describe_metric(study.primary).better
        return OverData(means, baseline, summarise_over_data_sets(means.T, better, baseline), placed=placed)
    except RefusedError as refusal:
        return OverData(means, baseline, None, str(refusal))


def _build_hierarchical(results: Results, found: OverData) -> pd.DataFrame:
    """A row a condition but the baseline, with the columns of data_sets.csv from `mean_effect` on."""
    rows = [
        {"condition": label, **compare_over_data_sets(results, sides, found.placed[found.baseline])}
        for label, sides in found.placed.items()
        if label != found.baseline
    ]
    return pd.DataFrame(rows, columns=["condition", *HIERARCHICAL, "hierarchical_reason"])


def compare_over_data_sets(
    results: Results, condition: Mapping[str, Condition], baseline: Mapping[str, Condition]
) -> dict[str, float | str | None]:
    """The hierarchical test of a condition against the baseline, each by data set: the columns of data_sets.csv."""
    study = results.study
    rope = choose_rope(study, study.primary)
    numbers: dict[str, float | str | None] = dict.fromkeys(HIERARCHICAL) | {"rope": rope, "hierarchical_reason": ""}
    try:
        posterior = _find_posterior(results, condition, baseline, rope)
    except RefusedError as refusal:
        return numbers | {"hierarchical_reason": str(refusal)}
    below, equal, above = posterior.find_probabilities(rope)
    worse, best = (below, above) if study.describe_metric(study.primary).better == "higher" else (above, below)
    low, high = posterior.interval
    effect = float(posterior.mean.mean())
    return numbers | dict(zip(HIERARCHICAL, (effect, low, high, worse, equal, best, rope), strict=True))


def _find_posterior(
    results: Results, condition: Mapping[str, Condition], baseline: Mapping[str, Condition], rope: float
) -> Posterior:
    sides = [(Side(results, condition[name]), Side(results, baseline[name])) for name in condition if name in baseline]
    return sample_posterior([_find_within(pair, rope) for pair in sides])


def _find_within(pair: tuple[Side, Side], rope: float) -> Within:
    """What one data set says of the effect; of held-out folds by their own model, else by the contrast's test."""
    spec, metric = pair[0].specs[0], pair[0].results.study.primary
    contrast = build_contrast([pair], metric)
    first, second = contrast.sides
    differences = first - second if contrast.n_pairs else np.subtract.outer(first, second)
    is_held_out = bool(contrast.n_pairs) and find_source(spec, metric) == "held-out"
    if contrast.test is None or is_held_out:
        return build_within_folds(differences, first.shape[1], rope)
    return build_within(contrast.test, differences)


def _leave_out(spec: TrialSpec) -> dict[str, object]:
    return {name: level for name, level in spec.condition.items() if name != "data"}


def _build_labelling(results: Results, specs: list[TrialSpec]) -> Labelling:
    """Labels of the conditions whatever their data set."""
    conditions = list({tuple(_leave_out(spec).values()): _leave_out(spec) for spec in specs}.values())
    varying = [name for name in results.study.labelling.varying if name != "data"]
    return Labelling(conditions, results.study.labels, conditions[0], varying)


def build_data_sets(results: Results) -> pd.DataFrame:
    """One row per condition: its mean on each data set, wins, ties and losses, ranks and tests; docs/results.md.

    `attrs["summary"]` says it in sentences.
    """
    found = build_over_data(results)
    if found is None:
        return pd.DataFrame()
    frame = found.means.reset_index()
    frame.insert(0, "metric", results.study.primary)
    if found.summary is None:
        frame = frame.assign(reason=found.reason)
    else:
        frame = frame.merge(found.summary.build_frame(), on="condition", how="left")
    if found.summary and found.summary.data_sets >= MIN_DATA_SETS:  # below, the summary's reason says so
        frame = frame.merge(_build_hierarchical(results, found), on="condition", how="left")
    frame.attrs["summary"] = found.summary.describe() if found.summary else found.reason
    return frame
