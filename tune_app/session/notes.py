"""What a session notes beside its records, and what it finds noted: environment, plan, scores of later metrics."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from tune_app.data.npz import UNREADABLE
from tune_app.errors import RecordError, ResultsError
from tune_app.parts.fingerprints import fingerprint_files
from tune_app.parts.splits import build_limit
from tune_app.records import RecordSet, RecordStore
from tune_app.records.environments import Environment, build_environments
from tune_app.records.results import (
    ENVIRONMENT_FILE,
    PLAN_FILE,
    read_environment,
    read_plan,
    write_environment,
)
from tune_app.session.environment import build_environment
from tune_app.study import TrialSpec
from tune_app.study.seeds import build_seed

if TYPE_CHECKING:
    from tune_app.records.results import PseudoValues
    from tune_app.session.backfill import FindTargets
    from tune_app.session.execution import Execution
    from tune_app.session.session import Session


def find_earlier(session: "Session") -> list[Mapping[str, Any]]:
    """The environments of the runs before this one, as far as their folders say."""
    places = [] if session.options.fresh else [session.folder, session.results]
    if session.options.continue_from:
        places.insert(0, session.options.continue_from)
    found = []
    for place in places:
        with contextlib.suppress(ResultsError):  # one that cannot be read is about to be written again
            found.append(read_environment(place))
    return [environment for environment in found if environment]


def find_environment(session: "Session") -> Mapping[str, Any]:
    """Where the records were made: as noted when they were, else as the folders say that they came from."""
    path = session.folder / ENVIRONMENT_FILE
    if not path.exists():
        write_environment(path, _find_first(session))
    environment = read_environment(session.folder)
    if environment is None:
        raise ResultsError(f"{path} was there and is gone; run the same command again")
    if session.study.define and (modules := find_modules(session)):
        environment = {**environment, "modules": modules}
    if session.remedies.asserted:
        said = dict.fromkeys((*environment.get("same_code", ()), *session.remedies.asserted))
        environment = {**environment, "same_code": list(said)}
        write_environment(path, environment)
    return environment


def _find_first(session: "Session") -> Mapping[str, Any]:
    """What environment.json says first, of records that came from elsewhere."""
    earlier = find_earlier(session)
    first = earlier[0] if earlier else build_environment(session.study, session.options.command)
    return {**first, "environments": find_environments(session)}


def find_environments(session: "Session") -> dict[str, Environment]:
    """The environments that the study's records name so far, by key; `unknown` is that of records without one."""
    for place in [session.folder] if session.options.fresh else [session.folder, session.results]:
        with contextlib.suppress(ResultsError):
            if content := read_environment(place):
                return build_environments(content)
    return {}


def note_environments(session: "Session", found: Mapping[str, Environment]) -> None:
    """Add environments to the study's environment.json, where it lacks them; RecordError if the disk refuses it."""
    path = session.folder / ENVIRONMENT_FILE
    known, content = find_environments(session), None
    with contextlib.suppress(ResultsError):
        content = read_environment(session.folder)
    if content and "environments" in content and found.keys() <= known.keys():
        return
    try:
        write_environment(path, {**(content or _find_first(session)), "environments": {**found, **known}})
    except OSError as error:
        raise RecordError(
            f"{path} cannot be written: {error.strerror}; free some space and run the same command again"
        ) from error


def write_run(session: "Session", execution: "Execution", earlier: Sequence[Mapping[str, Any]]) -> None:
    """Write where the study runs, and once that is known what the run took."""
    from tune_app.session.planning import find_gpu_names

    here = session.study, session.options.command, execution.plan.nodes, find_gpu_names()
    timing = session.review.build_content() if session.review else {}
    environment = build_environment(*here, earlier, find_environments(session), execution.differing, timing)
    write_environment(session.folder / ENVIRONMENT_FILE, environment)


def find_modules(session: "Session") -> dict[str, str]:
    """The files of the study's own parts with their fingerprints; empty where they cannot be read any more."""
    try:
        return fingerprint_files(session.study.define.values(), session.found.scope.root)
    except (OSError, SyntaxError):
        return {}


def find_plan(session: "Session", folder: Path) -> pd.DataFrame:
    """What the study's trials were planned to cost, planned now if no folder says it of all of them."""
    trials = {trial.spec.id for trial in session.study.grid_trials()}
    for place in (session.folder, folder):
        with contextlib.suppress(*UNREADABLE):
            plan = read_plan(place / PLAN_FILE)
            if set(plan["trial"]) == trials:
                return plan
    from tune_app.session.planning import make_plan

    options, root = replace(session.options, only=None), session.found.scope.root
    return make_plan(session.study, options, known=session.describe_data(), root=root, measure=False).build_frame()


def add_metrics(session: "Session", store: RecordStore) -> int:
    """Score recorded outputs by metrics that the study has named since; how many fits."""
    if not session.study.metrics.named:
        return 0
    from tune_app.session.backfill import add_metrics

    root = session.found.scope.root
    return add_metrics(store, session.study, session.specs, session.folder, root, build_target_finder(session))


def build_target_finder(session: "Session") -> "FindTargets":
    """What gives the classes of a trial's test part, from the study's data."""

    def find_targets(spec: TrialSpec) -> "tuple[NDArray[Any], int] | None":
        data = session.load_data()[spec.dataset]
        if data.test is None or data.task != "classification" or spec.test == "none":
            return None
        limit = build_limit(data.test.targets, spec.test_images, build_seed(spec.seed, "limit"))
        return data.test.targets[limit], data.outputs

    return find_targets


def find_pseudo_values(session: "Session", records: RecordSet) -> "PseudoValues | None":
    """Pseudo-values of the study's metrics on a common test set, for those that labels alone do not give."""
    if session.study.test == "none" or not session.study.metrics.named:
        return None
    from tune_app.session.pseudo import build_pseudo_values

    return build_pseudo_values(records, session.study, session.specs, session.folder)


def pool(session: "Session", records: RecordSet) -> pd.DataFrame | None:
    """Scores over all held-out samples together, where held-out folds are scored."""
    if session.study.test != "none" or not session.study.metrics.named:
        return None
    from tune_app.session.backfill import build_pooled

    return build_pooled(records, session.study, session.folder)


def find_thresholds(session: "Session", records: RecordSet) -> pd.DataFrame | None:
    """ROC and precision-recall curves, where fits left scores of two classes in side files."""
    if not any(record.outputs for record in records.folds.values()):
        return None
    from tune_app.session.thresholds import build_thresholds

    return build_thresholds(records, session.specs, session.folder)
