"""The settings of an audit: conditions that differ in their protocol alone, and the pairs that isolate a defect."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tune_app.analysis.labels import build_row_label
from tune_app.analysis.sides import Condition
from tune_app.records.results import Results
from tune_app.study import Study, TrialSpec
from tune_app.study.protocol import AS_REPORTED, SOUND, build_protocol, spell_protocol

REMOVED, ADDED, SHARED = "taken away from as-reported", "put into sound", "share of the gap"
WHOLE = "all", "all at once"


@dataclass(frozen=True)
class Setting:
    """The conditions of a study that differ in their protocol alone, by its name."""

    conditions: dict[str, Condition]

    @property
    def spec(self) -> TrialSpec:
        return next(iter(self.conditions.values()))[0]


def group_by_protocol(study: Study) -> list[dict[str, Condition]]:
    """The conditions that differ in their protocol alone, by its name, in the order of the study."""
    groups: dict[tuple[Any, ...], dict[str, Condition]] = {}
    for specs in study.conditions():
        levels = specs[0].condition
        protocol = levels.pop("protocol")
        groups.setdefault(tuple(levels.values()), {})[protocol] = specs
    return list(groups.values())


def find_settings(results: Results) -> list[Setting]:
    """The settings that hold both the sound protocol and others, in the order of the study."""
    return [Setting(group) for group in group_by_protocol(results.study) if SOUND in group and len(group) > 1]


def find_pairs(setting: Setting) -> Iterator[tuple[str, str, tuple[Condition, Condition]]]:
    """(defect, way, (without it, with it)); first the two protocols as wholes."""
    named, regularizer = setting.conditions, setting.spec.regularizer
    if AS_REPORTED in named:
        yield *WHOLE, (named[SOUND], named[AS_REPORTED])
    everything = build_protocol(AS_REPORTED, regularizer)
    for defect in everything:
        without = spell_protocol([d for d in everything if d != defect], regularizer)
        if AS_REPORTED in named and without in named:
            yield defect, REMOVED, (named[without], named[AS_REPORTED])
        if defect in named:
            yield defect, ADDED, (named[SOUND], named[defect])


def describe_setting(results: Results, setting: Setting) -> dict[str, Any]:
    """The columns of audit.csv that name the setting."""
    spec = setting.spec
    return {
        "setting": build_row_label(spec, results.study, leave_out=("protocol",)),
        "model": spec.model,
        "regularizer": spec.regularizer,
        "folds": spec.folds,
        "train_images": spec.train_images,
        "batch_size": spec.recipe.batch_size,
    }
