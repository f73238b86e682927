"""`Study` → plan: every trial with its cost and its share, the most expensive first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from tune_app.engine.cost import (
    MachineRates,
    NetworkCost,
    build_network_cost,
    choose_engine,
    estimate_fit_seconds,
    fit_flops,
)
from tune_app.engine.defects import find_problems_of_model
from tune_app.engine.distributed import find_device_problem
from tune_app.errors import StudyError, describe_error
from tune_app.parts.networks import Network, choose_network
from tune_app.parts.sources import DataFacts, describe_shipped
from tune_app.study import Study, TrialSpec
from tune_app.study.names import build_trial_names
from tune_app.study.selection import select_trials

GpuShare = Callable[[TrialSpec, NetworkCost], float]


@dataclass(frozen=True)
class Share:
    """What each device of a trial gets of a node, cores and GPUs (fractions are allowed), and how many devices."""

    cpus: float
    gpus: float
    devices: int = 1


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with what it costs and what it asks for; `flops` and `seconds` (on one core) are those of one fit."""

    spec: TrialSpec
    id: str
    name: str  # what it is called where it is watched
    parameters: int
    train_images: int
    flops: float
    seconds: float
    share: Share
    engine: str  # `eager` or `stacked`
    shares_fits_of: str | None = None  # the trial whose training it shares

    @property
    def fits(self) -> int:
        """One for each fold."""
        return self.spec.folds


@dataclass(frozen=True)
class Shares:
    """Shares for trials whose grid entry fixes none; `gpus` may depend on the trial."""

    cpus: float = 1.0
    gpus: float | GpuShare = 0.0
    use_gpus: bool = True  # false where trials run on the CPU whatever they hold


def build_plan(
    study: Study,
    shares: Shares,
    rates: MachineRates,
    only: Mapping[str, str] | None = None,
    known: Mapping[str, DataFacts] | None = None,
) -> tuple[PlannedTrial, ...]:
    """The study's trials that match `only` (factor → level), most expensive first, ties in the study's order.

    `known` are the facts of data sets that do not ship.

    Raises StudyError if a network cannot be built for the images, or `only` names no factor, level or trial.
    """
    planned, problems = [], []
    names = build_trial_names(study)
    for trial in select_trials(study.grid_trials(), only):
        spec = trial.spec
        facts = (known or {}).get(spec.dataset) or describe_shipped(spec.dataset)
        network = choose_network(spec, facts)
        found = _find_problems(spec, network)
        problems += found
        if found:
            continue
        cost = build_network_cost(network)
        tested = facts.test if spec.test == "auto" else 0
        images = spec.train_images or facts.train, min(spec.test_images or tested, tested)
        default = shares.gpus(spec, cost) if callable(shares.gpus) else shares.gpus
        gpus = default if trial.gpus is None else trial.gpus
        if trial.gpus is None and spec.recipe.devices > 1 and gpus:
            gpus = max(1.0, gpus)  # NCCL wants a GPU for each process
        planned.append(
            PlannedTrial(
                spec=spec,
                id=spec.id,
                name=names[spec.id],
                parameters=cost.parameters,
                train_images=images[0],
                flops=fit_flops(spec, cost, *images),
                seconds=estimate_fit_seconds(spec, cost, *images, rates),
                share=Share(shares.cpus if trial.cpus is None else trial.cpus, gpus, spec.recipe.devices),
                engine=choose_engine(
                    spec, partial(build_network_cost, network), "cuda" if gpus and shares.use_gpus else "cpu"
                ),
            )
        )
    if problems:
        raise StudyError(dict.fromkeys(problems))
    return tuple(sorted(_share_fits(planned), key=lambda trial: -trial.seconds * trial.fits))


def _find_problems(spec: TrialSpec, network: Network) -> list[str]:
    """Why the trial's network cannot be planned."""
    place = f"{spec.model} on {spec.dataset}"
    try:
        build_network_cost(network)
    except ValueError as error:
        return [f"{place}: {error}; choose another model or data set"]
    except Exception as error:  # whatever somebody's network raises
        return [
            f"{place}: its cost is counted on torch's meta device, where it fails ({describe_error(error)}); let its "
            "forward not depend on values, or choose another model"
        ]
    found = find_problems_of_model(network, spec.protocol, spec.batch_slices) if spec.protocol else []
    shared = find_device_problem(network, spec.recipe.batchnorm_sync) if spec.recipe.devices > 1 else ""
    place = f"{spec.model}, {spec.regularizer}" if spec.regularizer else spec.model
    devices = [f"{place}: {spec.recipe.devices} devices: {shared}"] if shared else []
    return [*(f"{place}: {problem}; leave the defect out" for problem in found), *devices]


def _share_fits(planned: list[PlannedTrial]) -> Iterator[PlannedTrial]:
    """Trials whose protocols differ only outside the training take the fits of the first, at next to no cost."""
    first: dict[str, str] = {}
    for trial in planned:
        name = first.setdefault(trial.spec.training.id, trial.id)
        yield trial if name == trial.id else replace(trial, shares_fits_of=name, flops=0.0, seconds=0.0)


def build_plan_frame(plan: Iterable[PlannedTrial]) -> pd.DataFrame:
    """One row per trial; `predicted_fit_seconds` are those of one fit on one core."""
    names = ("trial", "fits", "parameters", "flops", "predicted_fit_seconds", "cpus", "gpus", "engine")
    rows = [(t.id, t.fits, t.parameters, t.flops, t.seconds, t.share.cpus, t.share.gpus, t.engine) for t in plan]
    return pd.DataFrame(rows, columns=list(names))
