"""Where fits ran: what a process depends on besides its study, and the environments that records name by a key.

`environment.json` has them by key under `environments`. Records of earlier versions name none: what is known of theirs
stands there under `unknown`, as `earlier`, the list of those that it may have been.
"""

import hashlib
import json
import platform
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tune_app
from tune_app.records.model import FoldRecord, Record

Environment = Mapping[str, Any]

UNKNOWN = "unknown"
DEPENDED = ("commit", "versions", "platform", "processor")  # what scores may depend on, and the key is a hash of
KEY_LENGTH = 10  # hexadecimal digits
_PACKAGES = ("torch", "torchvision", "ray", "numpy", "scipy", "scikit-learn", "pandas", "pydantic")


@lru_cache
def describe_here(commit: str | None) -> dict[str, Any]:
    """The environment of this process, whose source is at `commit`; `started` is when it was first asked for.

    The commit is an argument because a node of a cluster runs a copy of the source, which has none.
    """
    return {
        "commit": commit,
        "versions": read_versions(),
        "platform": platform.platform(),
        "processor": read_processor(),
        "host": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def build_key(environment: Environment) -> str:
    """A hash of what scores may depend on; neither of the host nor of the time."""
    return _hash({name: environment.get(name) for name in DEPENDED})


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def mark(record: Record, environment: Environment) -> Record:
    """A fold's record with the key of the environment that it was made in; an epoch's as it is."""
    return replace(record, environment=build_key(environment)) if isinstance(record, FoldRecord) else record


def build_environments(content: Environment | None) -> dict[str, Environment]:
    """The environments by key that an environment.json of this version or an earlier one speaks of."""
    if content and "environments" in content:
        return dict(content["environments"])
    earlier = list_distinct((content, *content.get("earlier", ()))) if content else []
    return {UNKNOWN: {"earlier": earlier}} if earlier else {}


def list_distinct(contents: Iterable[Environment]) -> list[Environment]:
    """What scores may depend on, and when each was `finished`, of those that say it; equal ones are named once."""
    found: dict[str, Environment] = {}
    for content in contents:
        if content.get("versions"):
            brief = {name: content.get(name) for name in ("finished", *DEPENDED)}
            found.setdefault(build_key(brief), brief)
    return list(found.values())


def locate(record: FoldRecord, environments: Mapping[str, Environment]) -> tuple[str, tuple[Environment, ...]]:
    """The key of the environment that the fit ran in, and what is known of it.

    Those are several where it was not recorded which of them it was; the key is then `unknown`. None is known where the
    environment.json is lost.
    """
    named = environments.get(record.environment or UNKNOWN, {})
    candidates = tuple(named.get("earlier", (named,) if named else ()))
    if record.environment:
        return record.environment, candidates
    return build_key(candidates[0]) if len(candidates) == 1 else UNKNOWN, candidates


def check_environment(content: Any) -> None:
    """Raise ValueError, with the place, for a content of environment.json that no version of this package writes."""
    _check_whole(content, "it", ())
    for run in content.get("earlier", []):
        _check_whole(run, "an earlier run", ())
    named = content.get("environments", {})
    if not isinstance(named, dict):
        raise ValueError("environments is no mapping")
    for key, one in named.items():
        _check_whole(
            one, f"environment {key!r}", () if isinstance(one, dict) and "earlier" in one else ("versions", "processor")
        )
        for each in one.get("earlier", [one]):
            _check_whole(each, f"environment {key!r}", ("versions", *(("started",) if each.get("host") else ())))


def _check_whole(content: Any, what: str, needed: Iterable[str]) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{what} is no mapping")
    for name in needed:
        if name not in content:
            raise ValueError(f"{what} has no {name}")
    for name, value in content.items():
        if name == "environments":
            continue
        if name in ("versions", "modules") and not isinstance(value, dict | None):
            raise ValueError(f"{what}: {name} is no mapping")
        if name == "earlier" and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
            raise ValueError(f"{what}: {name} is no list of runs")
        parts = value if isinstance(value, list) else [value]
        inner = [part for each in parts for part in (each.values() if isinstance(each, dict) else (each,))]
        if name != "earlier" and not all(isinstance(part, str | int | float | None) for part in inner):
            raise ValueError(f"{what}: {name} holds more than texts and numbers")
    versions = content.get("versions") or {}
    if not all(isinstance(number, str) for number in versions.values()):
        raise ValueError(f"{what}: versions are texts")


def adopt(records: Iterable[Record], content: Environment | None) -> tuple[list[Record], dict[str, Environment]]:
    """Records that leave a folder, whose environment.json is `content`: each with a key, and what the keys stand for.

    Where the folder names several environments and a record none, its key begins with `unknown-`.
    """
    environments = build_environments(content)
    adopted: list[Record] = []
    found: dict[str, Environment] = {}
    for record in records:
        if isinstance(record, FoldRecord):
            key, candidates = locate(record, environments)
            if key == UNKNOWN:
                key = f"{UNKNOWN}-{_hash(list(map(build_key, candidates)))}"
            if candidates:
                found[key] = environments.get(key) or (
                    candidates[0] if len(candidates) == 1 else {"earlier": list(candidates)}
                )
            record = replace(record, environment=key)
        adopted.append(record)
    return adopted, found


def read_versions() -> dict[str, str]:
    """The versions of this package, of Python, and of what is installed of the packages that scores come from."""
    found = {"tune_app": tune_app.__version__, "python": platform.python_version()}
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
