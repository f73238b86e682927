"""How often the interval of a single contrast holds what it speaks of, and how often it finds a difference."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.null_learners import (
    Array,
    Fits,
    Images,
    World,
    average_over_replicates,
    build_cells,
    draw_images,
    find_right,
    fit,
    score_held_out,
    score_test,
    score_truly,
    split_into_chunks,
)
from tune_app.analysis.estimands import NEW_IMAGES, THESE_IMAGES, Estimand, Inference, Sample, Source, infer
from tune_app.errors import RefusedError

REPLICATES = (1, 2, 3, 5, 10, 20)
TRUTH_REPLICATES = 800  # further ones: at 20 replicates their own error takes 0.3 points off a coverage at most
ERROR = 0.05


@dataclass(frozen=True)
class Run:
    """What a study of one data set records, by learner, and what it would record on average."""

    samples: list[Sample]
    truths: dict[Estimand, Array]  # (learner,)


class Case(NamedTuple):
    """The sides of a contrast, paired if there is but one, and the true effect by what is spoken of."""

    sides: Sequence[Sample]
    truths: dict[Estimand, float]

    def keep(self, replicates: int) -> list[Sample]:
        """The first replicates of each side."""
        return [keep_replicates(side, replicates) for side in self.sides]


class Rate(NamedTuple):
    """Shares of the data sets: whose interval holds the truth, and that have p < 0.05 against no effect."""

    coverage: float
    found: float
    is_tested: bool  # the product gives a p-value, and not an interval alone
    data_sets: int  # that have an interval


def draw_runs(
    source: np.random.Generator,
    world: World,
    folds: Sequence[int],
    scored_on: Source,
    data_sets: int,
    replicates: int,
    truth_replicates: int = TRUTH_REPLICATES,
) -> Iterator[list[Run]]:
    """By data set: a run with each of the K, on the same images.

    The truth about new images is the mean over other seeds and splits of the same training images of what each network
    scores over all images that there might be; about these images, of what it scores on the study's own.
    """
    for count in split_into_chunks(data_sets):
        images = draw_images(source, world, count, world.images)
        test = draw_images(source, world, count, world.test_images)
        by_folds = [run_chunk(source, world, images, test, k, scored_on, replicates, truth_replicates) for k in folds]
        yield from (list(runs) for runs in zip(*by_folds, strict=True))


def run_chunk(
    source: np.random.Generator,
    world: World,
    images: Images,
    test: Images,
    folds: int,
    scored_on: Source,
    replicates: int,
    truth_replicates: int = TRUTH_REPLICATES,
) -> Iterator[Run]:
    """The runs of one K, by data set."""

    def score(fits: Fits) -> Array:
        if scored_on == "test":
            return score_test(world, find_right(fits, test), test)
        return score_held_out(world, fits, images)

    fits = fit(source, world, images, folds, replicates)
    scores, right = score(fits), find_right(fits, test) if scored_on == "test" else None
    true = average_over_replicates(
        source, world, images, folds, truth_replicates, lambda fits: [score(fits), score_truly(world, fits)]
    )
    for i, own in enumerate(scores):
        cells = [None if right is None else build_cells(world, right[i, j], test.is_first[i]) for j in range(len(own))]
        samples = [Sample(each.reshape(-1, folds), c) for each, c in zip(own, cells, strict=True)]
        yield Run(samples, {THESE_IMAGES: true[0, i], NEW_IMAGES: true[1, i]})


def build_cases(runs: Iterable[list[Run]]) -> Iterator[Case]:
    """The first learner minus the second: paired where there is one K, else the second learner has the second K."""
    for each in runs:
        first, second = each[0].samples[0], each[-1].samples[1]
        truths = {about: float(truth[0] - each[-1].truths[about][1]) for about, truth in each[0].truths.items()}
        yield Case([subtract(first, second)] if len(each) == 1 else [first, second], truths)


def subtract(first: Sample, second: Sample) -> Sample:
    cells = None if first.cells is None or second.cells is None else first.cells - second.cells
    return Sample(first.scores - second.scores, cells)


def keep_replicates(sample: Sample, replicates: int) -> Sample:
    cells = None if sample.cells is None else sample.cells[: replicates * sample.fits_per_replicate]
    return Sample(sample.scores[:replicates], cells)


def keep_first_fold(case: Case) -> Case:
    """One fit of each replicate, so that no two have a split in common."""
    sides = [
        Sample(side.scores[:, :1], None if side.cells is None else side.cells[:: side.fits_per_replicate])
        for side in case.sides
    ]
    return Case(sides, case.truths)


def measure_rates(
    cases: Iterable[Case], scored_on: Source, replicates: Sequence[int] = REPLICATES
) -> dict[tuple[Estimand, int], Rate]:
    """By what the interval speaks of, and the replicates."""
    seen: dict[tuple[Estimand, int], list[tuple[bool, bool, bool]]] = defaultdict(list)
    for case in cases:
        for count in replicates:
            for asked in (NEW_IMAGES, THESE_IMAGES):
                found = infer_or_refuse(case.keep(count), scored_on, asked)
                if found.test and found.estimand == asked:
                    missed = found.test.find_p_value(case.truths[asked]) < ERROR
                    seen[asked, count].append((not missed, found.test.p_value < ERROR, not found.reason))
    rates = {}
    for key, outcomes in seen.items():
        covered, significant, tested = np.mean(outcomes, axis=0)
        rates[key] = Rate(float(covered), float(significant), bool(tested), len(outcomes))
    return rates


def infer_or_refuse(sides: Sequence[Sample], scored_on: Source, asked: Estimand) -> Inference:
    try:
        return infer(sides, scored_on, asked == NEW_IMAGES)
    except RefusedError as refusal:
        return Inference(reason=str(refusal))
