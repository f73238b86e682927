"""Some fits of a results folder trained again, and held against their records. Importing this takes torch along."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from tune_app.data import Data
from tune_app.errors import StudyError, TuneAppError
from tune_app.executors.inline import run_inline
from tune_app.parts.catalog import read_definition
from tune_app.parts.references import Scope
from tune_app.parts.scoring import build_scoring
from tune_app.parts.sources import describe_data, load_source
from tune_app.plan import PlannedTrial, WorkItem
from tune_app.records import RUN_FIELDS, EpochRecord, FoldRecord, Record, RecordSet
from tune_app.records.environments import Environment, build_environments, describe_here, locate, read_commit
from tune_app.records.results import Results
from tune_app.session.execution import find_definitions
from tune_app.session.options import RunOptions
from tune_app.session.planning import make_plan
from tune_app.session.verification.check import Check, count, join_names, name_fit

# Other kernels round otherwise, and training magnifies that. Twelve fits of `quick` with two threads for one (2 epochs)
# differed by 0.05% in the training loss of the first epoch, and by 0.035 at most in any other score.
FIRST_LOSS = 0.01  # relative, of the training loss of the first epoch
OTHERS = 0.05  # of any other score, relative where it is above 1
EXACT = ("tune_app", "torch", "numpy")  # versions that equal bits need
_BESIDE = RUN_FIELDS | {"fingerprints", "outputs", "extra"}  # fields that may differ without a score that does


class _Flow:
    """Keeps the records of a run."""

    def __init__(self) -> None:
        self.records = RecordSet()

    def item_started(self, item: WorkItem) -> None: ...

    def environment(self, environment: Environment) -> None: ...

    def record(self, record: Record) -> None:
        self.records.add(record)

    def item_ended(self, item: WorkItem) -> None: ...


def check_fits(
    results: Results,
    fits: int,
    seed: int,
    study: Path | None = None,
    data: Path | None = None,
    allow: Sequence[str] = (),
    report: Callable[[str], None] = lambda line: None,
) -> Check:
    """Train completed fits again, drawn at random by `seed`: equal bit for bit, or within tolerance elsewhere.

    A study with parts of its own is checked with the code beside its file `study`, and with packages of `allow`.
    """
    drawn = draw_fits(results, fits, seed)
    if not drawn:
        return Check("Rerun", "no fit is completed, so none is trained again.")
    try:
        scope = _find_scope(results, study, allow)
        names = {results.records.folds[fit].trial: None for fit in drawn}
        specs = [trial.spec for trial in results.study.grid_trials() if trial.spec.id in names]
        define = results.study.define
        datasets = {name: load_source(name, define, data, scope) for name in {spec.dataset for spec in specs}}
        plan = _plan(results, datasets, scope)
    except TuneAppError as error:
        return Check("Rerun", "", (f"nothing could be trained again: {error}",))
    problems, exact, near, reasons = [], 0, 0, dict[str, None]()
    for trial, fold in drawn:
        record = results.records.folds[trial, fold]
        report(f"Training {name_fit(trial, fold)} again …")
        again = _train(plan[trial], fold, record, datasets, results, scope)
        differing = find_differences(results.records, again, trial, fold)
        reason = find_reason(results, record)
        if not differing:
            exact += 1
        elif reason and not (far := [each for each in differing if not each.is_near]):
            near += 1
            reasons[reason] = None
        else:
            shown = far if reason else differing
            problems += [f"{name_fit(trial, fold)}: {each.describe()}{_spell(reason)}." for each in shown[:2]]
    return Check("Rerun", _tell(drawn, exact, near, list(reasons)), tuple(problems))


def draw_fits(results: Results, fits: int, seed: int) -> list[tuple[str, int]]:
    """So many completed fits, at random; all where there are fewer."""
    order = {trial.spec.id: place for place, trial in enumerate(results.study.grid_trials())}
    completed = [fit for fit in results.records.completed() if fit[0] in order]
    completed.sort(key=lambda fit: (order[fit[0]], fit[1]))
    return random.Random(seed).sample(completed, min(fits, len(completed)))


def _tell(drawn: Sequence[tuple[str, int]], exact: int, near: int, reasons: Sequence[str]) -> str:
    names = join_names([name_fit(*fit) for fit in drawn])
    parts = [f"{exact} equal bit for bit"] if exact else []
    if near:
        bounds = f"the first training loss by {FIRST_LOSS:.0%}, other scores by {OTHERS:g} at most"
        parts.append(f"{near} within the tolerance for {'; '.join(reasons)} ({bounds})")
    return f"{count(len(drawn), 'fit')} trained again ({names}): {' and '.join(parts)}."


def _spell(reason: str) -> str:
    return f", beyond the tolerance for {reason}" if reason else ", where it has to be the same bit for bit"


def _find_scope(results: Results, study: Path | None, allow: Sequence[str]) -> Scope:
    """Where the parts of the study lie; StudyError where nobody has said so: a results folder is data, and no code."""
    specs = [trial.spec for trial in results.study.grid_trials()]
    own = find_definitions(results.study, specs) | {
        name: part for name, part in results.study.define.items() if name in results.study.data.names
    }
    outside = [name for name, part in own.items() if ":" in part.reference or part.kind == "data"]
    if outside and study is None:
        raise StudyError(
            f"the study has parts of its own ({', '.join(outside)}), whose code would run; name the study file beside "
            "which they lie with --study FILE, once you trust it"
        )
    scope = Scope((study.resolve().parent if study else Path.cwd()), tuple(allow))
    for name, part in own.items():
        try:
            read_definition(part, scope)
        except StudyError as error:
            raise StudyError([f"define.{name}: {problem}" for problem in error.problems]) from error
    return scope


def _plan(results: Results, datasets: Mapping[str, Data], scope: Scope) -> dict[str, PlannedTrial]:
    """The study's trials with the cores that they had; nothing is measured."""
    known = {name: describe_data(data) for name, data in datasets.items() if name in results.study.define}
    order = results.study, RunOptions(executor="inline")
    plan = make_plan(*order, known=known, root=scope.root, measure=False)
    had = {} if results.plan is None else dict(zip(results.plan["trial"], results.plan["cpus"], strict=True))
    return {t.id: replace(t, share=replace(t.share, cpus=float(had.get(t.id, t.share.cpus)))) for t in plan}


