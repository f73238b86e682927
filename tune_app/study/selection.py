"""A part of a grid: `--only model=cnn,folds=4`."""

from collections.abc import Mapping, Sequence

from tune_app.errors import StudyError, choices
from tune_app.study.expansion import GridTrial, resolve_levels
from tune_app.study.factors import FORMER_NAMES
from tune_app.study.protocol import parse_protocol
from tune_app.study.spec import TrialSpec


def parse_only(text: str) -> dict[str, str]:
    """`model=cnn,folds=4` → {"model": "cnn", "folds": "4"}; StudyError for anything else."""
    only = {}
    for part in text.split(","):
        factor, equals, level = (piece.strip() for piece in part.partition("="))
        if not equals or not level:
            raise StudyError(f"--only {text}: write factor=level,factor=level, such as model=cnn,folds=4")
        factor = FORMER_NAMES.get(factor, factor)
        if factor in only:
            raise StudyError(f"--only {text}: {factor} is named twice; name one level, or leave it out for all")
        if factor == "protocol":
            try:
                parse_protocol(level)
            except ValueError as error:
                raise StudyError(f"--only {text}: {error}") from None
        only[factor] = _spell(level)
    return only


def select_trials(trials: Sequence[GridTrial], only: Mapping[str, str] | None) -> list[GridTrial]:
    """The trials that have all levels of `only` (factor → level as `parse_only` spells it), in their order.

    Raises StudyError for a level that the grid lacks, or levels that do not occur together.
    """
    only = only or {}
    factors = [*trials[0].spec.condition, "replicate"]
    for factor, level in only.items():
        if factor not in factors:
            raise StudyError(f"--only: unknown factor {factor!r}{choices(factor, factors)}")
        if not any(_matches(trial.spec, {factor: level}) for trial in trials):
            levels = sorted({_spell(_build_levels(trial.spec)[factor]) for trial in trials})
            raise StudyError(f"--only: {factor} {level!r} is not in the grid{choices(level, levels)}")
    selected = [trial for trial in trials if _matches(trial.spec, only)]
    if not selected:
        wanted = ",".join(f"{name}={level}" for name, level in only.items())
        raise StudyError(f"--only {wanted}: no trial has all of these levels; see --dry-run for the trials there are")
    return selected


def _matches(spec: TrialSpec, only: Mapping[str, str]) -> bool:
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
