"""Which conditions of a study its figures show: more than a screen holds can neither be read nor drawn soon."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tune_app.analysis.conditions import build_condition
from tune_app.analysis.labels import build_row_label, build_rows
from tune_app.analysis.sides import find_contrasts
from tune_app.records.results import Results

MOST_ROWS = 28  # lines of a figure that is one screen high
MOST_PANELS = 12
MOST_PICTURES = 6  # rows of pictures


@dataclass(frozen=True)
class Shown:
    """The conditions by their labels, those first that figures must show; `metric` says by what others are the best.

    `baseline` is the label of the one that most are compared with, None where nothing is compared.
    """

    ranked: Sequence[str]
    named: int
    metric: str
    baseline: str | None = None

    def choose(self, most: int) -> frozenset[str]:
        """The labels of those that a figure of so many shows."""
        return frozenset(self.ranked[:most])

    def select(self, frame: pd.DataFrame, most: int) -> pd.DataFrame:
        """The frame's rows about these conditions; its column `row` has the labels."""
        return frame if frame.empty or len(self.ranked) <= most else frame[frame["row"].isin(self.choose(most))]

    def remark(self, most: int, where: str = "the tables have all") -> str:
        """Which they are, as the end of a caption; empty where all are shown."""
        total = len(self.ranked)
        if total <= most:
            return ""
        if self.named > 1:
            first = "the baseline, then those that claims are about or that have a reported figure"
            return f" Of {total:,} conditions it shows {most}: {first}, then the best by {self.metric}; {where}."
        return (
            f" Of {total:,} conditions it shows the baseline and the {most - self.named} with the best {self.metric}; "
            f"{where}."
        )


def choose_shown(results: Results) -> Shown:
    """The baseline, then conditions that claims are about or that have a reported figure, then the best of the others.

    The best are those by the primary metric.
    """
    study, rows = results.study, build_rows(results.study)
    sign = -1 if study.describe_metric(study.primary).better == "higher" else 1
    found = {row.label: build_condition(results, row.trials) for row in rows}
    means = {label: summary[f"{study.primary}_mean"] for label, summary in found.items()}
    best = sorted(means, key=lambda label: math.inf if means[label] is None else sign * means[label])
    baselines = Counter(build_row_label(baseline[0], study) for _, baseline in find_contrasts(study))
    named = [label for label, _ in baselines.most_common(1)]
    if len(rows) > MOST_PICTURES:  # else all are shown anyway
        sides = [side for claim in study.claims for pair in study.claim_pairs(claim) for side in pair]
        named += [build_row_label(specs[0], study) for specs in sides]
        named += [label for label, summary in found.items() if not pd.isna(summary["reported_test_accuracy"])]
    named = list(dict.fromkeys(named))
    metric = study.primary.replace("_", " ")
    return Shown(list(dict.fromkeys([*named, *best])), len(named), metric, named[0] if baselines else None)
