"""Coverage of the crossed interval by what its error is made of, where the fits are few and scores are normal.

Mean squares are drawn as χ² variables, so that the share of the seeds in the squared error can be set: the fewer the
fits, the less the degrees of freedom that Satterthwaite's formula estimates are what they should be.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from benchmarks.null_learners import Array
from tune_app.analysis.crossed import CrossedTTest
from tune_app.analysis.t_tests import LEVEL

IMAGES = 1000


class Coverage(NamedTuple):
    """Of the product's interval, and of its standard error with more careful degrees of freedom."""

    product: float
    careful: float


def measure_few_fits(fits: int, seeds: float, interaction: float, draws: int, seed: int) -> Coverage:
    """`seeds`: share of the seeds in SE², of what is not interaction. `interaction`: in units of that rest."""
    source = np.random.default_rng(seed)
    cell = interaction * IMAGES * fits
    residuals = cell * _draw_mean_squares(source, (fits - 1) * (IMAGES - 1), draws)
    rows = (seeds * fits + cell / IMAGES) * _draw_mean_squares(source, fits - 1, draws)
    columns = ((1 - seeds) * IMAGES + cell / fits) * _draw_mean_squares(source, IMAGES - 1, draws)
    effects = source.normal(0, np.sqrt(1 + interaction), draws)
    tests = [
        CrossedTTest(effect, (row,), (residual,), column, (fits,), IMAGES, (1,))
        for effect, row, residual, column in zip(effects, rows, residuals, columns, strict=True)
    ]
    errors, df = np.array([test.standard_error for test in tests]), np.array([test.df for test in tests])
    careful = find_careful_df(errors, rows / fits, columns / IMAGES, fits)
    return Coverage(*(float(np.mean(np.abs(effects) < _find_critical(each) * errors)) for each in (df, careful)))


def find_careful_df(errors: Array, fit_terms: Array, image_terms: Array, fits: int) -> Array:
    """Satterthwaite's, but that the fits' term is always in them, with half a degree less, and that J − 1 is the least.

    Where the fits happen to be close together, the formula takes their term for small and the error for well known.
    """
    image_terms = np.minimum(image_terms, errors**2)
    return np.maximum(fits - 1, errors**4 / (fit_terms**2 / (fits - 1.5) + image_terms**2 / (IMAGES - 1)))


def _draw_mean_squares(source: np.random.Generator, df: int, draws: int) -> Array:
    return np.asarray(source.chisquare(df, draws) / df)


def _find_critical(df: Array) -> Array:
    return np.asarray(stats.t.ppf((1 + LEVEL) / 2, df))
