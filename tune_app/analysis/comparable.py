"""Whether the numbers of two sides may be compared at all, and whether their fits are pairs."""

import itertools
from collections.abc import Mapping, Sequence

from tune_app.analysis.estimands import find_fewest_replicates, find_source
from tune_app.analysis.metrics import find_folds, find_mixed_code
from tune_app.analysis.sides import Condition, Side
from tune_app.errors import RefusedError
from tune_app.records import FoldRecord
from tune_app.records.environments import Environment, build_environments, locate
from tune_app.study import Metric, Study, TrialSpec
from tune_app.study.protocol import find_redefining

INTERLEAVED_FROM = 3  # replicates on either side
APART = (
    "the fits of the two sides did not run in turns, so that a difference may be that of the machine's load at the "
    "time: it has no interval and no p-value; run both in one command with three replicates or more."
)
NOTED = ("python", "torch", "numpy")  # versions that a contrast names where its fits differ in them
Origin = dict[str, set[str]]  # a version or the processor → what the fit ran with, several where that is not recorded


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
        _check_one_machine(pairs)


def _check_one_machine(pairs: Sequence[tuple[Side, Side]]) -> None:
    """Raise RefusedError for times of several machines; hosts may share a name, and differ in their processor."""
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
    origins = [origin for pair in pairs for side in pair for origin in _find_origins(side)]
    processors = sorted(set().union(*(origin["processor"] for origin in origins)))
    if len(processors) > 1:
        raise RefusedError(f"the times were taken on different processors: {', '.join(processors)}.")


def find_fewest_of(study: Study, pair: tuple[Condition, Condition], metric: Metric) -> int:
    """The replicates from which on a contrast of two conditions of the study has a p-value."""
    first, second = (specs[0] for specs in pair)
    return find_fewest_replicates(
        find_source(first, metric),
        min(1 if spec.has_dependent_folds else spec.folds for spec in (first, second)),
        paired=share_splits(first, second),
        wants_new_images=study.inference == "new-images",
    )


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


def find_version_note(pairs: Sequence[tuple[Side, Side]]) -> str:
    """A sentence where the fits did not all run with the same versions on the same processor, or may not have.

    Empty where they did, and where nothing is recorded of any of them.
    """
    sides = [[origin for pair in pairs for origin in _find_origins(pair[place])] for place in (0, 1)]
    clauses = [clause for name in (*NOTED, "processor") if (clause := _spell_differing(name, sides))]
    known = {bool(any(origin.values())) for side in sides for origin in side}
    if known == {True, False}:
        clauses.append("of some it is not recorded where they ran")
    return (
        f"The fits did not all run alike, and part of the effect may be that: {', '.join(clauses)}." if clauses else ""
    )


def _find_origins(side: Side) -> list[Origin]:
    """What each of the side's completed fits ran with."""
    environments = build_environments(side.results.environment)
    return [
        _find_origin(record, environments) for spec in side.specs for record in find_folds(side.results, spec) if record
    ]


def _find_origin(record: FoldRecord, environments: Mapping[str, Environment]) -> Origin:
    candidates = locate(record, environments)[1]
    found = {name: {str(each["versions"][name]) for each in candidates if name in each["versions"]} for name in NOTED}
    accelerator = record.device.partition(" ")[2]  # of `cuda:0 NVIDIA H100`; a CPU has none
    processors = {accelerator} if accelerator else {str(each["processor"]) for each in candidates}
    return found | {"processor": processors}


def _spell_differing(name: str, sides: Sequence[Sequence[Origin]]) -> str:
    """`torch 2.14.1 against 2.15.0`; empty where all fits have one."""
    values = [sorted(set().union(*(origin[name] for origin in side))) for side in sides]
    every = sorted({*values[0], *values[1]})
    if len(every) < 2:
        return ""
    if any(len(origin[name]) > 1 for side in sides for origin in side):
        return f"{name} {' or '.join(every)} (which of them is not recorded)"
    first, second = (" and ".join(each) for each in values)
    return f"{name} {first} against {second}" if first != second else f"{name} {first} on either side"
