"""python -m benchmarks.design_null: error rates of the effects of ablation designs where no component does anything.

Each component swaps one block of five features for another that is drawn alike, so that no condition is better than
another, while two conditions share the blocks on which they agree. The learners are nearest centroids in real folds,
with training images that overlap, as in `benchmarks.null_learners`. A rate is the share of data sets: of p < 0.05 for a
single effect, and of p after Holm < 0.05 for one or more effects of a family. Prints a Markdown table.
"""

import itertools
import math
import sys
import time
from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd

from benchmarks.null_learners import FEATURES, IMAGES, SEED_NOISE, SHIFT, Array
from tune_app.analysis.designs import build_design_effects
from tune_app.study.designs import build_conditions

NAMES = ("a", "b", "c", "d")
FAMILY_LEVEL = 0.05
Designs = tuple[str, ...]


def run_design_null(
    components: int, designs: Designs, folds: int, replicates: int, data_sets: int, seed: int, seed_noise: float = 0.0
) -> pd.DataFrame:
    """One row per family: the share of single effects and of whole families in which something is found."""
    source, names = np.random.default_rng(seed), NAMES[:components]
    conditions = build_conditions(designs, names)
    rows = []
    for _ in range(data_sets):
        scores = draw_scores(source, names, conditions, folds, replicates, seed_noise)
        effects = build_design_effects(scores, names, designs)
        found = effects.assign(single=effects["p_value"] < FAMILY_LEVEL, whole=effects["p_holm"] < FAMILY_LEVEL)
        rows.append(found.groupby("family", sort=False).agg({"single": "mean", "whole": "any", "component": "size"}))
    rates = pd.concat(rows).groupby(level="family", sort=False).mean()
    return rates.rename(columns={"component": "effects"}).reset_index()


def draw_scores(
    source: np.random.Generator,
    names: Collection[str],
    conditions: Collection[frozenset[str]],
    folds: int,
    replicates: int,
    seed_noise: float,
) -> dict[frozenset[str], Array]:
    """The held-out accuracies (replicate, fold) of each condition on one data set; seeds differ between conditions.

    An image is its features times its label ±1, as in `benchmarks.null_learners`.
    """
    images = source.normal(SHIFT, 1, (IMAGES, len(names), 2, FEATURES))
    size = IMAGES // folds
    found: dict[frozenset[str], list[Array]] = {present: [] for present in conditions}
    for _ in range(replicates):
        shuffled = images[source.permutation(IMAGES)].reshape(folds, size, len(names), 2, FEATURES)
        sums = shuffled.sum(axis=1)
        centroids = (sums.sum(axis=0) - sums) / (IMAGES - size)  # (fold, component, side, feature)
        for present in conditions:
            sides = [int(name in present) for name in names]
            picked = (slice(None), range(len(names)), sides)
            noise = source.normal(0, seed_noise / math.sqrt(IMAGES - size), centroids[picked].shape)
            votes = np.einsum("ficp,fcp->fi", shuffled[:, :, range(len(names)), sides], centroids[picked] + noise)
            found[present].append((votes > 0).mean(axis=1))
    return {present: np.array(rows) for present, rows in found.items()}


def list_settings() -> Iterator[tuple[int, Designs, int, int, float]]:
    """Components, designs, folds, replicates, noise of the seeds."""
    designs: tuple[tuple[int, Designs], ...] = (
        (3, ("factorial",)),
        (4, ("leave-one-out", "add-one-in")),
        (4, ("fractional",)),
    )
    for (components, chosen), (folds, replicates) in itertools.product(designs, ((4, 3), (10, 1), (10, 3))):
        yield components, chosen, folds, replicates, SEED_NOISE


def main() -> None:
    data_sets, seed, start = int(sys.argv[1]) if len(sys.argv) > 1 else 2000, 0, time.perf_counter()
    lines = ["| design | folds | replicates | family | effects | one effect, p | one or more of the family, Holm |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for components, designs, folds, replicates, noise in list_settings():
        rates = run_design_null(components, designs, folds, replicates, data_sets, seed, noise)
        place = f"{', '.join(designs)} of {components} | {folds} | {replicates}"
        lines += [
            f"| {place} | {row['family']} | {row['effects']:.0f} | {row['single']:.1%} | {row['whole']:.1%} |"
            for row in rates.to_dict("records")
        ]
    sys.stdout.write("\n".join(lines) + f"\n\n{data_sets} data sets a row, seed {seed}\n")
    sys.stderr.write(f"{time.perf_counter() - start:.0f} s\n")


if __name__ == "__main__":
    main()
