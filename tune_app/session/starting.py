"""Ray, started beside the plan: it takes seconds in which this process has other things to do."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tune_app.errors import ResourceError
from tune_app.executors.scratch import find_company, hold_folder
from tune_app.monitor.terminal import shorten_path
from tune_app.parts.references import Scope
from tune_app.session.environment import count_cpus
from tune_app.session.options import RunOptions
from tune_app.session.output import quote_argument
from tune_app.study.define import Definition

if TYPE_CHECKING:
    from tune_app.executors.ray import Cluster, Warm
    from tune_app.session.session import Session

SETTLE_SECONDS = 2.0  # after the first record; a study that is over by then needs no dashboard
SLOW_SECONDS = 45.0  # until Ray is up; then it is told, for what hangs says nothing
MOST_SECONDS = 600.0  # a busy machine, or a cluster that is sent much, may take minutes
JOIN_SECONDS = 60.0  # for Ray to stop; what does not ends with this process
DASHBOARD_SECONDS = 20.0  # without a record for so long, the dashboard starts all the same


class RayStart:
    """Ray on its way. `wait` for it, say when the first record is there, `end` it.

    Everything happens in one thread, which lives until the end: Linux kills what Ray starts together with the thread
    that started it. `trials` bounds the processes that are warmed up; `told` is given the dashboard's URL, or None and
    the reason why there is none.
    """

    def __init__(
        self,
        options: RunOptions,
        scope: Scope | None,
        definitions: Mapping[str, Definition],
        trials: int,
        told: Callable[[str | None, str], None],
        report: Callable[[str], None],
    ) -> None:
        self._options = options
        self._scope = scope
        self._definitions = definitions
        self._trials = trials
        self._told = told
        self._report = report
        self._found: tuple[ModuleType, Cluster] | None = None
        self._failure: BaseException | None = None
        self._is_up, self._has_records, self._is_over = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="ray", daemon=True)
        self._thread.start()

    def wait(self) -> "tuple[ModuleType, Cluster]":
        """The executor and its cluster, once they are there; raises what the start raised.

        Raises ResourceError too where Ray takes longer than any machine does.
        """
        if not self._is_up.wait(SLOW_SECONDS):
            self._report(
                f"Ray has not come up for {SLOW_SECONDS:g} s. This waits; Ctrl-C ends it, and --executor inline does "
                "without Ray."
            )
            if not self._is_up.wait(MOST_SECONDS - SLOW_SECONDS):
                raise ResourceError(
                    f"Ray has not come up for {MOST_SECONDS:g} s; run with --executor inline, or find out what its "
                    "processes wait for"
                )
        if self._found is None:
            raise self._failure or ResourceError("Ray has been stopped; run the same command again")
        return self._found

    def note_record(self) -> None:
        """Trials run: there is time for the dashboard."""
        self._has_records.set()

    def end(self) -> None:
        """Have Ray stopped, once it has started; this returns at once, `join` when it has."""
        self._is_over.set()
        self._has_records.set()

    def join(self) -> None:
        """Have Ray stopped, and wait for it."""
        self.end()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        on_ray: ModuleType | None = None
        with contextlib.ExitStack() as held:
            try:
                on_ray = _import_ray()
                self._run_on(on_ray, held)
            except BaseException as error:  # it belongs to the thread that waits
                self._failure = error
            finally:
                self._is_up.set()
                if on_ray:
                    on_ray.stop_ray()

    def _run_on(self, on_ray: ModuleType, held: contextlib.ExitStack) -> None:
        """Have Ray up until it is over; `held` are the folders that it needs as long as it is there."""
        address = self._options.address
        warm = self._build_warm(on_ray, held.enter_context(hold_folder()))
        own: dict[str, Any] = {}
        if not address:
            own["num_cpus"] = count_cpus()  # Ray would count those of the whole machine
        cluster = on_ray.start_ray(address, self._scope, self._definitions, warm=warm, **own)
        if not self._is_over.is_set():
            on_ray.run_on_ray  # noqa: B018  # imports Ray Tune here, while the workers do
        self._found = on_ray, cluster
        self._is_up.set()
        self._show_dashboard(on_ray, cluster)
        self._is_over.wait()

    def _build_warm(self, on_ray: ModuleType, folder: Path) -> "Warm | None":
        """As many warm processes as trials can run at once."""
        cpus = 1.0 if self._options.cpus_per_trial is None else self._options.cpus_per_trial
        slots = min(self._trials, int(count_cpus() / cpus)) if cpus else 0
        warm: Warm = on_ray.Warm(folder, slots, max(1, int(cpus)))
        return warm if slots and not self._options.address else None

    def _show_dashboard(self, on_ray: ModuleType, cluster: "Cluster") -> None:
        if self._options.address:
            self._told(cluster.dashboard, "this cluster has none")
            return
        if not self._options.dashboard:
            return
        self._has_records.wait(DASHBOARD_SECONDS)
        if self._is_over.wait(SETTLE_SECONDS):
            return
        try:
            url = on_ray.start_dashboard()
        except RuntimeError as error:
            self._told(None, f"it cannot start ({error}); the study runs without it")
        else:
            self._told(url, "")


def start_beside(session: "Session") -> RayStart:
    """Ray for this session's study, on its way; a study's own parts have been imported before."""
    definitions: dict[str, Definition] = {}
    if session.study.define:
        from tune_app.session.execution import find_definitions

        definitions = find_definitions(session.study, session.specs)

    def tell(url: str | None, why: str) -> None:
        named = os.environ.get("RAY_AUTH_TOKEN_PATH")
        place = f"RAY_AUTH_TOKEN_PATH={quote_argument(named)} " if named else ""
        token = f"{place}{quote_argument(shorten_path(Path(sys.executable).parent / 'ray'))} get-auth-token"
        session.report(
            f"Ray dashboard: {url}, whose token is printed by:\n  {token}" if url else f"Ray dashboard: none, for {why}"
        )

    if not session.options.address and (others := find_company()):
        session.report(describe_company(others, count_cpus()))
    return RayStart(session.options, session.found.scope, definitions, len(session.specs), tell, session.report)


def describe_company(others: Sequence[int], cores: int) -> str:
    """What to do about studies that run on this machine already, by their processes."""
    whose = f"process {', '.join(map(str, others))}"
    if cores < 2:
        return f"Another study runs on this machine ({whose}): both share its core, and both take longer."
    half = cores // 2
    ranges = [f"{first}-{last}" if last > first else f"{first}" for first, last in ((0, half - 1), (half, cores - 1))]
    return (
        f"Another study runs on this machine ({whose}), and each takes all {cores} cores. To give each its own, start "
        f"one as `taskset -c {ranges[0]} tune-grid …` and the other as `taskset -c {ranges[1]} tune-grid …`."
    )


def _import_ray() -> ModuleType:
    """The executor on Ray; ResourceError where Ray is not installed."""
    try:
        from tune_app.executors import ray as on_ray  # here, because it costs seconds and inline needs no Ray
    except ImportError as error:
        raise ResourceError(
            f"Ray cannot be imported ({error}); install requirements.txt, or run with --executor inline"
        ) from error
    return on_ray
