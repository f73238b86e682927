"""What a measurement depended on besides the code: hardware, versions, commit, command."""

import os
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from tune_app.records.environments import read_commit, read_processor
from tune_app.session.environment import count_cpus

PACKAGES = ("torch", "torchvision", "ray", "scikit-learn", "skorch", "lightning", "numpy")


def build_machine(module: str) -> dict[str, Any]:
    """Facts for the head of a table; `module` is the command's own name."""
    versions = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": read_commit(),
        "processor": read_processor(),
        "cores": count_cpus(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": versions,
    }


def build_machine_lines(machine: dict[str, Any]) -> list[str]:
    """Markdown lines on hardware, versions and command."""
    gpus = ", ".join(machine["gpus"])
    threads = machine["omp_num_threads"]
    return [
        f"- Hardware: {machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB of "
        f"memory; GPUs: {gpus or 'none'}",
        "- Versions: " + ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
        f"- Command: `{machine['command']}`, commit {machine['commit']}, started {machine['started']}"
        + (f"; OMP_NUM_THREADS={threads} was set" if threads else ""),
    ]
