"""Two single networks on the same test images. Nothing here speaks of a method: the variance over seeds is left out."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tune_app.analysis.labels import build_row_label
from tune_app.analysis.sides import find_contrasts
from tune_app.analysis.t_tests import LEVEL
from tune_app.records import unpack_labels
from tune_app.records.results import Results
from tune_app.study import TrialSpec

DRAWS = 10_000
EXACT_BELOW = 25  # discordant images


@dataclass(frozen=True)
class Discordance:
    """On how many of the images only the first, only the second network is right."""

    only_first: int
    only_second: int
    images: int

    @property
    def effect(self) -> float:
        """Accuracy of the first network minus that of the second."""
        return (self.only_first - self.only_second) / self.images


def count_discordance(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Discordance:
    """Both (images,): whether each network names the image rightly."""
    return Discordance(int(np.sum(first & ~second)), int(np.sum(second & ~first)), len(first))


def run_mcnemar(counts: Discordance) -> tuple[str, float]:
    """The method and the two-sided p-value: exact below 25 discordant images, else χ² with continuity correction."""
    total = counts.only_first + counts.only_second
    if total < EXACT_BELOW:
        p_value = stats.binomtest(counts.only_first, total, 0.5).pvalue if total else 1.0
        return "exact McNemar test", float(p_value)
    statistic = (abs(counts.only_first - counts.only_second) - 1) ** 2 / total
    return "McNemar test, χ² with continuity correction", float(stats.chi2.sf(statistic, 1))


def run_paired_bootstrap(counts: Discordance, seed: int = 0) -> tuple[float, float]:
    """The BCa bootstrap's 95% interval of the difference in accuracy, over 10,000 resamples of the images.

    An image's difference is 1, -1 or 0, so a resample is one multinomial draw. (nan, nan) where all
    images are alike.
    """
    values = np.array([1, -1, 0])
    sizes = np.array([counts.only_first, counts.only_second, 0])
    sizes[2] = counts.images - sizes.sum()
    if sizes.max() == counts.images:
        return math.nan, math.nan
    draws = (
        np.random.default_rng(seed).multinomial(counts.images, sizes / counts.images, DRAWS) @ values / counts.images
    )
    bias = stats.norm.ppf((np.mean(draws < counts.effect) + np.mean(draws <= counts.effect)) / 2)
    jackknife = (counts.images * counts.effect - values) / (counts.images - 1)  # leaving out one image of each kind
    deviations = np.sum(sizes * jackknife) / counts.images - jackknife
    acceleration = np.sum(sizes * deviations**3) / (6 * np.sum(sizes * deviations**2) ** 1.5)
    shifted = bias + stats.norm.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = np.quantile(draws, stats.norm.cdf(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def build_networks(results: Results, labels: NDArray[np.integer[Any]]) -> pd.DataFrame:
    """One row per contrast: the condition's network of the first replicate and fold against its baseline's.

    Where folds are joined it is the last fold's, with which the trial ends. `labels` (test images,) are the
    true ones, in the order of the recorded predictions. Pairs with a missing network, or one that was tested on other
    images, are left out.
    """
    rows = []
    for specs, baseline in find_contrasts(results.study):
        first, second = _read_correct(results, specs[0], labels), _read_correct(results, baseline[0], labels)
        if first is not None and second is not None:
            names = [build_row_label(side[0], results.study) for side in (specs, baseline)]
            folds = {"fold": _choose_fold(specs[0]) + 1, "baseline_fold": _choose_fold(baseline[0]) + 1}
            rows.append({"row": names[0], "baseline_row": names[1], **folds, **_compare(first, second)})
    return pd.DataFrame(rows)


def _read_correct(results: Results, spec: TrialSpec, labels: NDArray[np.integer[Any]]) -> NDArray[np.bool_] | None:
    record = results.records.folds.get((spec.id, _choose_fold(spec)))
    if record is None or record.predictions is None:
        return None
    predicted = unpack_labels(record.predictions)
    correct: NDArray[np.bool_] = predicted == labels if len(predicted) == len(labels) else np.empty(0, np.bool_)
    return correct if len(correct) else None


def _choose_fold(spec: TrialSpec) -> int:
    return spec.folds - 1 if spec.has_dependent_folds else 0


def _compare(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    counts = count_discordance(first, second)
    method, p_value = run_mcnemar(counts)
    low, high = run_paired_bootstrap(counts)
    return {
        "images": counts.images,
        "accuracy": float(np.mean(first)),
        "baseline_accuracy": float(np.mean(second)),
        "only_condition_right": counts.only_first,
        "only_baseline_right": counts.only_second,
        "effect": counts.effect,
        "ci95_low": low,
        "ci95_high": high,
        "interval_method": f"BCa bootstrap over images, {DRAWS} draws",
        "p_value": p_value,
        "method": method,
    }
