"""A study's plan on the nodes that there are. Importing this takes torch along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd
import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tune_app.analysis.claims import find_undecidable
from tune_app.engine.cost import build_gpu_share, build_network_cost, estimate_gpu_bytes, measure_machine_rates
from tune_app.errors import ResourceError
from tune_app.export.tables.notebook import build_html_list, build_html_table
from tune_app.monitor.terminal import spell_seconds
from tune_app.parts.sources import DataFacts
from tune_app.plan import GpuShare, PlannedTrial, Shares, build_plan_frame, check_shares
from tune_app.plan import build_plan as build_planned_trials
from tune_app.session.environment import count_cpus
from tune_app.session.options import RunOptions
from tune_app.study import Study
from tune_app.study.fractions import choose_generators, find_aliases

Node = Mapping[str, float]  # CPU and GPU → how many
HEADINGS = ("trial", "fits", "parameters", "training images", "CPUs", "GPUs", "engine", "about")


@dataclass(frozen=True, repr=False)
class Plan:
    """Every trial with its cost and its share, the most expensive first, for the nodes that it was made for."""

    study: Study
    trials: tuple[PlannedTrial, ...]
    nodes: tuple[Node, ...]

    def __iter__(self) -> Iterator[PlannedTrial]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def fits(self) -> int:
        """The fits of all trials."""
        return sum(trial.fits for trial in self.trials)

    @property
    def seconds(self) -> float:
        """The predicted seconds of the whole plan: the work over the slots, and no less than the longest trial."""
        cpus = sum(node.get("CPU", 0) for node in self.nodes)
        lengths = [trial.seconds * trial.fits for trial in self.trials]
        slots = max(1.0, min(cpus / max(min(trial.share.cpus for trial in self.trials), 1e-3), len(self.trials)))
        return max(sum(lengths) / slots, *lengths)

    def build_frame(self) -> pd.DataFrame:
        """One row per trial; `predicted_fit_seconds` are those of one fit on one core."""
        return build_plan_frame(self.trials)

    def find_undecidable(self) -> list[str]:
        """A sentence for each claim that no scores can decide with this design."""
        return find_undecidable(self.study)

    def check_shares(self) -> None:
        """Raise ResourceError for trials that no node can hold."""
        check_shares(self.trials, self.nodes)

    def describe(self) -> str:
        """`12 trials, 72 fits, about 4 min on 2 cores`."""
        cpus = sum(node.get("CPU", 0) for node in self.nodes)
        on = (
            f"{cpus:g} cores" if not any(trial.share.gpus for trial in self.trials) else "these cores (GPUs are faster)"
        )
        return f"{len(self)} trials, {self.fits} fits, about {spell_seconds(self.seconds)} on {on}"

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        return f"<Plan of {self.study.name}: {self.describe()}>"

    def __rich__(self) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for heading in HEADINGS:
            is_id = heading == "trial"  # the one column that may wrap: a number cut off is no number
            table.add_column(heading, justify="left" if is_id else "right", no_wrap=not is_id, overflow="fold")
        for trial in self.trials:
            table.add_row(*_spell_trial(trial))
        return Group(
            table, Text(self.describe()), *map(Text, [*self.describe_aliases(), *self._describe_undecidable()])
        )

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
        table = build_html_table(headings, map(_spell_trial, self.trials))
        remarks = build_html_list([*self.find_aliases(), *self.find_undecidable()])
        return f"<p>{escape(self.describe())}</p>\n{table}\n{remarks}"


def _spell_trial(trial: PlannedTrial) -> tuple[str, ...]:
    """The cells below `HEADINGS`."""
    sizes = f"{trial.parameters:,}", f"{trial.train_images:,}"
    share = f"{trial.share.cpus:g}", f"{trial.share.gpus:g}", trial.engine
    return (trial.id, str(trial.fits), *sizes, *share, spell_seconds(trial.seconds * trial.fits))


def find_nodes() -> tuple[Node, ...]:
    """This machine as a node: the cores that this process may use, the GPUs that torch sees."""
    return ({"CPU": count_cpus(), "GPU": torch.cuda.device_count()},)


def find_gpu_names() -> tuple[str, ...]:
    """The GPUs of this machine."""
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def make_plan(
    study: Study,
    options: RunOptions,
    nodes: Sequence[Node] | None = None,
    known: Mapping[str, DataFacts] | None = None,
) -> Plan:
    """The plan of the trials that `options.only` selects; without `nodes` for this machine, measured for a moment.

    `known` are the facts of data sets that do not ship.

    Raises StudyError for a network that cannot be built, ResourceError for a device that is not there.
    """
    here = nodes is None
    if study.define:
        build_network_cost.cache_clear()  # the code of users may have changed in between
    found = find_nodes() if nodes is None else tuple(nodes)
    if options.device == "cuda" and not options.address and not torch.cuda.is_available():
        raise ResourceError(
            f"--device cuda: torch {torch.__version__} sees no GPU here (no driver, or a CPU build); leave it "
            "out, or write --device cpu"
        )
    cpus = 1.0 if options.cpus_per_trial is None else options.cpus_per_trial
    shares = Shares(cpus, _choose_gpu_share(options, found), options.device != "cpu")
    plan = Plan(study, build_planned_trials(study, shares, measure_machine_rates(), options.only, known), found)
    without = next((trial.id for trial in plan if not trial.share.gpus), None)
    if options.device == "cuda" and without and not (here and options.address):
        raise ResourceError(
            f"--device cuda: trial {without} holds no share of a GPU (gpus_per_trial is 0, or no node has one), so "
            "it would run on one that is not counted; give it a share such as --gpus-per-trial 0.1, or leave "
            "--device out"
        )
    return plan


def _choose_gpu_share(options: RunOptions, nodes: Sequence[Node]) -> float | GpuShare:
    """What a trial without a share of its own gets of a GPU: a number, or a rule by its memory."""
    if options.gpus_per_trial is not None:
        return options.gpus_per_trial
    node = max(nodes, key=lambda node: node.get("GPU", 0))
    if not node.get("GPU", 0) or options.device == "cpu":
        return 0.0
    if not torch.cuda.is_available():
        return 1.0 if options.address else 0.0  # this machine cannot ask how much memory the cluster's GPUs have
    memory = torch.cuda.get_device_properties(0).total_memory
    return lambda spec, cost: build_gpu_share(estimate_gpu_bytes(spec, cost), memory, node["GPU"], node["CPU"])
