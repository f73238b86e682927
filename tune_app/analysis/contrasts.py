"""The difference between two sides, paired where their splits are the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tune_app.analysis.cells import find_cells
from tune_app.analysis.comparable import APART, are_interleaved, check_comparable, share_splits
from tune_app.analysis.crossed import Cells
from tune_app.analysis.estimands import Estimand, Inference, Sample, Source, find_source, infer
from tune_app.analysis.metrics import Scores, build_scores, find_overlap
from tune_app.analysis.sides import Side
from tune_app.analysis.t_tests import TTest
from tune_app.errors import RefusedError
from tune_app.study import Metric


@dataclass(frozen=True)
class Contrast:
    """The difference between two sides. Without a `test`, or with one too small for a p-value, `reason` says why.

    `sides` are the scores of both. `independent`: the pairs are whole replicates, as where a defect joins the folds on
    both sides, and not folds. `counts_fits`: fits are independent observations, given the images.
    """

    means: tuple[float, float]
    effect: float
    test: TTest | None = None
    method: str = ""
    n_pairs: int | None = None
    reason: str = ""
    independent: bool = False
    estimand: Estimand | None = None
    sides: tuple[Scores, ...] = ()
    counts_fits: bool = False

    @property
    def status(self) -> str:
        if self.test is None:
            return "refused"
        return "interval only" if self.reason else "tested"


def build_contrast(pairs: Sequence[tuple[Side, Side]], metric: Metric) -> Contrast:
    """First minus second, averaged over pairs of conditions; the first sides have one K, and so have the second.

    Raises RefusedError where the scores themselves are refused, or where the two sides' numbers are not comparable.
    """
    check_comparable(pairs, metric)
    paired = all(share_splits(a.specs[0], b.specs[0]) for a, b in pairs)
    if paired:
        pairs = _keep_common(pairs)
    first, second = (_average([pair[side] for pair in pairs], metric) for side in (0, 1))
    means = float(first.scores.mean()), float(second.scores.mean())
    study, spec = pairs[0][0].results.study, pairs[0][0].specs[0]
    if not _share_images(pairs):
        first, second = replace(first, cells=None), replace(second, cells=None)
    sides = [_subtract(first, second)] if paired else [first, second]
    source = find_source(spec, metric)
    contrast = contrast_samples(sides, means, source, study.inference == "new-images")
    if source == "time" and not all(are_interleaved(a, b) for a, b in pairs):
        return Contrast(means, contrast.effect, reason=APART)
    return replace(contrast, sides=(first.scores, second.scores), counts_fits=source != "held-out")


def contrast_samples(
    sides: Sequence[Sample], means: tuple[float, float], source: Source = "held-out", wants_new_images: bool = True
) -> Contrast:
    """The contrast whose paired differences (one sample), or whose two sides are given."""
    effect = float(sides[0].scores.mean()) if len(sides) == 1 else means[0] - means[1]
    n_pairs = sides[0].scores.size if len(sides) == 1 else None
    try:
        found = infer(sides, source, wants_new_images)
    except RefusedError as refusal:
        found = Inference(reason=str(refusal), n=n_pairs)
    return Contrast(
        means, effect, found.test, found.method, found.n, found.reason, found.are_replicates, found.estimand
    )


def describe_estimate(contrast: Contrast) -> dict[str, Any]:
    """The numbers of a contrast that estimates a weighted sum, as tables of effects have them."""
    row: dict[str, Any] = {"estimate": contrast.effect, "n_pairs": contrast.n_pairs, "reason": contrast.reason}
    row |= {"method": contrast.method, "estimand": contrast.estimand or ""}
    if contrast.test:
        row["ci95_low"], row["ci95_high"] = contrast.test.interval
        row["df"] = contrast.test.df
    if contrast.test and contrast.status == "tested":
        row |= {"t": contrast.test.t, "p_value": contrast.test.p_value}
    return row


def _share_images(pairs: Sequence[tuple[Side, Side]]) -> bool:
    """Whether image by image the fits of all sides were tested on the same."""
    tests = [side.results.test for pair in pairs for side in pair]
    return all(
        test is tests[0] or (test and tests[0] and np.array_equal(test.positions, tests[0].positions)) for test in tests
    )


def _keep_common(pairs: Sequence[tuple[Side, Side]]) -> list[tuple[Side, Side]]:
    """The pairs with the replicates that every side has; RefusedError if there is none."""
    common = set.intersection(*({spec.replicate for spec in side.specs} for pair in pairs for side in pair))
    if not common:
        raise RefusedError("the two sides have no replicate in common; run the same replicates of both.")
    kept = [[replace(side, specs=tuple(s for s in side.specs if s.replicate in common)) for side in p] for p in pairs]
    return [(first, second) for first, second in kept]


def _average(sides: Sequence[Side], metric: Metric) -> Sample:
    """The mean over conditions, fit by fit."""
    scores = [build_scores(side.results, side.specs, metric, side.window) for side in sides]
    if len({each.shape for each in scores}) > 1:
        raise RefusedError("its pairs of conditions have different numbers of replicates; give all the same number.")
    cells: list[Cells] = []
    if find_source(sides[0].specs[0], metric) == "test":
        found = [find_cells(side.results, side.specs, metric) for side in sides]
        cells = [each for each in found if each is not None]
    whole = np.mean(cells, axis=0) if len(cells) == len(sides) else None
    return Sample(np.mean(scores, axis=0), whole, find_overlap(sides[0].results, sides[0].specs))


def _subtract(first: Sample, second: Sample) -> Sample:
    cells = None
    if first.cells is not None and second.cells is not None and first.cells.shape == second.cells.shape:
        cells = first.cells - second.cells
    return Sample(first.scores - second.scores, cells, first.overlap)
