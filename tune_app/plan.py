"""`Study` → plan: every trial with its cost and its share, the most expensive first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from data import DATASETS
from models import MODELS
from tune_app.cost import (
    MachineRates,
    NetworkCost,
    build_network_cost,
    choose_engine,
    estimate_fit_seconds,
    fit_flops,
)
from tune_app.errors import ResourceError, StudyError
from tune_app.protocol import parse_protocol
from tune_app.study import FACTORS, Catalog, Study, TrialSpec, choices, resolve_levels

SMALLEST_SHARE = 0.001  # below, a thousand trials would run at once; Ray counts in steps of a ten-thousandth
GpuShare = Callable[[TrialSpec, NetworkCost], float]


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with what it costs and what it asks for; `flops` and `seconds` (on one core) are those of one fit."""

    spec: TrialSpec
    id: str
    parameters: int
    train_images: int
    flops: float
    seconds: float
    cpus: float
    gpus: float
    engine: str  # `eager` or `stacked`
    shares_fits_of: str | None = None  # the trial whose training it shares

    @property
    def fits(self) -> int:
        return self.spec.folds


@dataclass(frozen=True)
class Shares:
    """Shares for trials whose grid entry fixes none; `gpus` may depend on the trial."""

    cpus: float = 1.0
    gpus: float | GpuShare = 0.0
    use_gpus: bool = True  # false where trials run on the CPU whatever they hold


def build_catalog() -> Catalog:
    """The models and data sets of this installation."""
    sizes = {name: (entry.train_images, entry.test_images) for name, entry in DATASETS.items()}
    return Catalog(tuple(MODELS), sizes)


def build_plan(
    study: Study, shares: Shares, rates: MachineRates, only: Mapping[str, str] | None = None
) -> tuple[PlannedTrial, ...]:
    """The study's trials that match `only` (factor → level), most expensive first, ties in the study's order.

    Raises StudyError if a network cannot be built for the images, or `only` names no factor, level or trial.
    """
    trials = study.grid_trials()
    only = only or {}
    _check_only(only, [trial.spec for trial in trials])
    selected = [trial for trial in trials if _matches(trial.spec, only)]
    if not selected:
        wanted = ",".join(f"{name}={level}" for name, level in only.items())
        raise StudyError(f"--only {wanted}: no trial has all of these levels; see --dry-run for the trials there are")
    entry = DATASETS[study.data.name]
    planned, problems = [], []
    for trial in selected:
        spec = trial.spec
        network = spec.model, entry.image_shape, entry.classes, spec.regularizer, spec.width
        try:
            cost = build_network_cost(*network)
        except ValueError as error:
            problems.append(f"{spec.model} on {spec.dataset}: {error}; choose another model or data set")
            continue
        images = spec.train_images or entry.train_images, spec.test_images or entry.test_images
        default = shares.gpus(spec, cost) if callable(shares.gpus) else shares.gpus
        gpus = default if trial.gpus is None else trial.gpus
        planned.append(
            PlannedTrial(
                spec=spec,
                id=spec.id,
                parameters=cost.parameters,
                train_images=images[0],
                flops=fit_flops(spec, cost, *images),
                seconds=estimate_fit_seconds(spec, cost, *images, rates),
                cpus=shares.cpus if trial.cpus is None else trial.cpus,
                gpus=gpus,
                engine=choose_engine(
                    spec, partial(build_network_cost, *network), "cuda" if gpus and shares.use_gpus else "cpu"
                ),
            )
        )
    if problems:
        raise StudyError(dict.fromkeys(problems))
    return tuple(sorted(_share_fits(planned), key=lambda trial: -trial.seconds * trial.fits))


def _share_fits(planned: list[PlannedTrial]) -> Iterator[PlannedTrial]:
    """Trials whose protocols differ only outside the training take the fits of the first, at next to no cost."""
    first: dict[str, str] = {}
    for trial in planned:
        name = first.setdefault(trial.spec.training.id, trial.id)
        yield trial if name == trial.id else replace(trial, shares_fits_of=name, flops=0.0, seconds=0.0)


