"""Ablation designs: components with two sides each, and which of them are present in the conditions of a design."""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tune_app.errors import StudyError, choices
from tune_app.study.fractions import build_fraction, choose_generators

Design = Literal["factorial", "leave-one-out", "add-one-in", "one-at-a-time", "fractional"]
DESIGNS: tuple[str, ...] = get_args(Design)
MAX_FACTORIAL = 6  # components, so 64 conditions
SIDES = ("with", "without")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
WRITE = "write NAME: {with: LEVEL, without: LEVEL}"
Levels = Mapping[str, Any]


@dataclass(frozen=True)
class Component:
    """What a design takes out or puts in: the factors' levels with it, and their levels without it.

    A factor that one side alone names is left to the grid entry or the recipe on the other.
    """

    name: str
    with_: Levels
    without: Levels

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.with_, *self.without)))


def read_components(content: object) -> dict[str, Component]:
    """The components of a grid entry by name, in the order given; StudyError with everything that is wrong with them.

    `content` maps a name to its sides `with` and `without`. A side that is one level sets the factor of that name.
    """
    if not isinstance(content, Mapping) or not content:
        raise StudyError(f"components {content!r}; one or more are needed: {WRITE}")
    problems: list[str] = []
    components: dict[str, Component] = {}
    for name, sides in content.items():
        found = list(_find_problems(name, sides))
        problems += [f"component {name}: {problem}" for problem in found]
        if not found:
            components[name] = Component(name, _read_side(name, sides["with"]), _read_side(name, sides["without"]))
    problems += _find_shared(components)
    if problems:
        raise StudyError(problems)
    return components


def _find_problems(name: Any, sides: Any) -> Iterator[str]:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield "a name is 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit; rename it"
        return
    if not isinstance(sides, Mapping):
        yield f"{sides!r} has no two sides; {WRITE}"
        return
    for key in sides:
        if isinstance(key, bool):
            yield f"the key {key} is what YAML makes of on, off, yes and no; the sides are called with and without"
        elif key not in SIDES:
            yield f"unknown side {str(key)!r}{choices(str(key), SIDES)}"
    for side in SIDES:
        if sides.get(side) is None:
            yield f"the side {side!r} is missing; {WRITE}"
        else:
            yield from _find_side_problems(side, sides[side])
    if all(sides.get(side) is not None for side in SIDES):
        first, second = (_spell_types(_read_side(name, sides[side])) for side in SIDES)
        if first == second:
            yield f"both sides are {sides['with']!r}, so there is nothing to compare; give without another level"


def _find_side_problems(side: str, levels: Any) -> Iterator[str]:
    if isinstance(levels, Mapping) and not levels:
        yield f"the side {side!r} sets no factor; name one or more with their levels"
    for factor, level in levels.items() if isinstance(levels, Mapping) else [(None, levels)]:
        if isinstance(levels, Mapping) and not isinstance(factor, str):
            yield f"{side}: {factor!r} is no name of a factor; quote it"
        if not isinstance(level, str | bool | int | float):
            place = side if factor is None else f"{side}: {factor}"
            yield f"{place}: a level is a name or a number, not {level!r}"


def _spell_types(levels: Levels) -> dict[str, tuple[bool, Any]]:
    """The levels so that true and 1 differ, which Python holds to be equal, and 1 and 1.0 do not."""
    return {factor: (isinstance(level, bool), level) for factor, level in levels.items()}


def _read_side(name: str, levels: Any) -> dict[str, Any]:
    return dict(levels) if isinstance(levels, Mapping) else {name: levels}


def _find_shared(components: Mapping[str, Component]) -> list[str]:
    return [
        f"components {first.name} and {second.name} both set {', '.join(shared)}; a factor belongs to one component"
        for first, second in itertools.combinations(components.values(), 2)
        if (shared := [factor for factor in first.factors if factor in second.factors])
    ]


def build_levels(components: Mapping[str, Component], present: Collection[str]) -> dict[str, Any]:
    """The levels of the condition that has the components `present` and is without the others."""
    levels: dict[str, Any] = {}
    for name, component in components.items():
        levels |= component.with_ if name in present else component.without
    return levels


def build_conditions(
    design: str | Sequence[str], components: Collection[str], resolution: int = 4
) -> list[frozenset[str]]:
    """The components present in each condition; several designs give the conditions of each, none of them twice.

    `components` are names, or a mapping by name. The full system comes first, but for designs that start from the base,
    which has none. `resolution` is the least that a fractional design must have. StudyError for an unknown design, for
    names listed twice, or for a number of components that the design does not take.
    """
    names, designs = tuple(components), (design,) if isinstance(design, str) else tuple(design)
    problems = [f"unknown design {name!r}{choices(str(name), DESIGNS)}" for name in designs if name not in DESIGNS]
    problems += [f"design {name} is listed twice; list it once" for name in _find_repeated(designs)]
    problems += [f"component {name} is listed twice; list it once" for name in _find_repeated(names)]
    if not designs:
        problems.append(f"an empty list of designs; choose from {', '.join(DESIGNS)}")
    if not names:
        problems.append(f"a design without components; {WRITE}")
    if problems:
        raise StudyError(problems)
    conditions = [present for name in designs for present in _build_design(name, names, resolution)]
    return list(dict.fromkeys(conditions))


def _find_repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _build_design(design: str, names: tuple[str, ...], resolution: int) -> list[frozenset[str]]:
    full, base = frozenset(names), frozenset[str]()
    if design == "leave-one-out":
        return [full, *(full - {name} for name in names)]
    if design in ("add-one-in", "one-at-a-time"):
        return [base, *(frozenset({name}) for name in names)]
    if design == "fractional":
        return build_fraction(names, choose_generators(len(names), resolution))
    if len(names) > MAX_FACTORIAL:
        raise StudyError(
            f"design factorial takes up to {MAX_FACTORIAL} components ({2**MAX_FACTORIAL} conditions) and has "
            f"{len(names)} ({2 ** len(names):,}); use design: fractional, or [leave-one-out, add-one-in]"
        )
    sizes = range(len(names), -1, -1)
    return [frozenset(present) for size in sizes for present in itertools.combinations(names, size)]


def spell_present(present: Collection[str], components: Collection[str]) -> str:
    """`full`, `base`, `full without norm` or `base + norm + dropout`."""
    there = [name for name in components if name in present]
    missing = [name for name in components if name not in present]
    if not missing:
        return "full"
    if len(missing) == 1 and len(there) > 1:
        return f"full without {missing[0]}"
    return " + ".join(["base", *there])
