"""What a run depended on besides the study: versions, commit, devices, command."""

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tune_app
from tune_app.study import Study

_PACKAGES = ("torch", "torchvision", "ray", "numpy", "scipy", "scikit-learn", "pandas", "pydantic")


_SOURCE = ("commit", "versions", "platform", "processor")  # what a record may depend on besides its trial


def build_environment(
    study: Study,
    command: str,
    nodes: Sequence[Mapping[str, float]] = (),
    gpus: Sequence[str] = (),
    earlier: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The content of `environment.json`; `nodes` gives each node's CPUs and GPUs, `gpus` the names of those here.

    `earlier` are the environments of runs whose records this one continues; each that differs is named once.
    """
    current = _describe_here(study, command, nodes, gpus)
    named: list[dict[str, Any]] = []
    for content in (part for whole in earlier for part in (*whole.get("earlier", ()), whole)):
        brief = {name: content.get(name) for name in ("finished", *_SOURCE)}
        if not any(all(brief[name] == other.get(name) for name in _SOURCE) for other in (current, *named)):
            named.append(brief)
    return current | ({"earlier": named} if named else {})


def _describe_here(
    study: Study, command: str, nodes: Sequence[Mapping[str, float]], gpus: Sequence[str]
) -> dict[str, Any]:
    return {
        "command": command,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": study.seed,
        "commit": read_commit(),
        "versions": {"tune_app": tune_app.__version__, "python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "processor": read_processor(),
        "nodes": [{"cpus": node.get("CPU", 0), "gpus": node.get("GPU", 0)} for node in nodes],
        "gpus": list(gpus),
    }


def count_cpus() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0))


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_commit() -> str | None:
    """The commit of the source, with `+changes` if the source differs from it; None outside a checkout.

    Results that a study has written over are no change of the source.
    """
    root = Path(__file__).resolve().parents[2]
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return None  # installed below somebody else's checkout
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
        return head + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def read_processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
