"""Whether an effect is shown over independent fits: by the exact sign-flip test, with few of them by a t-test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tune_app.analysis.metrics import Scores
from tune_app.analysis.robust import run_sign_flip_test
from tune_app.analysis.t_tests import build_sum_t_test

Values = NDArray[np.float64]
EQUAL = 1e-12  # accuracies that differ by less are the same
KNOWN = 0.1  # a mean whose error is at most this share of another's enters as if it were known: 0.5% more error
COLLAPSED = 0.5  # of the median of the condition's fits
COLLAPSE_FROM = 3  # fits: of two, none is the odd one out
SIGN_FLIP, T_TEST = "sign-flip test", "t-test"


class Outcome(NamedTuple):
    """The sign of an effect, its two-sided p-value, and the test that gave it."""

    sign: int
    p_value: float
    test: str


@dataclass(frozen=True)
class Effect:
    """An effect as one value per independent replicate (None where there are no pairs), and as a sum of means.

    The means of `parts`, each over independent fits, sum to the effect.
    """

    values: Values | None
    parts: Sequence[Values]

    @property
    def is_testable(self) -> bool:
        return min(map(len, self.parts)) > 1 or (self.values is not None and len(self.values) > 1)

    def decide(self, rate: float) -> Outcome:
        """The test of the effect that suits an error rate, chosen by the number of replicates and not by the scores.

        With n replicates the sign-flip test has the p-values 2/2^n, 4/2^n and so on. It decides once two of them reach
        the rate, which takes 7 replicates at 5%. With only one it is the sign test of "all alike", and finds less than
        the t-test did with a replicate fewer.
        """
        if self.values is not None and 2.0 ** (2 - len(self.values)) <= rate:
            return Outcome(_find_sign(self.values.mean()), run_sign_flip_test(self.values), SIGN_FLIP)
        if min(map(len, self.parts)) > 1:
            test = build_sum_t_test(self.parts)
            if test.standard_error > EQUAL:
                return Outcome(_find_sign(test.effect), test.p_value, T_TEST)
        return Outcome(0, 1.0, T_TEST)


def _find_sign(mean: float) -> int:
    return 0 if abs(mean) < EQUAL else int(np.sign(mean))


def count_signs(values: Values) -> tuple[int, int]:
    """How many are positive and how many negative."""
    return int(np.sum(values >= EQUAL)), int(np.sum(values <= -EQUAL))


def count_collapsed(scores: Scores) -> int:
    """The fits whose accuracy is below half of the median of their condition's."""
    return int(np.sum(scores < COLLAPSED * np.median(scores))) if scores.size >= COLLAPSE_FROM else 0


def subtract_sound(
    values: Values, replicates: Sequence[int], sound: Scores, sound_replicates: Sequence[int]
) -> tuple[Values, bool]:
    """`values` (replicate,) minus the sound scores, and whether the differences are independent enough to be tested.

    Each replicate's own sound score where all have one. Else the sound mean, which is common to all differences: it
    must be known ten times as well as the mean of the values.
    """
    own = dict(zip(sound_replicates, sound.mean(axis=1), strict=True))
    if own.keys() >= set(replicates):
        return values - np.array([own[each] for each in replicates]), True
    differences = values - sound.mean()
    if sound.size < 2 or len(values) < 2:
        return differences, False
    errors = [float(np.std(each, ddof=1)) / each.size**0.5 for each in (sound.ravel(), values)]
    return differences, errors[0] <= KNOWN * errors[1]
