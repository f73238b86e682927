"""`Study` → plan: every trial with its cost and its share, the most expensive first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial

import pandas as pd

from tune_app.engine.cost import (
    MachineRates,
    NetworkCost,
    build_network_cost,
    choose_engine,
    count_steps,
    estimate_scoring_seconds,
    estimate_step_seconds,
    fit_flops,
)
from tune_app.engine.defects import find_problems_of_model
from tune_app.engine.distributed import find_device_problem
from tune_app.errors import StudyError, describe_error
from tune_app.parts.networks import Network, choose_network
from tune_app.parts.sources import DataFacts, describe_shipped
from tune_app.plan.memory import Memory, build_memory, stack_memory
from tune_app.study import Study, TrialSpec
from tune_app.study.expansion import GridTrial
from tune_app.study.names import build_trial_names
from tune_app.study.selection import select_trials

GpuShare = Callable[[Memory], float]


@dataclass(frozen=True)
class Share:
    """What each device of a trial gets of a node, cores and GPUs (fractions are allowed), and how many devices."""

    cpus: float
    gpus: float
    devices: int = 1


@dataclass(frozen=True)
class FitSeconds:
    """The seconds of one fit: in training steps, in scoring (validation after each epoch, and the test), in set-up."""

    training: float
    scoring: float
    setup: float = 0.0

    @property
    def total(self) -> float:
        return self.training + self.scoring + self.setup


NO_SECONDS = FitSeconds(0.0, 0.0)


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with what it costs and what it asks for; `flops` and `fit_seconds` (on its share) are those of one fit.

    `basis` says what the seconds are from: `estimate` (counted operations, on one core: `counted`), `step` (a step
    that was timed here) or `fits` (fits that were recorded here). `memory` is None where it cannot be predicted. With
    `data_on_host` the data set stays in the host's memory, as the share of a GPU cannot hold it.
    """

    spec: TrialSpec
    id: str
    name: str  # what it is called where it is watched
    network: Network
    parameters: int
    train_images: int
    flops: float
    fit_seconds: FitSeconds
    share: Share
    engine: str  # `eager` or `stacked`
    device: str = "cpu"  # or `cuda`
    memory: Memory | None = None
    data_on_host: bool = False
    counted: FitSeconds = NO_SECONDS
    tested_images: int = 0
    basis: str = "estimate"
    shares_fits_of: str | None = None  # the trial whose training it shares

    @property
    def fits(self) -> int:
        """One for each fold."""
        return self.spec.folds

    @property
    def seconds(self) -> float:
        """Of one fit."""
        return self.fit_seconds.total


@dataclass(frozen=True)
class Shares:
    """Shares for trials whose grid entry fixes none; `gpus` may depend on the trial's memory.

    `feed` gives the cores of a trial with such a share of a GPU where neither its entry nor the user fixes them.
    `gpu_bytes` is the memory of one GPU, None where it is not known.
    """

    cpus: float = 1.0
    gpus: float | GpuShare = 0.0
    use_gpus: bool = True  # false where trials run on the CPU whatever they hold
    feed: Callable[[float], float] | None = None
    gpu_bytes: float | None = None


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
    planned: list[PlannedTrial] = []
    problems: list[str] = []
    names = build_trial_names(study)
    for trial in select_trials(study.grid_trials(), only):
        spec = trial.spec
        if planned and _is_replicate(spec, planned[-1].spec):
            planned.append(replace(planned[-1], spec=spec, id=spec.id, name=names[spec.id]))
            continue
        facts = (known or {}).get(spec.dataset) or describe_shipped(spec.dataset)
        network = choose_network(spec, facts)
        found = _find_problems(spec, network)
        problems += found
        if not found:
            planned.append(_plan_trial(trial, names[spec.id], network, facts, shares, rates))
    if problems:
        raise StudyError(dict.fromkeys(problems))
    return order_plan(_share_fits(planned))


def order_plan(planned: Iterable[PlannedTrial]) -> tuple[PlannedTrial, ...]:
    """The most expensive first; equal ones as they come."""
    return tuple(sorted(planned, key=lambda trial: -trial.seconds * trial.fits))


