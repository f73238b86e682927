"""What a trial is called where it is watched: its varying levels, in a study's own words, before the hash of its id."""

import re
from collections.abc import Mapping
from typing import Any

from tune_app.study.expansion import ExpandedStudy
from tune_app.study.factors import FACTORS

# Levels that say what they are by themselves; of the others the factor is named too, as `--only` spells it.
SPEAK_FOR_THEMSELVES = ("model", "data", "regularizer", "protocol", "optimizer", "precision")

LONGEST = 160  # bytes; file systems take 255, and folds have a part of their own
_PATH = re.compile(r"^\.+|[/\\\x00-\x1f\x7f]")  # what would lead elsewhere, or is no name


def build_trial_names(study: ExpandedStudy) -> dict[str, str]:
    """Trial's id → name, such as `cnn-dropout-folds=4-r0-1f0c5a7e`: its model, what varies in the study, its hash.

    A name is fit for a folder. Names of different trials differ, as their hashes do.
    """
    varying = study.varying_factors()
    replicates = any(trial.spec.replicate for trial in study.grid_trials())
    names = {}
    for trial in study.grid_trials():
        spec = trial.spec
        levels = spec.condition
        told = [factor for factor in varying if factor != "model" and (factor in FACTORS or levels[factor] is not None)]
        parts = [_spell(factor, levels) for factor in told]
        replicate = [f"r{spec.replicate}"] if replicates else []
        digest = spec.id.rpartition("-")[2]
        head = _PATH.sub("-", "-".join([spec.model, *parts, *replicate])).encode(errors="replace")[:LONGEST]
        names[spec.id] = f"{head.decode(errors='ignore')}-{digest}"
    return names


def _spell(factor: str, condition: Mapping[str, Any]) -> str:
    level = condition[factor]
    text = "all" if level is None else f"{level:g}" if isinstance(level, float) else str(level).replace(" ", "-")
    return text if factor in SPEAK_FOR_THEMSELVES else f"{factor}={text}"
