"""A plan held against this machine: steps timed where nothing is known, recorded fits taken up and kept."""

import os
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from tune_app import __version__
from tune_app.engine.cost import (
    MachineRates,
    build_network_cost,
    estimate_scoring_seconds,
    estimate_step_seconds,
    measure_machine_rates,
)
from tune_app.engine.footprint import choose_scored
from tune_app.engine.timing import time_fit
from tune_app.parts.fingerprints import fingerprint_code
from tune_app.plan import PlannedTrial
from tune_app.plan.calibration import (
    Calibration,
    Keys,
    TimedFits,
    TimedStep,
    build_keys,
    find_calibration_file,
    read_calibration,
)
from tune_app.plan.makespan import find_slots
from tune_app.plan.phases import TimedRun
from tune_app.plan.trials import order_plan
from tune_app.records import FoldRecord
from tune_app.records.environments import read_processor
from tune_app.session.environment import count_cpus
from tune_app.session.timing_apart import time_apart

BUDGET_SECONDS = 6.0  # of timing for one plan; what is left goes by networks of the same family, or by operations
MEMORY_SHARE = 0.5  # of what is free: a network that would take more is not tried out beforehand
Node = Mapping[str, float]


@dataclass(frozen=True)
class Place:
    """Where trials run: the nodes, `serial` for one after the other, and whether on GPUs where they hold a share."""

    nodes: Sequence[Node]
    serial: bool
    use_gpus: bool
    root: Path | None = None  # of the study's own parts

    def describe(self, trial: PlannedTrial) -> tuple[str, int, int]:
        """The trial's device, its threads, and the cores that others keep busy beside it."""
        threads = min(max(1, int(trial.share.cpus)), count_cpus())
        slots = (
            1
            if self.serial
            else max((find_slots(trial.share.cpus, trial.share.gpus, [n]) for n in self.nodes), default=1)
        )
        company = 0 if self.serial else max(0, min(slots * threads, count_cpus()) - threads)
        return trial.device, threads, company


@lru_cache(maxsize=1)
def describe_machine() -> dict[str, object]:
    """What measurements hold for: hardware and versions."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    versions = {"torch": torch.__version__, "python": sys.version.split()[0], "tune_app": __version__}
    return {"processor": read_processor(), "cores": count_cpus(), "gpus": gpus, "versions": versions}


def open_calibration() -> Calibration:
    """What was measured on this machine; its rates are measured now if nothing was."""
    calibration = read_calibration(find_calibration_file(describe_machine()))
    if calibration.rates is None:
        calibration.rates = measure_machine_rates()
    return calibration


def calibrate(
    trials: Sequence[PlannedTrial], place: Place, calibration: Calibration, measure: bool = True
) -> tuple[PlannedTrial, ...]:
    """The trials with the seconds that were measured here, in the plan's order.

    With `measure`, steps of networks that nothing is known of are timed for a few seconds, those with most work first.
    """
    keys = _find_keys(trials, place)
    if measure and _time_missing(trials, keys, place, calibration):
        calibration.write()
    return order_plan(calibration.refine(trial, keys[trial.id]) for trial in trials)


def _find_keys(trials: Iterable[PlannedTrial], place: Place) -> dict[str, Keys]:
    """Each trial's keys; those of a condition's replicates are the same."""
    found: dict[str, Keys] = {}
    last: PlannedTrial | None = None
    for trial in trials:
        same = last and trial.network is last.network and trial.spec.recipe is last.spec.recipe
        if same and last and trial.spec == last.spec.model_copy(update={"replicate": trial.spec.replicate}):
            found[trial.id] = found[last.id]
        else:
            found[trial.id] = build_keys(trial, _fingerprint(trial, place.root), *place.describe(trial))
        last = trial
    return found


def _fingerprint(trial: PlannedTrial, root: Path | None) -> dict[str, str]:
    if not trial.spec.definitions:
        return {}
    try:
        return fingerprint_code(trial.spec, root)
    except (OSError, SyntaxError):
        return {}


def _time_missing(
    trials: Sequence[PlannedTrial], keys: Mapping[str, Keys], place: Place, calibration: Calibration
) -> bool:
    """Time the steps that are missing: one of each family first, then others of it; whether there were any."""
    work: dict[str, float] = defaultdict(float)
    first: dict[str, PlannedTrial] = {}
    for trial in trials:
        known = calibration.fits.get(keys[trial.id].fits) or calibration.steps.get(keys[trial.id].step)
        if known is None and trial.shares_fits_of is None:
            work[keys[trial.id].step] += trial.counted.total * trial.fits
            first.setdefault(keys[trial.id].step, trial)
    order = sorted(first, key=lambda step: -work[step])
    leading = {keys[first[step].id].family: step for step in reversed(order)}.values()
    until, timed = time.monotonic() + BUDGET_SECONDS, False
    for step in dict.fromkeys([*sorted(leading, key=order.index), *order]):
        if time.monotonic() > until:
            break
        found = _time_step(first[step], place, calibration.rates)
        if found is not None:
            calibration.steps[step] = replace(found, family=keys[first[step].id].family)
            timed = True
    return timed


def _time_step(trial: PlannedTrial, place: Place, rates: MachineRates | None) -> TimedStep | None:
    """Measured over counted seconds; None for what is no network, or fails: the fit's record will say so."""
    device, threads, company = place.describe(trial)
    if rates is None or (device == "cuda" and not torch.cuda.is_available()):
        return None
    if trial.memory is None or (device == "cpu" and trial.memory.total > MEMORY_SHARE * _read_free_memory()):
        return None
    cost = build_network_cost(trial.network)
    scored = choose_scored(max(trial.tested_images, trial.train_images // trial.fits))
    expected = estimate_step_seconds(trial.spec.recipe.batch_size, cost, rates)
    try:
        measure = time_fit if device == "cpu" else time_apart
        timing = measure(
            trial.spec,
            trial.network,
            scored,
            torch.device(device),
            expected=expected / (1 if device == "cpu" else 100),
            threads=threads,
            company=company,
        )
    except Exception:  # whatever somebody's network raises
        return None
    step = estimate_step_seconds(timing.batch, cost, rates)
    scoring = estimate_scoring_seconds(timing.scored, cost, rates)
    return TimedStep("", timing.step / step, timing.scoring / scoring if scoring else 1.0, timing.setup)


def _read_free_memory() -> float:
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))


def keep_run(run: TimedRun) -> None:
    """Keep what a whole run took, for the next plan."""
    calibration = open_calibration()
    calibration.runs[f"{time.time():.3f}"] = run
    calibration.write()


def keep_fits(trials: Sequence[PlannedTrial], place: Place, records: Iterable[FoldRecord]) -> None:
    """Keep the seconds of completed fits that ran on this machine, for the next plan."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record.status == "completed" and record.host == socket.gethostname():
            seconds[record.trial].append(record.fit_seconds)
    ran = [trial for trial in trials if seconds[trial.id] and trial.shares_fits_of is None]
    calibration = open_calibration()
    keys, by_kind = _find_keys(ran, place), defaultdict(list)
    for trial in ran:
        by_kind[keys[trial.id].fits].append(trial)
    for kind, alike in by_kind.items():
        measured = [each for trial in alike for each in seconds[trial.id]]
        mean, key = sum(measured) / len(measured), keys[alike[0].id]
        predicted = calibration.predict(alike[0], key).total
        ratio = mean / predicted if predicted else 1.0
        calibration.fits[kind] = TimedFits(key.family, key.step, mean, len(measured), ratio)
    if by_kind:
        calibration.write()