def build_plan_frame(plan: Iterable[PlannedTrial]) -> pd.DataFrame:
    """One row per trial; `predicted_fit_seconds` are those of one fit on one core."""
    names = ("trial", "fits", "parameters", "flops", "predicted_fit_seconds", "cpus", "gpus", "engine")
    rows = [(t.id, t.fits, t.parameters, t.flops, t.seconds, t.cpus, t.gpus, t.engine) for t in plan]
    return pd.DataFrame(rows, columns=list(names))


def parse_only(text: str) -> dict[str, str]:
    """`model=cnn,folds=4` → {"model": "cnn", "folds": "4"}; StudyError for anything else."""
    only = {}
    for part in text.split(","):
        factor, equals, level = (piece.strip() for piece in part.partition("="))
        if not equals or not level:
            raise StudyError(f"--only {text}: write factor=level,factor=level, such as model=cnn,folds=4")
        if factor not in (*FACTORS, "replicate"):
            raise StudyError(f"--only {text}: unknown factor {factor!r}{choices(factor, (*FACTORS, 'replicate'))}")
        if factor in only:
            raise StudyError(f"--only {text}: {factor} is named twice; name one level, or leave it out for all")
        if factor == "protocol":
            try:
                parse_protocol(level)
            except ValueError as error:
                raise StudyError(f"--only {text}: {error}") from None
        only[factor] = _spell(level)
    return only


def _check_only(only: Mapping[str, str], specs: list[TrialSpec]) -> None:
    for factor, level in only.items():
        if not any(_matches(spec, {factor: level}) for spec in specs):
            levels = sorted({_spell(_build_levels(spec)[factor]) for spec in specs})
            raise StudyError(f"--only: {factor} {level!r} is not in the grid{choices(level, levels)}")


def _matches(spec: TrialSpec, only: Mapping[str, str]) -> bool:
    """Whether the trial has the levels, spelled as `parse_only` spells them."""
    levels = _build_levels(spec)
    return all(_spell(levels[factor]) == level for factor, level in resolve_levels(only, spec.condition).items())


def _build_levels(spec: TrialSpec) -> dict[str, object]:
    return {**spec.condition, "replicate": spec.replicate}


def _spell(level: object) -> str:
    """One spelling for a level, so that `0.1`, `.1` and `1e-1` are the same."""
    try:
        return f"{float(str(level)):g}"
    except ValueError:
        return str(level)


def check_shares(plan: tuple[PlannedTrial, ...], nodes: list[Mapping[str, float]]) -> None:
    """Raise ResourceError for trials that no node can hold; `nodes` gives each node's CPU and GPU capacity."""
    for trial in plan:
        shares = trial.cpus, trial.gpus
        if not any(shares) or any(0 < share < SMALLEST_SHARE for share in shares):
            raise ResourceError(
                f"trial {trial.id}: asks for {trial.cpus:g} CPUs and {trial.gpus:g} GPUs; it needs a share of one of "
                f"them, at least {SMALLEST_SHARE:g}; raise --cpus-per-trial, --gpus-per-trial or the entry's own share"
            )
    problems: dict[tuple[float, float], str] = {}
    for trial in plan:
        if not any(trial.cpus <= node.get("CPU", 0) and trial.gpus <= node.get("GPU", 0) for node in nodes):
            problems.setdefault((trial.cpus, trial.gpus), trial.id)
    if problems:
        capacity = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise ResourceError(
            "\n".join(
                f"trial {trial}: asks for {cpus:g} CPUs and {gpus:g} GPUs, no node has that; nodes have {capacity}; "
                "lower --cpus-per-trial, --gpus-per-trial or the entry's own share"
                for (cpus, gpus), trial in problems.items()
            )
        )
