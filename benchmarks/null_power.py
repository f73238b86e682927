"""Whether the replicates that the product advises have the power that it promises."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.null_learners import Array, World, draw_images, split_into_chunks
from benchmarks.null_rows import Case, build_cases, infer_or_refuse, run_chunk
from tune_app.analysis.estimands import NEW_IMAGES, Estimand, Source, find_fewest_replicates
from tune_app.analysis.power import TARGETS, find_power
from tune_app.analysis.t_tests import LEVEL

MOST = 40  # replicates that are simulated: a greater advice is tried with as many
TYPICAL = 50  # data sets that a distance is found from


class Advice(NamedTuple):
    """Over the data sets: the share that the advised design decided, and the advice by its quartiles."""

    target: float
    power: float
    quartiles: tuple[float, ...]
    above: float  # the share of advice above 40 replicates
    data_sets: int


def draw_pilots(
    source: np.random.Generator, world: World, folds: int, scored_on: Source, asked: Estimand, data_sets: int
) -> Iterator[tuple[Case, Case]]:
    """A pilot and the study that follows it, on the same training images; on other test images if about new ones."""
    for count in split_into_chunks(data_sets):
        images = draw_images(source, world, count, world.images)
        test = draw_images(source, world, count, world.test_images)
        other = draw_images(source, world, count, world.test_images) if asked == NEW_IMAGES else test
        pilots, studies = (run_chunk(source, world, images, each, folds, scored_on, MOST) for each in (test, other))
        yield from zip(build_cases([run] for run in pilots), build_cases([run] for run in studies), strict=True)


def find_distance(pairs: Iterable[tuple[Case, Case]], scored_on: Source, asked: Estimand, replicates: int) -> float:
    """What the given replicates find four times in five, by the median over data sets of a spread from 40."""
    tests = [infer_or_refuse(case.keep(MOST), scored_on, asked).test for case, _ in pairs]
    return float(np.median([test.with_replicates(replicates).smallest_detectable for test in tests if test]))


def measure_advice(
    pairs: Iterable[tuple[Case, Case]], scored_on: Source, asked: Estimand, pilot: int, distance: float
) -> list[Advice]:
    """The power of what is advised after `pilot` replicates, for a claim that is true by a distance."""
    advised, decided = [], []
    for first, second in pairs:
        test = infer_or_refuse(first.keep(pilot), scored_on, asked).test
        if test is None:
            continue
        folds, edge = first.sides[0].fits_per_replicate, first.truths[asked] - distance
        fewest = find_fewest_replicates(scored_on, folds, paired=True, wants_new_images=asked == NEW_IMAGES)
        advice = find_power(test, first.truths[asked], (edge, np.inf), fewest).replicates
        advised.append([count or np.inf for count in advice])
        edge = second.truths[asked] - distance
        decided.append([_decides(second, scored_on, asked, min(count or MOST, MOST), edge) for count in advice])
    columns = zip(TARGETS, np.array(advised).T, np.array(decided).T, strict=True)
    return [_summarise(target, counts, decisions) for target, counts, decisions in columns]


def _decides(case: Case, scored_on: Source, asked: Estimand, replicates: int, edge: float) -> bool:
    test = infer_or_refuse(case.keep(replicates), scored_on, asked).test
    return test is not None and test.build_interval(LEVEL)[0] > edge


def _summarise(target: float, advised: Array, decided: Array) -> Advice:
    quartiles = tuple(np.percentile(advised, [25, 50, 75], method="lower").tolist())
    return Advice(target, float(decided.mean()), quartiles, float((advised > MOST).mean()), len(advised))
