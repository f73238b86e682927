"""Whether the numbers of two sides may be compared at all, and whether their fits are pairs."""

import itertools
from collections.abc import Sequence

from tune_app.analysis.metrics import find_folds, find_mixed_code
from tune_app.analysis.sides import Side
from tune_app.errors import RefusedError
from tune_app.study import Metric, TrialSpec
from tune_app.study.protocol import find_redefining

INTERLEAVED_FROM = 3  # replicates on either side
APART = (
    "the fits of the two sides did not run in turns, so that a difference may be that of the machine's load at the "
    "time: it has no interval and no p-value; run both in one command with three replicates or more."
)


def check_comparable(pairs: Sequence[tuple[Side, Side]], metric: Metric) -> None:
    """Raise RefusedError where a difference of the two sides' numbers would not be an effect."""
    for pair in pairs:
        names = [side.specs[0].dataset for side in pair]
        if names[0] != names[1]:
            raise RefusedError(f"{names[0]} and {names[1]} are different data sets: their difference is no effect.")
        if metric.startswith("test_") and len({side.specs[0].test_images for side in pair}) > 1:
            raise RefusedError("the two sides are tested on different numbers of images; give both the same.")
        redefined = [find_redefining(side.specs[0].protocol, metric) for side in pair]
        if redefined[0] != redefined[1]:
            defects = ", ".join(sorted(redefined[0] ^ redefined[1]))
            raise RefusedError(f"{defects} makes {metric} another quantity on one side: their difference is no effect.")
    for results in {id(pair[0].results): pair[0].results for pair in pairs}.values():
        sides = [side for pair in pairs for side in pair if side.results is results]
        if changed := find_mixed_code(results, [spec for side in sides for spec in side.specs]):
            raise RefusedError(
                f"{changed} changed between the fits compared: their difference may be the change's; run them again "
                "with --rerun-changed, or state with --same-code that it makes no difference."
            )
    if metric == "fit_seconds":
        places = {
            f"{record.device} of {record.host} ({record.engine or 'eager'})"
            for pair in pairs
            for side in pair
            for spec in side.specs
            for fold in range(spec.folds)
            if (record := side.results.records.folds.get((spec.id, fold)))
        }
        if len(places) > 1:
            raise RefusedError(f"the times were taken on different devices or engines: {', '.join(sorted(places))}.")


def share_splits(first: TrialSpec, second: TrialSpec) -> bool:
    """Whether fold f of replicate r trains, validates and tests on the same images in both trials."""
    names = ("dataset", "train_images", "test_images", "splitter", "seed", "folds", "has_dependent_folds")
    return all(getattr(first, name) == getattr(second, name) for name in names)


def are_interleaved(first: Side, second: Side) -> bool:
    """Whether the fits of both sides ran in turns, so that a machine's changing load is on both alike.

    They did where the side changes, in the order in which fits began, at least as often as the smaller side has fits:
    as often as it does in a random order. Or so the replicates, three or more, by when each began.
    """
    begun = [
        [[record.started for record in find_folds(side.results, spec) if record] for spec in side.specs]
        for side in (first, second)
    ]
    fits = [[start for replicate in side for start in replicate] for side in begun]
    replicates = [[min(replicate) for replicate in side if replicate] for side in begun]
    return _alternate(fits) or (min(map(len, replicates)) >= INTERLEAVED_FROM and _alternate(replicates))


def _alternate(sides: Sequence[Sequence[float]]) -> bool:
    order = sorted((start, number) for number, side in enumerate(sides) for start in side)
    changes = sum(one[1] != other[1] for one, other in itertools.pairwise(order))
    return changes >= min(map(len, sides)) > 0
