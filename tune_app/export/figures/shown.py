"""Which conditions of a large study its figures show: hundreds of rows or panels can neither be read nor drawn soon."""

import math
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from tune_app.analysis.conditions import build_condition
from tune_app.analysis.labels import build_row_label, build_rows
from tune_app.analysis.sides import find_contrasts
from tune_app.records.results import Results

MOST_CONDITIONS = 60  # more than the largest study that ships has


@dataclass(frozen=True)
class Shown:
    """The labels of the conditions that figures show, None for all; `remark` says which they are."""

    labels: frozenset[str] | None = None
    remark: str = ""

    def select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame's rows about these conditions; its column `row` has the labels."""
        return frame if self.labels is None or frame.empty else frame[frame["row"].isin(self.labels)]


def choose_shown(results: Results) -> Shown:
    """All conditions, or of more than `MOST_CONDITIONS` the baseline and the best by the primary metric."""
    study, rows = results.study, build_rows(results.study)
    if len(rows) <= MOST_CONDITIONS:
        return Shown()
    sign = -1 if study.describe_metric(study.primary).better == "higher" else 1
    means = {row.label: build_condition(results, row.trials)[f"{study.primary}_mean"] for row in rows}
    best = sorted(means, key=lambda label: math.inf if means[label] is None else sign * means[label])
    baselines = Counter(build_row_label(baseline[0], study) for _, baseline in find_contrasts(study))
    named = [label for label, _ in baselines.most_common(1)]
    labels = list(dict.fromkeys([*named, *best]))[:MOST_CONDITIONS]
    metric = study.primary.replace("_", " ")
    return Shown(
        frozenset(labels),
        f" Of {len(rows):,} conditions it shows the baseline and the {len(labels) - len(named)} with the best "
        f"{metric}; the tables have all.",
    )
