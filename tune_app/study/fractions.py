"""Regular two-level fractions 2^(k−p): their generators, their conditions, and which effects they cannot tell apart."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from tune_app.errors import StudyError

Effect = tuple[str, ...]  # the names of the components of a main effect or an interaction
RESOLUTIONS = (3, 4, 5)
LETTERS = "ABCDEFGH"
# Components → (resolution, generators) from the smallest fraction to the largest. Each has minimum aberration among the
# regular fractions of its size (Box, Hunter & Hunter 2005, table 6.22; Wu & Hamada 2009, appendix 5A).
FRACTIONS: dict[int, tuple[tuple[int, tuple[str, ...]], ...]] = {
    3: ((3, ("C=AB",)),),
    4: ((4, ("D=ABC",)),),
    5: ((3, ("D=AB", "E=AC")), (5, ("E=ABCD",))),
    6: ((3, ("D=AB", "E=AC", "F=BC")), (4, ("E=ABC", "F=BCD")), (6, ("F=ABCDE",))),
    7: ((3, ("D=AB", "E=AC", "F=BC", "G=ABC")), (4, ("E=ABC", "F=BCD", "G=ACD")), (7, ("G=ABCDEF",))),
    8: ((4, ("E=BCD", "F=ACD", "G=ABC", "H=ABD")), (5, ("G=ABCD", "H=ABEF"))),
}


def choose_generators(count: int, resolution: int) -> tuple[str, ...]:
    """The generators of the smallest fraction of `count` components whose resolution is at least the one asked.

    A is the first component, B the second. StudyError for a resolution or a number of components without a fraction.
    """
    if resolution not in RESOLUTIONS:
        allowed = ", ".join(map(str, RESOLUTIONS))
        raise StudyError(f"resolution {resolution}; a fractional design has resolution {allowed}")
    if count not in FRACTIONS:
        bounds = f"{min(FRACTIONS)} to {max(FRACTIONS)}"
        remedy = "use design: factorial" if count < min(FRACTIONS) else "use design: [leave-one-out, add-one-in]"
        raise StudyError(f"design fractional takes {bounds} components and has {count}; {remedy}")
    fitting = [generators for reached, generators in FRACTIONS[count] if reached >= resolution]
    if not fitting:
        highest = max(reached for reached, _ in FRACTIONS[count])
        raise StudyError(
            f"no fraction of {count} components has resolution {resolution}, the highest is {highest}; use "
            f"resolution: {highest}, or design: factorial with its {2**count} conditions"
        )
    return fitting[0]


def build_fraction(names: Sequence[str], generators: Sequence[str]) -> list[frozenset[str]]:
    """The components present in each condition of the fraction, all of them in the first."""
    free = len(names) - len(generators)
    conditions = []
    for signs in itertools.product((1, -1), repeat=free):
        by_letter = dict(zip(LETTERS, signs, strict=False))
        for generator in generators:
            letter, word = generator.split("=")
            by_letter[letter] = math.prod(by_letter[factor] for factor in word)
        present = [name for letter, name in zip(LETTERS, names, strict=False) if by_letter[letter] == 1]
        conditions.append(frozenset(present))
    return conditions


def group_aliases(names: Sequence[str], conditions: Iterable[frozenset[str]]) -> list[tuple[Effect, ...]]:
    """The main effects and two-way interactions, those together that the conditions cannot tell apart."""
    groups: dict[tuple[int, ...], list[Effect]] = {}
    planned = list(conditions)
    for effect in _list_effects(names):
        groups.setdefault(build_column(effect, planned), []).append(effect)
    return [tuple(group) for group in groups.values()]


def build_column(effect: Effect, conditions: Iterable[frozenset[str]]) -> tuple[int, ...]:
    """The effect's sign in each condition: the product over its components of 1 if present and −1 if not."""
    return tuple(math.prod(1 if name in present else -1 for name in effect) for present in conditions)


def find_aliases(names: Sequence[str], generators: Sequence[str]) -> list[str]:
    """A sentence for each group of main effects and two-way interactions that the fraction cannot tell apart."""
    groups = group_aliases(names, build_fraction(names, generators))
    return [
        f"{spell_effect(first)} is aliased with {' and '.join(map(spell_effect, rest))}"
        for first, *rest in groups
        if rest
    ]


def spell_effect(effect: Effect) -> str:
    """`norm` for a main effect, `norm:dropout` for an interaction."""
    return ":".join(effect)


def _list_effects(names: Sequence[str]) -> Iterator[Effect]:
    yield from ((name,) for name in names)
    yield from itertools.combinations(names, 2)
