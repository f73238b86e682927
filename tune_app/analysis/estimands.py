"""What a number speaks of, and the test that belongs to it.

A study says whether its numbers are to speak of new images or of these (`inference`); where its records cannot answer
that, the number speaks of less, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tune_app.analysis.crossed import Cells, build_crossed_t_test
from tune_app.analysis.metrics import Scores
from tune_app.analysis.t_tests import TTest, build_corrected_t_test, build_welch_t_test
from tune_app.errors import RefusedError
from tune_app.study import Metric, TrialSpec

Estimand = Literal["new images", "these images", "these runs"]
NEW_IMAGES: Estimand = "new images"  # other images of the kind, other seeds and splits
THESE_IMAGES: Estimand = "these images"  # the very images of the study, other seeds and splits
THESE_RUNS: Estimand = "these runs"  # times: other runs on this machine in its present state
Source = Literal["test", "held-out", "time"]


@dataclass(frozen=True)
class Units:
    """What a test counts, and how many it needs on either side before there is a p-value."""

    name: str
    least: int


FITS = Units("fits", 3)
REPLICATES = Units("replicates", 3)
PAIRS = Units("pairs of held-out folds", 8)  # whose scores are correlated

METHODS = {
    ("crossed", "paired"): "crossed t-test (fits × images), paired on (replicate, fold)",
    ("crossed", "unpaired"): "crossed t-test (fits × images), unpaired",
    ("corrected", "paired"): "corrected resampled t-test, paired on (replicate, fold)",
    ("fits", "paired"): "t-test over fits, paired on (replicate, fold)",
    ("fits", "unpaired"): "Welch t-test over fits",
    ("replicates", "paired"): "paired t-test over replicate means",
    ("replicates", "unpaired"): "Welch t-test over replicate means",
}
SAME = 1e-12  # scores that differ by less are equal
# A clause of a reason; tables that have the number in a column leave it out.
DETECTABLE = "to be found four times in five, a true difference would have to be"


@dataclass(frozen=True)
class Sample:
    """The scores (replicate, fold) of one side, and on a common test set each fit's scores of the images, if known.

    The rows of `cells` are the fits in the order of the scores. `overlap` is n_test/n_train where folds are unequal.
    """

    scores: Scores
    cells: Cells | None = None
    overlap: float | None = None

    @property
    def fits_per_replicate(self) -> int:
        return int(self.scores.shape[1])


@dataclass(frozen=True)
class Inference:
    """A test with what it speaks of. Without one, or with too few observations for a p-value, `reason` says why.

    `n` is the number of pairs, None of unpaired sides. `are_replicates`: the observations are whole replicates.
    """

    estimand: Estimand | None = None
    test: TTest | None = None
    method: str = ""
    n: int | None = None
    reason: str = ""
    are_replicates: bool = False


def find_source(spec: TrialSpec, metric: Metric) -> Source:
    """Where the metric is taken: on one test set, on data that each fold holds out or trains on, or by the clock."""
    if metric == "fit_seconds":
        return "time"
    return "test" if metric.startswith("test_") and spec.test != "none" else "held-out"


def infer(sides: Sequence[Sample], source: Source, wants_new_images: bool) -> Inference:
    """The test of one sample (of scores, or of paired differences), or of the first side's mean minus the second's.

    Raises RefusedError where a side has too few observations for a spread, or no spread.
    """
    rooms = "paired" if len(sides) == 1 else "unpaired"
    folds = [side.fits_per_replicate for side in sides]
    cells = [side.cells for side in sides if side.cells is not None]
    if source == "test" and wants_new_images and len(cells) == len(sides):
        _check_spread(cells)
        first, *others = (float(side.scores.mean()) for side in sides)
        # Pseudo-values average to the metric but for its bias: the effect is that of the scores.
        test: TTest = replace(build_crossed_t_test(cells, folds), effect=first - sum(others))
        return _finish(test, NEW_IMAGES, METHODS["crossed", rooms], sides, FITS)
    if source != "held-out":
        values = [side.scores.ravel() for side in sides]
        _check_spread(values)
        if len(sides) == 1:
            test = build_corrected_t_test(values[0], folds[0], 0.0)
        else:
            test = build_welch_t_test(values[0], values[1], (folds[0], folds[1]))
        name, units = ("fits", FITS) if max(folds) > 1 else ("replicates", REPLICATES)  # of joined folds there is one
        return _finish(test, THESE_RUNS if source == "time" else THESE_IMAGES, METHODS[name, rooms], sides, units)
    if wants_new_images and len(sides) == 1 and folds[0] > 1:
        _check_spread([sides[0].scores.ravel()])
        test = build_corrected_t_test(sides[0].scores.ravel(), folds[0], sides[0].overlap)
        return _finish(test, NEW_IMAGES, METHODS["corrected", rooms], sides, PAIRS)
    means = [side.scores.mean(axis=1) for side in sides]
    _check_spread(means)
    test = build_corrected_t_test(means[0], 1) if len(sides) == 1 else build_welch_t_test(means[0], means[1])
    return _finish(test, THESE_IMAGES, METHODS["replicates", rooms], sides, REPLICATES)


def _check_spread(values: Sequence[NDArray[np.float64]]) -> None:
    """Raise RefusedError where there is nothing to estimate an error from."""
    if min(map(len, values)) < 2:
        what = "a single observation has" if len(values) == 1 else "one of the sides has a single observation and"
        raise RefusedError(f"{what} no spread to compare with; run more replicates.")
    if all(np.ptp(each) < SAME for each in values):
        if len(values) == 1:
            text = f"in all {len(values[0])} of them it is {np.ravel(values[0])[0]:.6g}"
        else:
            text = "on each side all are equal"
        raise RefusedError(f"{text}: without a spread there is no error to compare with.")


def _finish(test: TTest, estimand: Estimand, method: str, sides: Sequence[Sample], units: Units) -> Inference:
    """The inference, with a reason where there are too few units for a p-value."""
    counts = [len(side.scores) if units is REPLICATES else side.scores.size for side in sides]
    reason = ""
    if min(counts) < units.least:
        folds = sides[0].fits_per_replicate
        more = f": {-(-units.least // folds)} replicates of {folds} folds" if units is PAIRS else ""
        reason = (
            f"{min(counts)} {units.name} are too few for a p-value (at least {units.least}{more}); {DETECTABLE} "
            f"{test.smallest_detectable:.2g}."
        )
    are_replicates = units is REPLICATES or all(side.fits_per_replicate == 1 for side in sides)
    return Inference(estimand, test, method, counts[0] if len(sides) == 1 else None, reason, are_replicates)


def find_fewest_replicates(source: Source, folds: int, *, paired: bool, wants_new_images: bool) -> int:
    """The replicates from which on there is a p-value."""
    if source != "held-out":
        return -(-FITS.least // folds)
    return -(-PAIRS.least // folds) if paired and wants_new_images and folds > 1 else REPLICATES.least
