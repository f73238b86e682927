"""A study's plan on the nodes that there are. Importing this takes torch along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from html import escape
from pathlib import Path

import pandas as pd
import torch
from rich.console import Group, RenderableType
from rich.text import Text

from tune_app.analysis.claims import find_undecidable
from tune_app.engine.cost import measure_machine_rates
from tune_app.errors import ResourceError
from tune_app.export.tables.notebook import build_html_list, build_html_table
from tune_app.monitor.terminal import spell_seconds
from tune_app.parts.networks import forget_networks
from tune_app.parts.sources import DataFacts
from tune_app.plan import (
    Forecast,
    GpuShare,
    PlannedTrial,
    Shard,
    Shares,
    build_forecast,
    build_plan_frame,
    check_shares,
)
from tune_app.plan import build_plan as build_planned_trials
from tune_app.plan.memory import Memory, build_gpu_share, feed_gpus
from tune_app.plan.phases import USUAL, Phases, TimedRun, choose_way, predict_run
from tune_app.session.calibrating import Place, calibrate, open_calibration
from tune_app.session.environment import count_cpus
from tune_app.session.options import RunOptions
from tune_app.session.plan_table import (
    HEADINGS,
    build_rows,
    build_table,
    describe_forecast,
    describe_phases,
    find_cpu_limit,
)
from tune_app.study import Study
from tune_app.study.fractions import choose_generators, find_aliases

Node = Mapping[str, float]  # CPU and GPU → how many; gpu_bytes: the memory of one GPU


@dataclass(frozen=True, repr=False)
class Plan:
    """Every trial with its cost and its share, the most expensive first, for the nodes that it was made for."""

    study: Study
    trials: tuple[PlannedTrial, ...]
    nodes: tuple[Node, ...]
    place: Place
    warning: str = ""  # on what was measured here
    shard: Shard = "auto"
    run: TimedRun = USUAL["ray"]  # what a run of it needs beside its fits

    def __iter__(self) -> Iterator[PlannedTrial]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def fits(self) -> int:
        """The fits of all trials."""
        return sum(trial.fits for trial in self.trials)

    @cached_property
    def forecast(self) -> Forecast:
        """When the plan is through on its nodes, and what would shorten it."""
        return build_forecast(self.trials, self.nodes, self.shard, self.place.serial, self.run.between)

    @property
    def seconds(self) -> float:
        """The predicted seconds of all fits: the trials on the slots that there are, as they are started."""
        return self.forecast.makespan

    @property
    def phases(self) -> Phases:
        """The predicted seconds of the whole command, from its start to the page."""
        return Phases(self.run.start, self.seconds, self.run.export)

    def build_frame(self) -> pd.DataFrame:
        """One row per trial; `predicted_fit_seconds` are those of one fit on its share."""
        return build_plan_frame(self.trials)

    def find_undecidable(self) -> list[str]:
        """A sentence for each claim that no scores can decide with this design."""
        return find_undecidable(self.study)

    def check_shares(self) -> None:
        """Raise ResourceError for trials that no node can hold."""
        check_shares(self.trials, self.nodes)

    def describe(self) -> str:
        """`12 trials, 72 fits, about 4 min on 2 cores`."""
        return (
            f"{len(self)} trials, {self.fits} fits, about {spell_seconds(self.phases.total)} on {self._spell_nodes()}"
        )

    def _spell_nodes(self) -> str:
        if self.place.serial:
            return "one core" if self.trials[0].share.cpus <= 1 else f"{self.trials[0].share.cpus:g} cores"
        cpus, gpus = (sum(node.get(kind, 0) for node in self.nodes) for kind in ("CPU", "GPU"))
        if not self.place.use_gpus or not any(trial.share.gpus for trial in self.trials):
            return f"{cpus:g} cores"
        return f"{gpus:g} GPUs and {cpus:g} cores"

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        return f"<Plan of {self.study.name}: {self.describe()}>"

    def __rich__(self) -> RenderableType:
        rows, more = build_rows(self.trials)
        shown: list[RenderableType] = [build_table(rows)]
        if more:
            shown.append(
                Text(f"… and {more:,} more trials, which take less; `build_plan(…).build_frame()` has them all")
            )
        lines = [self.describe(), *self.describe_forecast(), *self.describe_aliases(), *self._describe_undecidable()]
        return Group(*shown, *map(Text, lines))

    def describe_forecast(self) -> list[str]:
        """Sentences on the longest trial, on what would shorten the study, and on what the seconds are from."""
        lines = [describe_phases(self.phases), *describe_forecast(self.forecast, self.trials)]
        lines += [*find_cpu_limit(self.trials, self.nodes, self.place)]
        return [*lines, f"Warning: {self.warning}."] if self.warning else lines

    def find_aliases(self) -> list[str]:
        """A sentence for each group of effects that a fractional design of the study cannot tell apart."""
        found = []
        for number, entry in enumerate(self.study.grid, start=1):
            if "fractional" in entry.design and "factorial" not in entry.design:  # a whole one tells them apart
                names = tuple(entry.parts)
                sentences = find_aliases(names, choose_generators(len(names), entry.resolution))
                found += [f"grid, entry {number}: {sentence}" for sentence in sentences]
        return found

    def describe_aliases(self) -> list[str]:
        """These sentences as the lines of a list with its heading; empty without any."""
        lines = [f"- {line}" for line in self.find_aliases()]
        return ["A fractional design cannot tell these effects apart:", *lines] if lines else []

    def _describe_undecidable(self) -> list[str]:
        lines = [f"- {line}" for line in self.find_undecidable()]
        head = f"{len(lines)} of {len(self.study.claims)} claims cannot be decided by this design:"
        return [head, *lines] if lines else []

    def _repr_html_(self) -> str:
        headings = [(heading, heading in ("trial", "engine")) for heading in HEADINGS]
        rows, _ = build_rows(self.trials)
        remarks = build_html_list([*self.describe_forecast(), *self.find_aliases(), *self.find_undecidable()])
        return f"<p>{escape(self.describe())}</p>\n{build_html_table(headings, rows)}\n{remarks}"


def find_nodes() -> tuple[Node, ...]:
    """This machine as a node: the cores that this process may use, the GPUs that torch sees, and the least memory."""
    gpus = torch.cuda.device_count()
    sizes = [float(torch.cuda.get_device_properties(index).total_memory) for index in range(gpus)]
    return ({"CPU": count_cpus(), "GPU": gpus} | ({"gpu_bytes": min(sizes)} if sizes else {}),)


def find_gpu_names() -> tuple[str, ...]:
    """The GPUs of this machine."""
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def make_plan(
    study: Study,
    options: RunOptions,
    nodes: Sequence[Node] | None = None,
    known: Mapping[str, DataFacts] | None = None,
    *,
    root: Path | None = None,
    measure: bool = True,
) -> Plan:
    """The plan of the trials that `options.only` selects; without `nodes` for this machine, measured for a moment.

    `known` are the facts of data sets that do not ship; the study's own parts lie in `root`. With `measure`, steps are
    timed for a few seconds where nothing was measured before.

    Raises StudyError for a network that cannot be built, ResourceError for a device that is not there.
    """
    here = nodes is None
    if study.define:
        forget_networks()
    found = find_nodes() if nodes is None else tuple(nodes)
    if options.device == "cuda" and not options.address and not torch.cuda.is_available():
        raise ResourceError(
            f"--device cuda: torch {torch.__version__} sees no GPU here (no driver, or a CPU build); leave it "
            "out, or write --device cpu"
        )
    shares, calibration = _choose_shares(options, found), open_calibration()
    counted = build_planned_trials(study, shares, calibration.rates or measure_machine_rates(), options.only, known)
    place = Place(found, options.executor == "inline", options.device != "cpu", root)
    trials, way = calibrate(counted, place, calibration, measure), choose_way(options.executor, options.address)
    run = predict_run(calibration.runs.values(), way, len(trials))
    plan = Plan(study, trials, found, place, calibration.problem, options.shard, run)
    without = next((trial.id for trial in plan if not trial.share.gpus), None)
    if options.device == "cuda" and without and not (here and options.address):
        raise ResourceError(
            f"--device cuda: trial {without} holds no share of a GPU (gpus_per_trial is 0, or no node has one), so "
            "it would run on one that is not counted; give it a share such as --gpus-per-trial 0.1, or leave "
            "--device out"
        )
    return plan


def _choose_shares(options: RunOptions, nodes: Sequence[Node]) -> Shares:
    """What trials without shares of their own get: what the user says, else by predicted memory."""
    node = max(nodes, key=lambda node: node.get("GPU", 0))
    gpus, size = node.get("GPU", 0), min((n["gpu_bytes"] for n in nodes if n.get("gpu_bytes")), default=None)
    use_gpus = options.device != "cpu"
    gpu_share: float | GpuShare = options.gpus_per_trial or 0.0
    if options.gpus_per_trial is None and gpus and use_gpus:
        # Nobody has said how much memory the GPUs have: a whole one on a cluster, none where torch sees none.
        gpu_share = 1.0 if options.address or torch.cuda.is_available() else 0.0
        if size:
            gpu_share = partial(_share_by_memory, size)
    feed = None
    if options.cpus_per_trial is None and gpus:
        feed = partial(feed_gpus, cpus=node.get("CPU", 0), gpus=gpus)
    return Shares(1.0 if options.cpus_per_trial is None else options.cpus_per_trial, gpu_share, use_gpus, feed, size)


def _share_by_memory(size: float, memory: Memory) -> float:
    """The share that holds the trial, or where no GPU does, a whole one for all but its data set."""
    return build_gpu_share(memory.total, size)
