"""The crossed interval: scores on one test set as a sample of fits and a sample of images at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tune_app.analysis.t_tests import TTest

Cells = NDArray[np.float64]  # (fit, image): a score, or the difference of two paired fits' scores


class Term(NamedTuple):
    """A part of a squared standard error, with the degrees of freedom that it is known with."""

    value: float
    df: float


class Shares(NamedTuple):
    """What a squared standard error is made of; the shares sum to 1, and none is negative.

    `seeds`: fits differ whatever the image. `images`: images differ whatever the fit. `interaction`: a fit's own luck
    with an image, which more of either makes smaller.
    """

    seeds: float
    images: float
    interaction: float


@dataclass(frozen=True)
class CrossedTTest(TTest):
    """The test of a mean over J fits × n images, both drawn at random: two-way random effects, one score a cell.

        SE² = (MS_fit + MS_img − MS_res) / (nJ), and no less than MS_fit/(nJ) and MS_img/(nJ)

    with Satterthwaite's degrees of freedom. It speaks of other test images and of other seeds and splits; what other
    training images would change is not in it. A contrast of paired fits is one side, its scores being differences. Two
    sides of independent fits share their images alone, so each adds its own variance over fits.

    Per side: `fits`, the variance of the fits' means; `residuals`, that of a cell about its fit and image; `counts`,
    the fits; `fits_per_replicate`. `images` is the variance of the images' means, or of their difference.
    """

    effect: float
    fits: tuple[float, ...]
    residuals: tuple[float, ...]
    images: float
    counts: tuple[int, ...]
    n_images: int
    fits_per_replicate: tuple[int, ...]

    @property
    def _main(self) -> list[Term]:
        rows = [Term(fit / count, count - 1) for fit, count in zip(self.fits, self.counts, strict=True)]
        return [*rows, Term(self.images / self.n_images, self.n_images - 1)]

    @property
    def _interaction(self) -> list[Term]:
        return [
            Term(residual / (self.n_images * count), (count - 1) * (self.n_images - 1))
            for residual, count in zip(self.residuals, self.counts, strict=True)
        ]

    @property
    def _terms(self) -> list[Term]:
        """The terms that sum to SE²: what the interaction adds to each main term counts once."""
        *rows, image = self._main
        interaction = sum(term.value for term in self._interaction)
        fit = sum(term.value for term in rows)
        if interaction > image.value:  # fewer terms, never a smaller sum than either main one
            return rows if fit >= image.value else [image]
        if interaction > fit:
            return [image]
        return [*rows, image, *(Term(-term.value, term.df) for term in self._interaction)]

    @property
    def standard_error(self) -> float:
        return math.sqrt(sum(term.value for term in self._terms))

    @property
    def df(self) -> float:
        terms = self._terms
        weights = sum(term.value**2 / term.df for term in terms)
        return sum(term.value for term in terms) ** 2 / weights

    @property
    def shares(self) -> Shares:
        """What part of the squared standard error each source is."""
        interaction = sum(term.value for term in self._interaction)
        *rows, image = self._main
        parts = [max(0.0, sum(term.value for term in rows) - interaction), max(0.0, image.value - interaction)]
        whole = sum(parts) + interaction
        return Shares(*(part / whole for part in (*parts, interaction))) if whole else Shares(0.0, 0.0, 0.0)

    def with_replicates(self, replicates: int) -> "CrossedTTest":
        counts = tuple(replicates * fits for fits in self.fits_per_replicate)
        return replace(self, counts=counts, images=self._image_variance + self._spread_residuals(counts))

    def with_images(self, n_images: int) -> "CrossedTTest":
        """The same effect and spread, as a test set of `n_images` would show them."""
        fits = tuple(
            max(0.0, fit - residual / self.n_images) + residual / n_images
            for fit, residual in zip(self.fits, self.residuals, strict=True)
        )
        return replace(self, fits=fits, n_images=n_images)

    @property
    def _image_variance(self) -> float:
        """Of the images' means, if there were fits without end."""
        return max(0.0, self.images - self._spread_residuals(self.counts))

    def _spread_residuals(self, counts: Sequence[int]) -> float:
        return sum(residual / count for residual, count in zip(self.residuals, counts, strict=True))


def build_crossed_t_test(sides: Sequence[Cells], fits_per_replicate: Sequence[int]) -> CrossedTTest:
    """The test of a mean (one side), or of the first side's mean minus the second's, whose fits are independent of it.

    Each side (fit, image) has two fits or more, and the same two images or more.
    """
    signs = (1, -1)[: len(sides)]
    means = [cells.mean(axis=0) for cells in sides]  # of each image
    columns = np.sum([sign * mean for sign, mean in zip(signs, means, strict=True)], axis=0)
    return CrossedTTest(
        effect=float(columns.mean()),
        fits=tuple(float(np.var(cells.mean(axis=1), ddof=1)) for cells in sides),
        residuals=tuple(_find_residual_variance(cells) for cells in sides),
        images=float(np.var(columns, ddof=1)),
        counts=tuple(map(len, sides)),
        n_images=len(columns),
        fits_per_replicate=tuple(fits_per_replicate),
    )


def _find_residual_variance(cells: Cells) -> float:
    """MS_res: the variance of a cell about the sum of its fit's and its image's effect."""
    fits, images = cells.shape
    residuals = cells - cells.mean(axis=1, keepdims=True) - cells.mean(axis=0) + cells.mean()
    return float(np.sum(residuals**2) / ((fits - 1) * (images - 1)))
