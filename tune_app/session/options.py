"""How a study is run: what the command's options and the arguments of `run_study` both mean."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypedDict

from tune_app.errors import StudyError, choices
from tune_app.study.selection import parse_only

MOST_REPLICATES = 1000
_UNITS = {"h": 3600, "m": 60, "s": 1}
_CHOICES = {
    "executor": ("ray", "inline"),
    "device": ("auto", "cpu", "cuda"),
    "keep": ("none", "best"),
    "shard": ("auto", "trial", "fold"),
}


@dataclass(frozen=True)
class RunOptions:
    """Options of a run; StudyError for values that cannot be, all at once.

    `executor`: actors on Ray Tune, or this process. `address`: a Ray cluster to use instead of this machine;
    `mixed_versions` admits nodes of it that have other versions of torch, numpy, Python or this package. `device`:
    `auto` is a GPU for trials that hold a share of one. `cpus_per_trial`, `gpus_per_trial`: shares of a node (None: one
    core; a share of a GPU by predicted memory). `shard`: what runs by itself, a trial with all its folds or each fold;
    `auto` splits trials where slots would be idle at the end. `report_within`: seconds that a work item may report
    nothing before it is ended and run again (None: by what the plan predicts, at least 15 minutes). `keep`: `best`
    saves each trial's best network. `only`: factor → level. `fresh` starts over and keeps the old records beside the
    new ones. `same_code` states that changes of networks and data since the records were made make no difference;
    `rerun_changed` runs the fits again that they concern, or scores them anew where metrics alone have changed. `allow`
    are packages that references may lead to, besides modules beside the study. `continue_from`: a results folder whose
    records are taken over first. `pilot`: a results folder, and `assume_sd` a standard deviation of the scores, that
    the outlook goes by where the study has no records of its own. `runs`, `results`, `data`: where records, tables and
    unpacked data sets go. `until_decided` runs more replicates of what claims that are undecided need, up to
    `max_replicates` (None: 30), for as long as `budget` allows (seconds; None: no end). Fits that are predicted to take
    `checkpoint_after` seconds are kept after each epoch, so that an interruption costs an epoch. `dashboard`: whether
    Ray's page is started on this machine. `watch` serves the page of the running study to browsers of this machine, at
    `watch_port` (None: 8280) or the next port that is free. `command` is what a user types to resume.
    """

    executor: Literal["ray", "inline"] = "ray"
    address: str | None = None
    mixed_versions: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    shard: Literal["auto", "trial", "fold"] = "auto"
    report_within: float | None = None
    keep: Literal["none", "best"] = "none"
    only: Mapping[str, str] | None = None
    fresh: bool = False
    same_code: bool = False
    rerun_changed: bool = False
    allow: tuple[str, ...] = ()
    continue_from: Path | None = None
    pilot: Path | None = None
    assume_sd: float | None = None
    until_decided: bool = False
    budget: float | None = None
    max_replicates: int | None = None
    checkpoint_after: float = 600.0
    dashboard: bool = True
    watch: bool = False
    watch_port: int | None = None
    runs: Path = Path("runs")
    results: Path = Path("results")
    data: Path | None = None
    command: str = "the same call"

    def __post_init__(self) -> None:
        problems = [
            f"{name} {getattr(self, name)!r}{choices(str(getattr(self, name)), allowed)}"
            for name, allowed in _CHOICES.items()
            if getattr(self, name) not in allowed
        ]
        for name in ("cpus_per_trial", "gpus_per_trial"):
            share = getattr(self, name)
            is_number = isinstance(share, int | float) and not isinstance(share, bool)
            if share is not None and not (is_number and 0 <= share < float("inf")):
                spelled = f"{share:g}" if is_number else repr(share)
                problems.append(f"--{name.replace('_', '-')} {spelled}: a share must be 0 or more, such as 0.5 or 1")
        if self.runs.resolve() == self.results.resolve():
            problems.append(
                f"--runs and --results are both {self.runs}: tables would take the place of records; name two folders"
            )
        if self.assume_sd is not None and not 0 < self.assume_sd < float("inf"):
            problems.append(f"--assume-sd {self.assume_sd:g}: a standard deviation is above 0, such as 0.004")
        if not 0 <= self.checkpoint_after < float("inf"):
            problems.append(f"--checkpoint-after {self.checkpoint_after:g}: a time is 0 or more, such as 10m or 45s")
        if self.report_within is not None and not 0 < self.report_within < float("inf"):
            problems.append(f"--report-within {self.report_within:g}: a time is above 0, such as 30m, 2h or 90s")
        if self.mixed_versions and not self.address:
            problems.append("--mixed-versions is for the nodes of a cluster; add --address, or leave it out")
        if self.watch_port is not None and not 1 <= self.watch_port <= 65535:
            problems.append(f"--watch-port {self.watch_port}: a port is 1 to 65535, such as 8280")
        if self.watch_port is not None and not self.watch:
            problems.append("--watch-port is for --watch; add that, or leave it out")
        if problems := [*problems, *self._find_look_problems()]:
            raise StudyError(problems)

    def _find_look_problems(self) -> list[str]:
        problems = []
        given = {"--budget": self.budget, "--max-replicates": self.max_replicates}
        if not self.until_decided:
            problems += [f"{name} is for --until-decided; add that, or leave it out" for name in given if given[name]]
        elif self.only:
            problems.append("--until-decided runs what the claims need; leave --only out")
        if self.budget is not None and not 0 < self.budget < float("inf"):
            problems.append(f"--budget {self.budget:g}: a time is above 0, such as 2h, 90m or 45s")
        if self.max_replicates is not None and not 2 <= self.max_replicates <= MOST_REPLICATES:
            problems.append(f"--max-replicates {self.max_replicates}: choose 2 to {MOST_REPLICATES}")
        return problems


class OptionValues(TypedDict, total=False):
    """The options by name, as `run_study` takes them: those of `RunOptions`, with paths that may be texts."""

    executor: Literal["ray", "inline"]
    address: str | None
    mixed_versions: bool
    device: Literal["auto", "cpu", "cuda"]
    cpus_per_trial: float | None
    gpus_per_trial: float | None
    shard: Literal["auto", "trial", "fold"]
    report_within: float | str | None
    keep: Literal["none", "best"]
    fresh: bool
    same_code: bool
    rerun_changed: bool
    allow: Sequence[str]
    continue_from: str | Path | None
    pilot: str | Path | None
    assume_sd: float | None
    until_decided: bool
    budget: float | str | None
    max_replicates: int | None
    checkpoint_after: float | str
    dashboard: bool
    watch: bool
    watch_port: int | None
    runs: str | Path
    results: str | Path
    data: str | Path | None


def build_options(only: Mapping[str, Any] | str | None = None, **options: Any) -> RunOptions:
    """The options from plain values: paths may be texts, `only` a text such as `model=cnn,folds=4` or a mapping.

    Raises StudyError for an option that there is not, or a value that cannot be.
    """
    names = [option.name for option in fields(RunOptions) if option.name != "only"]
    unknown = [f"unknown option {name!r}{choices(name, names)}" for name in options if name not in names]
    if unknown:
        raise StudyError(unknown)
    for name in ("runs", "results", "data", "continue_from", "pilot"):
        if options.get(name) is not None:
            options[name] = Path(options[name])
    for name in ("budget", "checkpoint_after", "report_within"):
        if isinstance(options.get(name), str):
            options[name] = parse_time(options[name], f"--{name.replace('_', '-')}")
    options["allow"] = tuple(options.get("allow") or ())
    if isinstance(only, Mapping):
        only = ",".join(f"{factor}={level}" for factor, level in only.items())
    return RunOptions(only=None if only is None else parse_only(only), **options)


def parse_time(text: str, option: str) -> float:
    """Seconds from `2h`, `1h30m`, `45s` or a number of seconds; StudyError for anything else."""
    spelled = text.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", spelled)
    if parts and "".join(map("".join, parts)) == spelled:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    if re.fullmatch(r"\d+(\.\d+)?", spelled):
        return float(spelled)
    raise StudyError(f"{option} {text}: write a time such as 2h, 1h30m, 90m or 45s")
