"""What was measured on this machine, kept for the next plan: timed steps, recorded fits, the parts of whole runs."""

import contextlib
import fcntl
import hashlib
import json
import os
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tune_app.data.archives import write_in_one_step
from tune_app.data.caches import find_cache_folder
from tune_app.engine.cost import MachineRates
from tune_app.plan.phases import TimedRun
from tune_app.plan.trials import FitSeconds, PlannedTrial

FOLDER_VARIABLE = "TUNE_APP_CALIBRATION"
SCHEMA = 1
MOST_ENTRIES = 2000  # of each kind in a file; the oldest make room
MOST_RUNS = 100


@dataclass(frozen=True)
class TimedStep:
    """Measured over counted seconds of training steps and of scoring, and seconds to set up a fit."""

    family: str
    training: float
    scoring: float
    setup: float


@dataclass(frozen=True)
class TimedFits:
    """The mean seconds of `n` recorded fits of one kind, and what they are over those that `step` had predicted."""

    family: str
    step: str
    seconds: float
    n: int
    ratio: float


@dataclass(frozen=True)
class Keys:
    """What a trial is looked up by: its fits' kind, its step, and the family of its network."""

    fits: str
    step: str
    family: str


@dataclass
class Calibration:
    """What a file of the cache says; `problem` is why one that cannot be read was left aside, a sentence.

    `runs` are by the time of their end, the oldest first.
    """

    path: Path
    rates: MachineRates | None = None  # of one core; counted seconds go by them
    steps: dict[str, TimedStep] = field(default_factory=dict)
    fits: dict[str, TimedFits] = field(default_factory=dict)
    runs: dict[str, TimedRun] = field(default_factory=dict)
    problem: str = ""

    def find_step(self, keys: Keys) -> TimedStep | None:
        """The timed step, or that of the network's family: the median of those that there are."""
        if found := self.steps.get(keys.step):
            return found
        alike = [step for step in self.steps.values() if step.family == keys.family]
        if not alike:
            return None
        names = ("training", "scoring", "setup")
        return TimedStep(keys.family, *(statistics.median(getattr(step, name) for step in alike) for name in names))

    def refine(self, trial: PlannedTrial, keys: Keys) -> PlannedTrial:
        """The trial with the seconds that follow from what was measured."""
        if trial.shares_fits_of is not None:
            return trial
        if known := self.fits.get(keys.fits):
            return replace(trial, fit_seconds=_scale(self.predict(trial, keys), known.seconds), basis="fits")
        found = self.predict(trial, keys)
        ratios = [fits.ratio for fits in self.fits.values() if fits.step == keys.step] or [
            fits.ratio for fits in self.fits.values() if fits.family == keys.family
        ]
        if ratios:
            return replace(trial, fit_seconds=_scale(found, found.total * statistics.median(ratios)), basis="fits")
        return replace(trial, fit_seconds=found, basis="step" if self.find_step(keys) else "estimate")

    def predict(self, trial: PlannedTrial, keys: Keys) -> FitSeconds:
        """Seconds of a fit by timed steps alone."""
        counted, step = trial.counted, self.find_step(keys)
        if step is None:
            return counted
        return FitSeconds(counted.training * step.training, counted.scoring * step.scoring, step.setup)

    def write(self) -> None:
        """Add to what the file says by now; several processes may do so at once, and no reader sees half of it.

        A folder that refuses is no matter: the next plan measures again.
        """
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path):
                there = read_calibration(self.path)
                steps, fits = ({**there.steps, **self.steps}, {**there.fits, **self.fits})
                runs = sorted({**there.runs, **self.runs}.items())[-MOST_RUNS:]
                content = {
                    "schema": SCHEMA,
                    "rates": (rates := there.rates or self.rates) and asdict(rates),
                    "steps": {key: asdict(step) for key, step in list(steps.items())[-MOST_ENTRIES:]},
                    "fits": {key: asdict(each) for key, each in list(fits.items())[-MOST_ENTRIES:]},
                    "runs": {key: asdict(each) for key, each in runs},
                }
                with write_in_one_step(self.path) as partial:
                    partial.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _scale(seconds: FitSeconds, total: float) -> FitSeconds:
    if not seconds.total:
        return FitSeconds(total, 0.0)
    by = total / seconds.total
    return FitSeconds(seconds.training * by, seconds.scoring * by, seconds.setup * by)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find_calibration_file(machine: Mapping[str, Any]) -> Path:
    """The file of a machine's hardware and versions, in $TUNE_APP_CALIBRATION or else the user's cache folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    folder = Path(named) if named else find_cache_folder() / "calibration"
    return folder / f"{build_hash(machine)}.json"


def build_hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def read_calibration(path: Path) -> Calibration:
    """What the file says; one that is damaged, or of another schema, counts as empty and is named in `problem`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Calibration(path)
    except (OSError, UnicodeDecodeError) as error:
        return Calibration(path, problem=_spell_problem(path, error))
    try:
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            return Calibration(path)
        steps = {str(key): TimedStep(**each) for key, each in content["steps"].items()}
        fits = {str(key): TimedFits(**each) for key, each in content["fits"].items()}
        runs = {str(key): TimedRun(**each) for key, each in content.get("runs", {}).items()}  # 0.2 wrote none
        rates = MachineRates(**content["rates"]) if content["rates"] else None
        if rates:
            _check(rates.flops, rates.bytes)
        for step in steps.values():
            _check(step.training, step.scoring, step.setup)
        for each in fits.values():
            _check(each.seconds, each.n, each.ratio)
        for run in runs.values():
            _check(run.start, run.between, run.export, run.trials)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return Calibration(path, problem=_spell_problem(path, error))
    return Calibration(path, rates, steps, fits, runs)


def _spell_problem(path: Path, error: Exception) -> str:
    return f"the measurements in {path} cannot be read ({type(error).__name__}: {error}); they are made again"


def _check(*numbers: float) -> None:
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < float("inf"):
            raise ValueError(f"{number!r} is no measurement")


def build_keys(trial: PlannedTrial, code: Mapping[str, str], device: str, threads: int, company: int) -> Keys:
    """The keys of a trial. `code` are fingerprints of the study's own parts, `company` the cores busy beside it."""
    spec, recipe, network = trial.spec, trial.spec.recipe, trial.network
    family = build_hash([network.model, network.definition, code.get("model"), device])
    names = ("batch_size", "precision", "optimizer", "momentum", "clip_norm", "compile")
    step = build_hash(
        [
            *(network.arguments, network.shape, network.outputs, network.definition, network.model, dict(code)),
            *(spec.protocol, spec.batch_slices, device, threads, company),
            [getattr(recipe, name) for name in names],
        ]
    )
    whole = spec.model_dump(mode="json", exclude={"replicate", "seed"})
    return Keys(build_hash([step, whole, trial.train_images, trial.engine]), step, family)
