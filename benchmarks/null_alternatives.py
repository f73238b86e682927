"""Other intervals than the product's, on the same simulated studies: how often they hold what they might speak of."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.null_learners import Array, World, draw_images, find_right_held_out, fit, split_into_chunks
from benchmarks.null_rows import ERROR, run_chunk, subtract
from tune_app.analysis.crossed import Cells, build_crossed_t_test
from tune_app.analysis.estimands import NEW_IMAGES, THESE_IMAGES, Estimand, Source
from tune_app.analysis.t_tests import CorrectedTTest, TTest, build_corrected_t_test

ABOUT: tuple[Estimand, ...] = (NEW_IMAGES, THESE_IMAGES)


class Study(NamedTuple):
    """Paired differences of scores (replicate, fold), with those of each image: by fit, or by replicate if held out."""

    differences: Array
    cells: Cells
    truths: dict[Estimand, float]

    @property
    def folds(self) -> int:
        return int(self.differences.shape[1])


def _correct(study: Study) -> TTest:
    return build_corrected_t_test(study.differences.ravel(), study.folds)


def _go_by_fits(study: Study) -> TTest:
    return build_corrected_t_test(study.differences.ravel(), 1)


def _go_by_replicates(study: Study) -> TTest | None:
    means = study.differences.mean(axis=1)
    return build_corrected_t_test(means, 1) if len(means) > 1 and np.ptp(means) > 0 else None


def _cross_replicates(study: Study) -> TTest | None:
    replicates, images = len(study.differences), study.cells.shape[-1]
    means = study.cells.reshape(replicates, -1, images).mean(axis=1)
    return build_crossed_t_test([means], [1]) if replicates > 1 else None


def _count_one_replicate(study: Study) -> TTest:
    """The folds of one replicate hold each image once, and more replicates bring no other: SE = s / sqrt(K)."""
    spread = float(np.std(study.differences, ddof=1))
    overlap = 1 / study.folds - 1 / study.differences.size
    return CorrectedTTest(float(study.differences.mean()), spread, study.differences.size, study.folds, overlap)


# Each with what it might speak of; a pair that is left out is the product's own, or is far from its level.
ALTERNATIVES: dict[Source, dict[str, tuple[Callable[[Study], TTest | None], tuple[Estimand, ...]]]] = {
    "test": {
        "corrected resampled": (_correct, ABOUT),
        "t over fits": (_go_by_fits, (NEW_IMAGES,)),
        "t over replicate means": (_go_by_replicates, (THESE_IMAGES,)),
    },
    "held-out": {
        "t over folds": (_go_by_fits, (NEW_IMAGES,)),
        "s / sqrt(K)": (_count_one_replicate, (NEW_IMAGES,)),
        "crossed, replicates × images": (_cross_replicates, (NEW_IMAGES,)),
    },
}


def draw_studies(
    source: np.random.Generator, world: World, folds: int, scored_on: Source, data_sets: int, replicates: int
) -> Iterator[Study]:
    for count in split_into_chunks(data_sets):
        images, test = (draw_images(source, world, count, n) for n in (world.images, world.test_images))
        state = source.bit_generator.state
        runs = list(run_chunk(source, world, images, test, folds, scored_on, replicates))
        again = np.random.default_rng()
        again.bit_generator.state = state  # the same fits once more
        right = find_right_held_out(fit(again, world, images, folds, replicates), images).astype(float)
        for i, run in enumerate(runs):
            both = subtract(run.samples[0], run.samples[1])
            cells = right[i, 0] - right[i, 1] if both.cells is None else both.cells
            truths = {about: float(truth[0] - truth[1]) for about, truth in run.truths.items()}
            yield Study(both.scores, cells, truths)


def measure_alternatives(
    studies: Iterator[Study], scored_on: Source, replicates: Sequence[int]
) -> dict[tuple[str, Estimand, int], float]:
    """Coverage by interval, by what it is taken to speak of, and by replicates."""
    seen: dict[tuple[str, Estimand, int], list[bool]] = defaultdict(list)
    for study in studies:
        per_replicate = len(study.cells) // len(study.differences)
        for count in replicates:
            kept = Study(study.differences[:count], study.cells[: count * per_replicate], study.truths)
            for name, (build, abouts) in ALTERNATIVES[scored_on].items():
                if np.ptp(kept.differences) > 0 and (test := build(kept)):
                    for about in abouts:
                        seen[name, about, count].append(test.find_p_value(study.truths[about]) >= ERROR)
    return {key: float(np.mean(outcomes)) for key, outcomes in seen.items()}
