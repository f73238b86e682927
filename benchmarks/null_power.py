"""Whether the replicates that the product advises have the power that it promises."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from benchmarks.null_rows import Case, infer_or_refuse
from tune_app.analysis.estimands import Estimand, Source, find_fewest_replicates
from tune_app.analysis.power import TARGETS, find_power
from tune_app.analysis.t_tests import LEVEL

MOST = 40  # replicates that are simulated: advice above is left out, with its share


class Advice(NamedTuple):
    """Over the data sets with an advice of no more than 40 replicates."""

    target: float
    power: float  # the share that the advised design decided
    replicates: float  # the median advice
    quartiles: tuple[float, float]
    above: float  # the share of data sets with more, or with none
    data_sets: int


def measure_advice(
    pairs: Iterable[tuple[Case, Case]], scored_on: Source, asked: Estimand, pilot: int, distance: float
) -> list[Advice]:
    """Of each pair, the first case is the pilot with `pilot` replicates; the second, independent of it, is the study.

    The claim is that the effect is above its true value less `distance`.
    """
    advised, decided = [], []
    for first, second in pairs:
        test = infer_or_refuse(first.keep(pilot), scored_on, asked).test
        if test is None:
            continue
        side = first.sides[0]
        fewest = find_fewest_replicates(
            scored_on, side.fits_per_replicate, paired=True, wants_new_images=asked == "new images"
        )
        region = (first.truths[asked] - distance, np.inf)
        advice = find_power(test, first.truths[asked], region, fewest).replicates
        advised.append([count or np.inf for count in advice])
        edge = second.truths[asked] - distance
        decided.append([count is not None and count <= MOST and _decides(second, scored_on, asked, count, edge) for count in advice])
    return [_summarise(target, *columns) for target, *columns in zip(TARGETS, np.array(advised).T, np.array(decided).T)]


def _decides(case: Case, scored_on: Source, asked: Estimand, replicates: int, edge: float) -> bool:
    test = infer_or_refuse(case.keep(replicates), scored_on, asked).test
    return test is not None and test.build_interval(LEVEL)[0] > edge


def _summarise(target: float, advised: np.ndarray, decided: np.ndarray) -> Advice:
    kept = advised <= MOST
    low, middle, high = np.percentile(advised, [25, 50, 75], method="lower")
    return Advice(target, float(decided[kept].mean()), float(middle), (low, high), float(1 - kept.mean()), int(kept.sum()))