def _is_replicate(spec: TrialSpec, other: TrialSpec) -> bool:
    """Whether the specs differ in their replicate alone; those of one condition share their recipe."""
    return spec.recipe is other.recipe and spec == other.model_copy(update={"replicate": spec.replicate})


def _plan_trial(
    trial: GridTrial, name: str, network: Network, facts: DataFacts, shares: Shares, rates: MachineRates
) -> PlannedTrial:
    spec, cost = trial.spec, build_network_cost(network)
    tested = facts.test if spec.test == "auto" else 0
    images = spec.train_images or facts.train, min(spec.test_images or tested, tested)
    asked = shares.gpus if trial.gpus is None else trial.gpus
    on_gpu = bool(asked) and shares.use_gpus
    engine = choose_engine(spec, partial(build_network_cost, network), "cuda" if on_gpu else "cpu")
    memory = _find_memory(spec, network, facts, images, on_gpu, engine)
    if callable(asked):
        asked = asked(memory) if memory else 1.0
    if trial.gpus is None and asked and spec.recipe.devices > 1:
        asked = max(1.0, asked)  # NCCL wants a GPU for each process
    cpus = shares.feed(asked) if shares.feed and on_gpu else shares.cpus
    room = shares.gpu_bytes * asked if shares.gpu_bytes and on_gpu else None
    seconds = estimate_fit_seconds(spec, cost, images, rates)
    return PlannedTrial(
        spec=spec,
        id=spec.id,
        name=name,
        network=network,
        parameters=cost.parameters,
        train_images=images[0],
        flops=fit_flops(spec, cost, *images),
        fit_seconds=seconds,
        counted=seconds,
        tested_images=images[1],
        share=Share(cpus if trial.cpus is None else trial.cpus, asked, spec.recipe.devices),
        engine=engine,
        device="cuda" if on_gpu else "cpu",
        memory=memory,
        data_on_host=bool(room and memory and memory.total > room and memory.data),
    )


def estimate_fit_seconds(
    spec: TrialSpec, cost: NetworkCost, images: tuple[int, int], rates: MachineRates
) -> FitSeconds:
    """Seconds of one fit on one core; `images` are those for cross-validation and for the test."""
    steps, trained, validated = count_steps(spec, images[0])
    step = estimate_step_seconds(trained / steps, cost, rates) if steps else 0.0
    return FitSeconds(steps * step, estimate_scoring_seconds(validated + images[1], cost, rates))


def _find_memory(
    spec: TrialSpec, network: Network, facts: DataFacts, images: tuple[int, int], on_gpu: bool, engine: str
) -> Memory | None:
    try:
        memory = build_memory(spec, network, facts, images, on_gpu)
    except Exception:  # a step of somebody's network that needs numbers
        return None
    return stack_memory(memory, spec.folds) if engine == "stacked" else memory


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
        yield trial if name == trial.id else replace(trial, shares_fits_of=name, flops=0.0, fit_seconds=NO_SECONDS)


def build_plan_frame(plan: Iterable[PlannedTrial]) -> pd.DataFrame:
    """One row per trial; `predicted_fit_seconds` are those of one fit on its share, bytes those of its process.

    `basis` is where the seconds are from.
    """
    names = ("trial", "fits", "parameters", "flops", "predicted_fit_seconds", "cpus", "gpus", "engine")
    rows = [
        (t.id, t.fits, t.parameters, t.flops, t.seconds, t.share.cpus, t.share.gpus, t.engine, t.basis, *_spell(t))
        for t in plan
    ]
    return pd.DataFrame(rows, columns=[*names, "basis", "predicted_memory_bytes", *MEMORY_PARTS, "data_on_host"])


MEMORY_PARTS = tuple(f"{each.name}_bytes" for each in fields(Memory))


def _spell(trial: PlannedTrial) -> tuple[float | bool | None, ...]:
    memory = trial.memory
    if memory is None:
        return (None, *[None] * len(MEMORY_PARTS), trial.data_on_host)
    return (memory.total, *(getattr(memory, each.name) for each in fields(memory)), trial.data_on_host)
