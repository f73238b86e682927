"""What is wrong with a study as a whole: sentences, each with the value, what is allowed and the remedy."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tune_app.errors import choices
from tune_app.study.claims import Claim
from tune_app.study.entries import Catalog, find_argument_problems
from tune_app.study.expansion import ExpandedStudy, has_levels
from tune_app.study.labels import build_labelling
from tune_app.study.metrics import list_known
from tune_app.study.protocol import AS_REPORTED, DEFECTS, find_idle_defects, slices_batches
from tune_app.study.spec import TrialSpec
from tune_app.study.tables import find_table_problems


def find_problems(study: ExpandedStudy, catalog: Catalog | None) -> list[str]:
    """Every problem of a study whose keys are valid by themselves; sizes are checked with a catalog alone."""
    unusable = catalog.unusable if catalog else frozenset[str]()
    arguments = list(_find_unknown_arguments(study, unusable))
    problems = [*arguments, *(_find_part_problems(study, catalog) if catalog else ())]
    if arguments:
        return problems
    # What models take that cannot be used is not known, and where something was taken out, other things seem to lack.
    has_all_factors = not any(name in unusable for entry in study.grid for name in entry.model)
    factors = list(_find_unknown_factors(study)) if has_all_factors else []
    problems += [*factors, *_find_unknown_metrics(study), *dict.fromkeys(_find_protocol_problems(study, unusable))]
    if has_all_factors and not factors and not (catalog and catalog.is_reduced):
        problems += [*_find_baseline_problems(study), *_find_repetitions(study), *_find_claim_problems(study)]
        problems += _find_more_problems(study)
        for number, choice in enumerate(study.tables, start=1):
            problems += [f"tables, entry {number}: {problem}" for problem in find_table_problems(study, choice)]
        problems += _find_label_problems(study)
    for name in study.data.names if catalog else ():
        sizes = catalog.datasets.get(name) if catalog else None
        problems += _find_size_problems(study, name, *sizes) if sizes else []
    return problems


def _find_unknown_arguments(study: ExpandedStudy, unusable: Collection[str]) -> Iterator[str]:
    """Arguments that no network of an entry takes; with a catalog the entries themselves are checked before."""
    for number, entry in enumerate(study.grid, start=1):
        found = find_argument_problems(entry.model, entry.arguments, study.signatures, unusable)
        yield from (f"grid, entry {number}: {problem.text}" for problem in found)


def _find_unknown_factors(study: ExpandedStudy) -> Iterator[str]:
    """Factors that no network of the study takes, outside the grid."""
    for name in study.baseline.model_extra or ():
        if name not in study.factors:
            yield f"baseline: unknown key {name!r}{choices(name, study.factors)}"
    for number, label in enumerate(study.labels, start=1):
        keys = ("label", *study.factors)
        yield from (
            f"labels, entry {number}: unknown key {name!r}{choices(name, keys)}"
            for name in label.model_extra or ()
            if name not in keys
        )
        arguments = {name: study.find_argument(name) for name in label.model_extra or () if name in keys}
        wrong = [argument.find_problem((label.model_extra or {})[name]) for name, argument in arguments.items()]
        yield from (f"labels, entry {number}: {problem}" for problem in wrong if problem)
    for number, claim in enumerate(study.claims, start=1):
        for side in ("levels", "against"):
            unknown = [name for name in getattr(claim, side) if name not in study.factors]
            yield from (
                f"claims, entry {number}: {side}: unknown factor {name!r}{choices(name, study.factors)}"
                for name in unknown
            )


def _find_unknown_metrics(study: ExpandedStudy) -> Iterator[str]:
    known = list_known(study.metrics.named)
    for number, claim in enumerate(study.claims, start=1):
        if claim.metric not in known:
            yield f"claims, entry {number}: unknown metric {claim.metric!r}{choices(claim.metric, known)}"


def _find_part_problems(study: ExpandedStudy, catalog: Catalog) -> Iterator[str]:
    """Names that neither ship nor are defined as parts of that kind."""
    yield from catalog.problems
    for number, entry in enumerate(study.grid, start=1):
        for name in entry.named("data"):
            if name not in study.data.names and catalog.unusable.isdisjoint(study.data.names):
                yield f"grid, entry {number}: data {name!r} is not among the study's{choices(name, study.data.names)}"
    for place, kind, name, known in find_unknown_parts(study, catalog):
        yield f"{place}unknown {kind} {name!r}{choices(name, known)}"


def find_unknown_parts(study: ExpandedStudy, catalog: Catalog) -> Iterator[tuple[str, str, str, list[str]]]:
    """The place, the kind and the name of parts that are unknown, and the names that are known."""
    named: dict[tuple[str, str, str], None] = {("", "splitter", study.splitter): None}
    for kind in ("optimizer", "loss", "schedule", "augment"):
        named["recipe: ", kind, getattr(study.recipe, kind)] = None
        for number, entry in enumerate(study.grid, start=1):
            named |= {(f"grid, entry {number}: ", kind, level): None for level in entry.named(kind)}
    for stop in {study.recipe.stop_metric: None} | {
        s: None for entry in study.grid for s in entry.named("stop_metric")
    }:
        if stop != "loss":
            named["recipe: stop: ", "metric", stop] = None
    for metric in study.metrics.named:
        named["metrics: ", "metric", metric] = None
    for place, kind, name in named:
        known = [*catalog.parts.get(kind, ()), *(n for n, part in study.define.items() if part.kind == kind)]
        if name not in known and name not in catalog.unusable:
            yield place, kind, name, known


def _find_protocol_problems(study: ExpandedStudy, unusable: Collection[str]) -> Iterator[str]:
    for number, (entry, trials) in enumerate(zip(study.grid, study.entries(), strict=True), start=1):
        texts = study.levels(entry, "protocol", entry.model[0])
        if any(model in unusable for model in entry.model):
            continue
        shipped = [model for model in entry.model if model not in study.define]
        regularizers = study.levels(entry, "regularizer", shipped[0]) if shipped else ()
        if AS_REPORTED in " ".join(texts) and len(shipped) < len(entry.model):
            yield (
                f"grid, entry {number}: protocol {AS_REPORTED} means the defects that apply to a regularizer of the "
                "networks that ship; name the defects one by one, joined by +"
            )
        for text, regularizer in itertools.product(texts, regularizers):
            for defect in find_idle_defects(text, regularizer):
                yield (
                    f"grid, entry {number}: protocol {text!r} with regularizer {regularizer}: {defect} changes "
                    "nothing there; leave it out, or write as-reported, which means the defects that apply"
                )
        for trial in trials:
            yield from (f"grid, entry {number}: {problem}" for problem in _find_spec_problems(trial.spec))
        if len(entry.named("batch_slices")) > 1 and not any(slices_batches(t.spec.protocol) for t in trials):
            spelled = ", ".join(map(str, entry.named("batch_slices")))
            slicing = " or ".join(name for name, defect in DEFECTS.items() if defect.slices_batches)
            yield (
                f"grid, entry {number}: batch_slices {spelled}: no condition there has the defect {slicing}, so their "
                "number changes nothing; leave batch_slices out"
            )


def _find_baseline_problems(study: ExpandedStudy) -> Iterator[str]:
    named = study.baseline.model_dump(exclude_none=True)
    conditions = [specs[0].condition for specs in study.conditions()]
    absent = [problem for factor, level in named.items() for problem in _find_absent(factor, level, conditions)]
    yield from (f"baseline: {problem}" for problem in absent)
    if not absent and not any(has_levels(condition, named) for condition in conditions):
        yield f"baseline: no condition of the grid has {_spell_levels(named)}; name levels that occur together"


def _find_repetitions(study: ExpandedStudy) -> Iterator[str]:
    seen: dict[str, int] = {}
    for number, trials in enumerate(study.entries(), start=1):
        for trial in trials:
            earlier = seen.get(trial.spec.id)
            seen.setdefault(trial.spec.id, number)
            if earlier and trial.spec.replicate == 0:
                both = f"entries {earlier} and {number} both ask" if earlier != number else f"entry {number} asks twice"
                yield f"grid: {both} for {trial.spec.id}; keep one of them"


def _find_claim_problems(study: ExpandedStudy) -> Iterator[str]:
    conditions = [specs[0].condition for specs in study.conditions()]
    for number, claim in enumerate(study.claims, start=1):
        named = (*claim.levels.items(), *claim.against.items())
        problems = [problem for factor, level in named for problem in _find_absent(factor, level, conditions)]
        yield from (f"claims, entry {number}: {problem}" for problem in problems or _find_pair_problems(study, claim))


def _find_more_problems(study: ExpandedStudy) -> Iterator[str]:
    conditions = [specs[0].condition for specs in study.conditions()] if study.more else []
    for number, more in enumerate(study.more, start=1):
        if not any(has_levels(condition, more.levels) for condition in conditions):
            yield (
                f"more, entry {number}: no condition of the grid has {_spell_levels(more.levels)}; leave the entry "
                "out, or name levels that occur together"
            )


def _find_pair_problems(study: ExpandedStudy, claim: Claim) -> Iterator[str]:
    pairs = study.claim_pairs(claim)
    if not pairs:
        sides = [_spell_levels(side) for side in (claim.levels, claim.against)]
        yield (
            f"no condition with {sides[0]} has a counterpart with {sides[1]} and otherwise the same levels; name "
            "more factors in against, or add the counterpart to the grid"
        )
    for side in (0, 1):
        folds = sorted({pair[side][0].folds for pair in pairs})
        if len(folds) > 1:
            spelled = " and ".join(map(str, folds))
            yield f"its conditions have {spelled} folds; name folds in levels, such as folds: {folds[-1]}"
    if pairs:
        epochs = min(spec.recipe.epochs for pair in pairs for side in pair for spec in side)
        for window in (claim.epochs, claim.against_epochs):
            if window and window[1] > epochs:
                yield f"the window {list(window)} goes beyond the last epoch, {epochs}; end it there or before"


def _find_label_problems(study: ExpandedStudy) -> list[str]:
    conditions = [specs[0].condition for specs in study.conditions()]
    seen: dict[frozenset[tuple[str, Any]], int] = {}
    problems = []
    for number, label in enumerate(study.labels, start=1):
        spelled = _spell_levels(label.levels)
        found = [
            problem for factor, level in label.levels.items() for problem in _find_absent(factor, level, conditions)
        ]
        if not found and not any(has_levels(condition, label.levels) for condition in conditions):
            found = [f"no condition of the grid has {spelled}; name levels that occur together"]
        first = seen.setdefault(frozenset(label.levels.items()), number)
        if first != number:
            found.append(f"it stands for the same levels as entry {first}, {spelled}; keep one of them")
        problems += [f"labels, entry {number}: {problem}" for problem in found]
    if problems or not study.labels:
        return problems
    return [
        f"labels: {shared!r} would be the name of more than one condition; give each its own, or name more levels"
        for shared in build_labelling(study).find_shared()
    ]


def _find_size_problems(study: ExpandedStudy, name: str, train_images: int, test_images: int) -> Iterator[str]:
    limits: dict[str, tuple[int | None, int]] = {
        "data.train_images": (study.data.train_images, train_images),
        "data.test_images": (study.data.test_images, test_images),
    }
    for number, entry in enumerate(study.grid, start=1):
        limits |= {
            f"grid, entry {number}: train_images {limit}": (limit, train_images)
            for limit in entry.named("train_images")
        }
    for place, (limit, available) in limits.items():
        if limit is not None and limit > available:
            yield f"{place}: {limit} images asked for, {name} has {available}; choose 1 to {available}"
    seen: set[tuple[int, int]] = set()
    for trial in (trial for trial in study.grid_trials() if trial.spec.dataset == name):
        pair = (trial.spec.folds, min(trial.spec.train_images or train_images, train_images))
        if pair[0] > pair[1] and pair not in seen:
            fewer = f"choose 2 to {pair[1]} folds, or more images" if pair[1] > 1 else "give it more images"
            yield f"grid: {pair[0]} folds of {pair[1]} training images; {fewer}"
        seen.add(pair)


def _find_spec_problems(spec: TrialSpec) -> Iterator[str]:
    if slices_batches(spec.protocol) and spec.recipe.batch_size % spec.batch_slices:
        yield (
            f"{spec.batch_slices} slices do not divide a batch of {spec.recipe.batch_size} images; choose batch_slices "
            "that do, or another batch_size"
        )
    yield from _find_device_problems(spec)
    if spec.recipe.engine == "stacked" and spec.training.protocol:
        yield (
            f"engine stacked trains by sound protocol only, not with {', '.join(spec.training.protocol)}; "
            "write engine: auto or eager"
        )


def _find_device_problems(spec: TrialSpec) -> Iterator[str]:
    """What several devices cannot train together."""
    recipe, devices = spec.recipe, spec.recipe.devices
    if devices == 1:
        return
    if recipe.batch_size < devices:
        yield f"{devices} devices share batches of {recipe.batch_size}; choose fewer devices, or a larger batch_size"
    if spec.training.protocol:
        yield (
            f"{devices} devices train by sound protocol only, not with {', '.join(spec.training.protocol)}; leave the "
            "defect or devices out"
        )
    if recipe.engine == "stacked":
        yield f"engine stacked trains on one device, not on {devices}; write engine: auto or eager, or leave one out"
    if recipe.compile:
        yield f"compile: true is for one device, not for {devices}; leave one of the two out"


def _find_absent(factor: str, level: Any, conditions: list[dict[str, Any]]) -> Iterator[str]:
    if not any(has_levels(condition, {factor: level}) for condition in conditions):
        levels = dict.fromkeys(condition[factor] for condition in conditions)
        if isinstance(level, str) and level in map(str, levels):
            yield f"{factor} {level!r} is text where the grid has a number; write it without quotes"
            return
        yield f"{factor} {level} is not in the grid; choose from {', '.join(map(str, levels))}"


def _spell_levels(levels: Mapping[str, Any]) -> str:
    return ", ".join(f"{factor}={level}" for factor, level in levels.items())