def _train(
    trial: PlannedTrial,
    fold: int,
    record: FoldRecord,
    datasets: Mapping[str, Data],
    results: Results,
    scope: Scope,
) -> RecordSet:
    """The records of that fold, by itself; joined folds bring those before along."""
    flow = _Flow()
    device = "auto" if record.device.startswith("cuda") and torch.cuda.is_available() else "cpu"
    if device == "cpu":
        trial = replace(trial, share=replace(trial.share, gpus=0), data_on_host=False)
    scoring = build_scoring(results.study)
    run_inline([WorkItem(trial, (fold,))], datasets, flow, device=device, scoring=scoring, root=scope.root)
    return flow.records


def find_reason(results: Results, record: FoldRecord) -> str:
    """Why the fit need not be equal bit for bit here, empty if it has to be."""
    here = describe_here(read_commit())
    _, candidates = locate(record, build_environments(results.environment))
    if not candidates:
        return "an environment that is not known"
    if record.device != "cpu":
        return f"a fit on {record.device}"
    if record.engine not in (None, "eager", "own fit"):
        return "a fit in a stack"
    told: list[str] = []
    for name in EXACT:
        there = {str(each.get("versions", {}).get(name)) for each in candidates}
        if there != {here["versions"].get(name)}:
            told.append(f"{name} {' or '.join(sorted(there))} there and {here['versions'].get(name)} here")
    processors = {str(each.get("processor")) for each in candidates}
    if processors != {here["processor"]}:
        told.append(f"a processor {' or '.join(sorted(processors))} there and {here['processor']} here")
    return ", ".join(told)


class Difference:
    """A field or a score that came out otherwise; `epoch` 0 is the fit's own record."""

    def __init__(self, name: str, epoch: int, there: Any, here: Any) -> None:
        self.name, self.epoch, self.there, self.here = name, epoch, there, here

    @property
    def is_near(self) -> bool:
        """Whether it may come from rounding: scores by their bounds; labels and best epochs follow from outputs."""
        if self.name in ("predictions", "best_epoch", "tested_epoch", "epochs"):
            return True
        if not all(isinstance(value, int | float) for value in (self.there, self.here)):
            return False
        first = self.name == "train_loss" and self.epoch == 1
        bound = FIRST_LOSS * abs(self.there) if first else OTHERS * max(1.0, abs(self.there))
        return bool(abs(self.here - self.there) <= bound)

    def describe(self) -> str:
        """`test_accuracy is 0.91 by the record and 0.9 now`."""
        place = f" of epoch {self.epoch}" if self.epoch else ""
        values = [str(value) if len(str(value)) <= 80 else "another one" for value in (self.there, self.here)]
        if "another one" in values:
            return f"{self.name}{place} differs from that of the record"
        return f"{self.name}{place} is {values[0]} by the record and {values[1]} now"


def find_differences(known: RecordSet, again: RecordSet, trial: str, fold: int) -> list[Difference]:
    """What differs between the two records of a fit and of its epochs, scores first."""
    record, other = known.folds[trial, fold], again.folds.get((trial, fold))
    if other is None:
        return [Difference("status", 0, record.status, "nothing")]
    if other.status != record.status:
        return [Difference("status", 0, record.status, f"failed ({other.error_type}: {other.error_message})")]
    found = _compare(record, other, 0)
    for epoch in range(1, min(record.epochs, other.epochs) + 1):
        key = trial, fold, epoch
        if key in known.epochs and key in again.epochs:
            found += _compare(known.epochs[key], again.epochs[key], epoch)
    return found


def _compare(record: EpochRecord | FoldRecord, other: EpochRecord | FoldRecord, epoch: int) -> list[Difference]:
    names = [each.name for each in fields(record) if each.name not in _BESIDE | {"scores"}]
    pairs = [(name, getattr(record, name), getattr(other, name)) for name in names]
    scores = [(name, record.scores.get(name), other.scores.get(name)) for name in record.scores]
    return [Difference(name, epoch, there, here) for name, there, here in (*scores, *pairs) if there != here]
