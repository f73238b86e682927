"""A study over several data sets: its conditions' means by data set, and in how many of them each is better."""

from dataclasses import dataclass

import pandas as pd

from tune_app.analysis.datasets import Summary, summarise_over_data_sets
from tune_app.analysis.metrics import build_scores
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import TrialSpec
from tune_app.study.labels import Labelling


@dataclass(frozen=True, eq=False)
class OverData:
    """`means` has a row a condition and a column a data set; `summary` compares with `baseline`, None if refused."""

    means: pd.DataFrame
    baseline: str
    summary: Summary | None
    reason: str = ""


def build_over_data(results: Results) -> OverData | None:
    """The conditions of a study over several data sets by its primary metric; None for a study of one data set."""
    study = results.study
    if len(study.data.names) < 2:
        return None
    conditions = list(study.conditions())
    labelling = _build_labelling(results, [specs[0] for specs in conditions])
    means = pd.DataFrame(index=pd.Index([], name="condition"), columns=list(study.data.names), dtype=float)
    for specs in conditions:
        label = labelling.label(_leave_out(specs[0]))
        try:
            means.loc[label, specs[0].dataset] = float(build_scores(results, specs, study.primary).mean())
        except RefusedError:
            means.loc[label, specs[0].dataset] = float("nan")
    named = {name: level for name, level in study.baseline.model_dump(exclude_none=True).items() if name != "data"}
    first = next((s for s in conditions if s[0].condition.items() >= named.items()), conditions[0])
    baseline = labelling.label(_leave_out(first[0]))
    try:
        better = study.describe_metric(study.primary).better
        return OverData(means, baseline, summarise_over_data_sets(means.T, better, baseline))
    except RefusedError as refusal:
        return OverData(means, baseline, None, str(refusal))


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
    frame.attrs["summary"] = found.summary.describe() if found.summary else found.reason
    return frame
