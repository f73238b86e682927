"""What follows from a thing that never changes, found once: every table asks for it again."""

import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Source = TypeVar("Source")
Found = TypeVar("Found")


def once(build: Callable[[Source], Found]) -> Callable[[Source], Found]:
    """`build`, called once for each source, a study or its results; what it found goes when the source goes.

    Sources are told apart by what they are, not by what they hold. What is found is shared by all who ask: nobody may
    change it, and it must not hold the source itself.
    """
    known: dict[int, tuple[weakref.ref[Any], Found]] = {}

    @functools.wraps(build)
    def find(source: Source) -> Found:
        key = id(source)
        kept = known.get(key)
        if kept is not None and kept[0]() is source:
            return kept[1]
        found = build(source)
        known[key] = (weakref.ref(source, lambda _: known.pop(key, None)), found)
        return found

    return find
