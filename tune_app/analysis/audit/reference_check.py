"""The reported figures among our replicates."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tune_app.analysis.audit.settings import group_by_protocol
from tune_app.analysis.frames import find_reported
from tune_app.analysis.labels import build_row_label
from tune_app.analysis.looks import spell_replicates
from tune_app.analysis.metrics import build_replicate_scores
from tune_app.analysis.sides import Condition
from tune_app.errors import RefusedError
from tune_app.records.results import Reported, Results
from tune_app.study import TrialSpec
from tune_app.study.protocol import AS_REPORTED, SOUND


def build_reference_check(results: Results) -> pd.DataFrame:
    """One row per reported figure and setting of the same experiment; the columns are in docs/results.md.

    `place` says where the figure lies among the replicates run as reported: inside their range, outside the 95%
    prediction interval for one more of them (normal, so a rough one with few replicates), or else undecidable.
    """
    return pd.DataFrame([row for _, _, row in iterate_checks(results)])


def iterate_checks(results: Results) -> Iterator[tuple[Reported, TrialSpec, dict[str, Any]]]:
    """(reported figure, a trial of the setting, the row of `build_reference_check`), in the reference's order."""
    groups = group_by_protocol(results.study)
    for figure in results.reference.values():
        for group in groups:
            spec = next(iter(group.values()))[0]
            if find_reported(results, spec) is figure:
                yield figure, spec, _check(results, figure, group)


def _check(results: Results, reported: Reported, group: dict[str, Condition]) -> dict[str, Any]:
    spec = next(iter(group.values()))[0]
    row: dict[str, Any] = {
        "row": build_row_label(spec, results.study, leave_out=("protocol", "batch_size")),
        "reported_test_accuracy": reported.test_accuracy,
        "batch_size": spec.recipe.batch_size,
    }
    scores = {name: _find_scores(results, group.get(name)) for name in (AS_REPORTED, SOUND)}
    for name, (values, _) in scores.items():
        prefix = name.replace("-", "_")
        row |= {f"{prefix}_replicates": len(values)}
        row |= {f"{prefix}_{what}": value for what, value in _describe(values).items()}
    values, reason = scores[AS_REPORTED]
    figure, count = reported.test_accuracy, len(values)
    return row | {
        "replicates_below": int(np.sum(values < figure)) if count else None,
        # Of R + 1 exchangeable values, the last is as likely to have any rank.
        "range_coverage": (count - 1) / (count + 1) if count else None,
        "place": _place(figure, values) if count else "not run as reported" if not reason else "refused",
        "reason": " ".join(filter(None, (reason, scores[SOUND][1]))),
    }


def _find_scores(results: Results, specs: Condition | None) -> tuple[NDArray[np.float64], str]:
    """The test accuracy of each replicate, or why there is none."""
    try:
        return (build_replicate_scores(results, specs) if specs else np.empty(0)), ""
    except RefusedError as refusal:
        return np.empty(0), str(refusal)


def _describe(scores: NDArray[np.float64]) -> dict[str, float | None]:
    if not len(scores):
        return dict.fromkeys(("mean", "min", "max"))
    return {"mean": float(scores.mean()), "min": float(scores.min()), "max": float(scores.max())}


def _place(figure: float, scores: NDArray[np.float64]) -> str:
    if scores.min() <= figure <= scores.max():
        return "inside"
    count = len(scores)
    if count > 1:
        half = float(stats.t.ppf(0.975, count - 1)) * scores.std(ddof=1) * (1 + 1 / count) ** 0.5
        if abs(figure - scores.mean()) > half:
            return "outside"
    return f"undecidable with {spell_replicates(count)}"
