"""A part of a grid: `--only model=cnn,folds=4`."""

from collections.abc import Mapping

from tune_app.errors import StudyError, choices
from tune_app.study import FACTORS, TrialSpec, resolve_levels
from tune_app.study.protocol import parse_protocol


def parse_only(text: str) -> dict[str, str]:
    """`model=cnn,folds=4` → {"model": "cnn", "folds": "4"}; StudyError for anything else."""
    only = {}
    for part in text.split(","):
        factor, equals, level = (piece.strip() for piece in part.partition("="))
        if not equals or not level:
            raise StudyError(f"--only {text}: write factor=level,factor=level, such as model=cnn,folds=4")
        if factor not in (*FACTORS, "replicate"):
            raise StudyError(f"--only {text}: unknown factor {factor!r}{choices(factor, (*FACTORS, 'replicate'))}")
        if factor in only:
            raise StudyError(f"--only {text}: {factor} is named twice; name one level, or leave it out for all")
        if factor == "protocol":
            try:
                parse_protocol(level)
            except ValueError as error:
                raise StudyError(f"--only {text}: {error}") from None
        only[factor] = _spell(level)
    return only


def check_only(only: Mapping[str, str], specs: list[TrialSpec]) -> None:
    for factor, level in only.items():
        if not any(matches(spec, {factor: level}) for spec in specs):
            levels = sorted({_spell(_build_levels(spec)[factor]) for spec in specs})
            raise StudyError(f"--only: {factor} {level!r} is not in the grid{choices(level, levels)}")


def matches(spec: TrialSpec, only: Mapping[str, str]) -> bool:
    """Whether the trial has the levels, spelled as `parse_only` spells them."""
    levels = _build_levels(spec)
    return all(_spell(levels[factor]) == level for factor, level in resolve_levels(only, spec.condition).items())


def _build_levels(spec: TrialSpec) -> dict[str, object]:
    return {**spec.condition, "replicate": spec.replicate}


def _spell(level: object) -> str:
    """One spelling for a level, so that `0.1`, `.1` and `1e-1` are the same."""
    try:
        return f"{float(str(level)):g}"
    except ValueError:
        return str(level)
