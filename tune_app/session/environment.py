"""What a run depended on besides the study: versions, commit, devices, command."""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from tune_app.records.environments import DEPENDED, Environment, describe_here, read_commit
from tune_app.study import Study


def build_environment(
    study: Study,
    command: str,
    nodes: Sequence[Mapping[str, float]] = (),
    gpus: Sequence[str] = (),
    earlier: Iterable[Mapping[str, Any]] = (),
    environments: Mapping[str, Environment] | None = None,
    differing: Sequence[str] = (),
    timing: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The content of `environment.json`; `nodes` gives each node's CPUs and GPUs, `gpus` the names of those here.

    `earlier` are the environments of runs whose records this one continues; each that differs is named once.
    `environments` are those that records name, by key, `differing` sentences on nodes of other versions that a user has
    admitted. `timing` has the seconds of the last run's start and fits, and those that were predicted.
    """
    current = _describe_here(study, command, nodes, gpus)
    named: list[dict[str, Any]] = []
    for content in (part for whole in earlier for part in (*whole.get("earlier", ()), whole)):
        brief = {name: content.get(name) for name in ("finished", *DEPENDED)}
        if not any(all(brief[name] == other.get(name) for name in DEPENDED) for other in (current, *named)):
            named.append(brief)
    # Always there: without it, records that name no environment would be taken for this run's.
    said: dict[str, Any] = {"mixed_versions": list(differing)} if differing else {}
    said |= {"timing": timing} if timing else {}
    return current | said | ({"earlier": named} if named else {}) | {"environments": dict(environments or {})}


def _describe_here(
    study: Study, command: str, nodes: Sequence[Mapping[str, float]], gpus: Sequence[str]
) -> dict[str, Any]:
    here = describe_here(read_commit())
    return {
        "command": command,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": study.seed,
        **{name: here[name] for name in DEPENDED},
        "nodes": [{"cpus": node.get("CPU", 0), "gpus": node.get("GPU", 0)} for node in nodes],
        "gpus": list(gpus),
    }


def count_cpus(system: Path = Path("/")) -> int:
    """The cores this process may use: those it is bound to, or fewer where its control group has a quota of time."""
    quota = min(_read_quotas(system), default=float("inf"))
    return max(1, int(min(len(os.sched_getaffinity(0)), quota)))  # half a core is none for a trial of its own


def _read_quotas(system: Path) -> list[float]:
    """The cores' time that each control group allows this process, as far as any says: of both versions of them."""
    found = []
    with contextlib.suppress(OSError):
        for line in (system / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            own = PurePosixPath(path.lstrip("/"))
            # In a container the path may be that outside, which is not there: the container's own group is the root.
            found += [_read_quota(system / "sys/fs/cgroup" / controllers / group) for group in (own, *own.parents)]
    return [quota for quota in found if quota]


def _read_quota(group: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        else:
            names = "cpu.cfs_quota_us", "cpu.cfs_period_us"
            quota, period = ((group / name).read_text(encoding="utf-8") for name in names)
        if quota != "max" and int(quota) > 0:
            return int(quota) / int(period)
    return None
