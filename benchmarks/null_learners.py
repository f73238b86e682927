"""Simulated learners whose true scores are known: nearest centroids in real folds of simulated images.

An image has a class and blocks of features, each feature normal about ±shift. A learner sees blocks of its own, takes
the centroid of each class from its training images, and names the nearer one. Folds overlap as they do in a study, and
nothing about the correlation of their scores is assumed. Seeds add an error to each centroid, in units of the standard
error that the centroid has anyway. Arrays go by data set, learner, fit (replicate by replicate, fold by fold), image.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tune_app.analysis.cells import build_pseudo_values, compute_macro_f1
from tune_app.analysis.crossed import Cells

IMAGES = 200  # of a data set, and of its test set
FEATURES = 5  # of a block
SHIFT = 0.5  # of a class's mean, in standard deviations of a feature: 87% of the images are named rightly
WEAKER = 0.4  # of a worse learner: 81%
SEED_NOISE = 1.0  # of a centroid, in standard errors of it: what weights and shuffling do to a network
CHUNK = 100  # data sets that are simulated at once; they share the order in which images go into folds
REPLICATES_AT_ONCE = 20
Array = NDArray[Any]
Scored = Literal["accuracy", "macro-F1"]


@dataclass(frozen=True)
class World:
    """What data sets are drawn from: a shift per block, and the blocks that each learner sees."""

    shifts: tuple[float, ...] = (SHIFT, SHIFT)
    learners: tuple[tuple[int, ...], ...] = ((0,), (1,))
    noise: float = 0.0
    minority: float = 0.5  # share of the first class
    scored: Scored = "accuracy"
    images: int = IMAGES
    test_images: int = IMAGES

    @property
    def means(self) -> Array:
        """The mean of the first class, (learner, feature); the other class has its negative."""
        blocks = np.repeat(np.array(self.shifts)[:, None], FEATURES, axis=1)
        return np.stack([blocks[list(seen)].ravel() for seen in self.learners])


@dataclass(frozen=True)
class Images:
    """The images of some data sets: whether of the first class (data set, image), and features as learners see them."""

    is_first: Array
    features: Array  # (data set, learner, image, feature)

    @property
    def signed(self) -> Array:
        """(data set, learner, feature and −1, image), times ±1 by class: a network that is right is on its side."""
        ones = np.full((*self.features.shape[:3], 1), -1, dtype=np.float32)
        signs = np.where(self.is_first, 1, -1).astype(np.float32)[:, None, :, None]
        return np.ascontiguousarray(np.swapaxes(np.concatenate([self.features, ones], axis=3) * signs, 2, 3))


@dataclass(frozen=True)
class Fits:
    """Trained networks, (data set, learner, fit): the direction and the threshold, and the order of the images."""

    networks: Array  # (data set, learner, fit, feature and threshold)
    orders: Array  # (replicate, image): the folds one after the other
    folds: int


def draw_images(source: np.random.Generator, world: World, data_sets: int, count: int) -> Images:
    is_first = source.random((data_sets, count)) < world.minority
    signs = np.where(is_first, 1, -1)[..., None, None]
    centers = signs * np.array(world.shifts)[:, None]
    blocks = source.standard_normal((data_sets, count, len(world.shifts), FEATURES), dtype=np.float32)
    blocks += centers.astype(np.float32)
    seen = [blocks[:, :, list(learner)].reshape(data_sets, count, -1) for learner in world.learners]
    return Images(is_first, np.stack(seen, axis=1))


def fit(source: np.random.Generator, world: World, images: Images, folds: int, replicates: int) -> Fits:
    """Train every learner on the K complements of its folds, replicate by replicate; splits are common to learners."""
    count = images.is_first.shape[1]
    orders = np.stack([source.permutation(count) for _ in range(replicates)])
    places = np.argsort(orders, axis=1) * folds // count  # the fold that holds an image out
    inside = (places[:, None, :] != np.arange(folds)[:, None]).reshape(-1, count).astype(np.float32)
    centroids = []
    for is_member in (images.is_first, ~images.is_first):
        member = is_member.astype(np.float32)
        sizes = (member @ inside.T)[:, None, :, None]
        centroid = inside @ (images.features * member[:, None, :, None]) / sizes
        if world.noise:
            errors = source.standard_normal(centroid.shape, dtype=np.float32)
            centroid += np.float32(world.noise) * errors / np.sqrt(sizes)
        centroids.append(centroid)
    direction = centroids[0] - centroids[1]
    threshold = np.sum(direction * (centroids[0] + centroids[1]), axis=-1, keepdims=True) / 2
    return Fits(np.concatenate([direction, threshold], axis=-1), orders, folds)


def find_right(fits: Fits, images: Images) -> Array:
    """Whether each network names each image rightly."""
    right: Array = fits.networks @ images.signed > 0
    return right


def score_test(world: World, right: Array, images: Images) -> Array:
    """The score of each network on a test set."""
    first = images.is_first.astype(np.float32)[:, None, :, None]
    seen = right.astype(np.float32)
    hits = (seen @ first)[..., 0]
    return compute_score(world.scored, hits, seen.sum(axis=-1) - hits, first.sum(axis=2), (1 - first).sum(axis=2))


def find_right_held_out(fits: Fits, images: Images) -> Array:
    """Whether each image, (data set, learner, replicate, image), is named rightly by the network that has not seen it.

    The folds divide the images evenly.
    """
    data_sets, learners = fits.networks.shape[:2]
    signed, (replicates, count) = images.signed, fits.orders.shape
    shape = replicates, fits.folds, count // fits.folds
    taken = signed[..., fits.orders.ravel()].reshape(data_sets, learners, -1, *shape)
    networks = fits.networks.reshape(data_sets, learners, replicates, fits.folds, -1)
    right = (np.einsum("dlprfi,dlrfp->dlrfi", taken, networks) > 0).reshape(data_sets, learners, replicates, count)
    places = np.broadcast_to(np.argsort(fits.orders, axis=1), right.shape)
    return np.take_along_axis(right, places, axis=3)


def score_held_out(world: World, fits: Fits, images: Images) -> Array:
    """The score of each network on the fold that it has not seen."""
    seen = find_right_held_out(fits, images)
    orders = np.broadcast_to(fits.orders, seen.shape)
    right = np.take_along_axis(seen, orders, axis=3).reshape(*seen.shape[:2], fits.networks.shape[2], -1)
    first = images.is_first[:, fits.orders].reshape(len(right), 1, *right.shape[2:])
    sizes = first.sum(axis=-1)
    hits, rejections = (right & first).sum(axis=-1), (right & ~first).sum(axis=-1)
    return compute_score(world.scored, hits, rejections, sizes, right.shape[-1] - sizes)


def score_truly(world: World, fits: Fits) -> Array:
    """The score of each network over all images that there might be, by the normal distribution of their features."""
    direction, threshold = fits.networks[..., :-1].astype(float), fits.networks[..., -1].astype(float)
    middle, spread = np.einsum("dlfp,lp->dlf", direction, world.means), np.linalg.norm(direction, axis=-1)
    share = world.minority
    hits, rejections = share * ndtr((middle - threshold) / spread), (1 - share) * ndtr((middle + threshold) / spread)
    return compute_score(world.scored, hits, rejections, np.array(share), np.array(1 - share))


def compute_score(scored: Scored, hits: Array, rejections: Array, first: Array, others: Array) -> Array:
    """From the images named rightly of the first class and of the other, and their sizes."""
    if scored == "accuracy":
        return np.asarray((hits + rejections) / (first + others))
    errors = first + others - hits - rejections
    wholes = np.stack([2 * hits + errors, 2 * rejections + errors])  # 0 of a class that is neither there nor named
    parts = np.where(wholes > 0, 2 * np.stack([hits, rejections]) / np.maximum(wholes, 1e-9), 0)
    return np.asarray(parts.sum(axis=0) / (wholes > 0).sum(axis=0))


def build_cells(world: World, right: Array, is_first: Array) -> Cells:
    """The product's scores (fit, image) of one learner on one test set, from what is `right` (fit, image)."""
    if world.scored == "accuracy":
        return right.astype(float)
    hits, rejections = right[:, is_first].sum(axis=1), right[:, ~is_first].sum(axis=1)
    sizes = int(is_first.sum()), int((~is_first).sum())
    tables = np.stack([_tabulate(*pair, *sizes) for pair in zip(hits.tolist(), rejections.tolist(), strict=True)])
    cells: Cells = np.where(is_first, tables[:, :1], tables[:, 2:3])
    return np.where(right, cells, np.where(is_first, tables[:, 1:2], tables[:, 3:4]))


@lru_cache(maxsize=100_000)
def _tabulate(hits: int, rejections: int, first: int, others: int) -> Cells:
    """The pseudo-values of an image of the first class named rightly, wrongly, and of the other class likewise."""
    counts = [hits, first - hits, rejections, others - rejections]
    true, predicted = np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 0, 1], counts)
    values = build_pseudo_values(true, predicted, compute_macro_f1)
    starts = np.cumsum([0, *counts[:-1]])
    return np.array([values[start] if n else 0.0 for start, n in zip(starts, counts, strict=True)])


def average_over_replicates(
    source: np.random.Generator, world: World, images: Images, folds: int, replicates: int, score: Callable[[Fits], Any]
) -> Array:
    """The means of some scores over `replicates` further replicates, (score, data set, learner)."""
    sums, left = 0.0, replicates
    while left > 0:
        count = min(left, REPLICATES_AT_ONCE)
        sums = sums + count * np.mean(score(fit(source, world, images, folds, count)), axis=-1)
        left -= count
    return np.asarray(sums / replicates)


def split_into_chunks(data_sets: int) -> Iterator[int]:
    while data_sets > 0:
        yield min(CHUNK, data_sets)
        data_sets -= CHUNK
