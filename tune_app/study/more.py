"""Replicates beyond those of the grid: what a study that runs until it is decided has run of some conditions."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from tune_app.study.factors import Frozen, Level, Replicates


class MoreReplicates(Frozen):
    """So many replicates of every condition with these levels, if the grid asks for fewer.

    They come after those of the grid, whose ids stay as they are.
    """

    levels: dict[str, Level] = Field(min_length=1)
    replicates: Replicates


def join_more(former: Sequence[Mapping[str, Any]], later: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Both lists as one, as a study file has them: of equal levels the larger number of replicates."""
    found: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for each in (*former, *later):
        key = tuple(sorted((name, repr(level)) for name, level in each["levels"].items()))
        known = found.setdefault(key, {"levels": dict(each["levels"]), "replicates": 0})
        known["replicates"] = max(known["replicates"], each["replicates"])
    return tuple(found.values())
