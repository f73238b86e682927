"""What each defect of a protocol costs: taken away from the protocol as reported, put into the sound one.

Every number is a contrast of test accuracy between two conditions of the study that differ in their protocol alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tune_app.analysis.contrasts import Contrast, build_contrast
from tune_app.analysis.frames import find_reported
from tune_app.analysis.labels import build_row_label
from tune_app.analysis.metrics import build_replicate_scores
from tune_app.analysis.sides import Condition, Side
from tune_app.analysis.t_tests import LEVEL, TTest, build_sum_t_test, run_sign_test
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study import Study, TrialSpec
from tune_app.study.protocol import AS_REPORTED, SOUND, build_protocol, spell_protocol

Accuracies = NDArray[np.float64]  # (replicate,)
REMOVED, ADDED = "taken away from as-reported", "put into sound"
WHOLE = "all", "all at once"
SIGN_TEST_FROM = 6  # replicates: the sign test of fewer cannot reach 5%
EQUAL = 1e-12  # accuracies that differ by less are the same
NUMBERS = (
    "accuracy_without",
    "accuracy_with",
    "cost",
    "ci95_low",
    "ci95_high",
    "cost_median",
    "share_of_gap",
    "share_of_reported_gap",
    "replicates_lower_with",
    "replicates_higher_with",
    "replicates_equal",
    "p_sign",
    "replicates_above_half",
    "replicates_below_half",
    "p_half",
)
# What taking a defect away is shown to explain (column `explains`).
MOST = "more than half of the gap"
PART = "a part of the gap"
MINOR = "a part of the gap, less than half"
LITTLE = "less than half of the gap, if any"
WORSE = "nothing: it raises the score"
UNDECIDED, NO_GAP = "undecided", "undecided, for the gap itself is not shown"


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


def build_audit(results: Results) -> pd.DataFrame:
    """One row per setting and defect, each way of isolating it; the columns are in docs/results.md.

    `cost` is how much test accuracy the defect takes (positive: it makes the score worse).
    """
    rows = [
        _build_row(results, setting, gap, defect, way, pair)
        for setting in find_settings(results)
        for gap in [_find_gap(results, setting)]
        for defect, way, pair in _find_pairs(setting)
    ]
    frame = pd.DataFrame(rows)
    counts = [name for name in NUMBERS if name.startswith("replicates_")]
    return frame.astype(dict.fromkeys(counts, "Int64")) if rows else frame


def _find_pairs(setting: Setting) -> Iterator[tuple[str, str, tuple[Condition, Condition]]]:
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


def _build_row(
    results: Results, setting: Setting, gap: int, defect: str, way: str, pair: tuple[Condition, Condition]
) -> dict[str, Any]:
    """`gap` as `_find_gap` gives it."""
    spec = setting.spec
    row: dict[str, Any] = {
        "setting": build_row_label(spec, results.study, leave_out=("protocol",)),
        "model": spec.model,
        "regularizer": spec.regularizer,
        "folds": spec.folds,
        "train_images": spec.train_images,
        "batch_size": spec.recipe.batch_size,
        "replicates_without": len(pair[0]),
        "replicates_with": len(pair[1]),
        "defect": defect,
        "way": way,
    }
    row |= dict.fromkeys(NUMBERS) | {"explains": ""}
    contrast = _contrast(results, *pair)
    if isinstance(contrast, str):
        return row | {"method": "", "reason": contrast}
    row |= {"accuracy_without": contrast.means[0], "accuracy_with": contrast.means[1], "cost": contrast.effect}
    if contrast.test:
        row["ci95_low"], row["ci95_high"] = contrast.test.interval
    without, having = (build_replicate_scores(results, specs) for specs in pair)
    differences: Accuracies | None = None
    if (defect, way) == WHOLE:
        # The sound scores scatter little beside a gap: for the count of signs their mean stands for them.
        differences = without.mean() - having
    elif contrast.independent:
        differences = without - having
    if differences is not None:
        row["cost_median"] = float(np.median(differences))
        row |= _test_signs(differences, ("replicates_lower_with", "replicates_higher_with", "p_sign"))
        row["replicates_equal"] = int(np.sum(np.abs(differences) < EQUAL))
    if gap > 0:
        row |= _build_shares(results, setting, contrast.effect)
    if way == REMOVED:
        row |= _explain(results, setting, contrast, without, having) if gap > 0 else {"explains": NO_GAP}
    return row | {"method": contrast.method, "reason": contrast.reason}


def _count_signs(values: Accuracies) -> tuple[int, int]:
    """How many are positive and how many negative; those that are neither count nowhere, as the sign test has it."""
    return int(np.sum(values >= EQUAL)), int(np.sum(values <= -EQUAL))


def _test_signs(values: Accuracies, names: tuple[str, str, str]) -> dict[str, Any]:
    """The two counts and the sign test's p under `names`."""
    counts = _count_signs(values)
    return dict(zip(names, (*counts, run_sign_test(*counts)), strict=True))


def _build_shares(results: Results, setting: Setting, cost: float) -> dict[str, float]:
    """What `cost` is of the gap between as-reported and sound, and of that between the reported figure and sound."""
    sound, whole = (
        build_replicate_scores(results, setting.conditions[name]).mean()  # a gap was found, so both have scores
        for name in (SOUND, AS_REPORTED)
    )
    shares = {"share_of_gap": cost / (sound - whole)}
    reported = find_reported(results, setting.spec)
    if reported and abs(sound - reported.test_accuracy) > EQUAL:
        shares["share_of_reported_gap"] = cost / (sound - reported.test_accuracy)
    return shares


def _find_gap(results: Results, setting: Setting) -> int:
    """1 if the protocol as reported is shown to lower the score, -1 if it raises it, 0 if either may be."""
    if AS_REPORTED not in setting.conditions:
        return 0
    contrast = _contrast(results, setting.conditions[SOUND], setting.conditions[AS_REPORTED])
    if isinstance(contrast, str):
        return 0
    sound, whole = (build_replicate_scores(results, setting.conditions[name]) for name in (SOUND, AS_REPORTED))
    return find_direction(sound.mean() - whole, contrast.test)


def _explain(
    results: Results, setting: Setting, contrast: Contrast, without: Accuracies, having: Accuracies
) -> dict[str, Any]:
    """Which part of the gap the defect explains: direction and size by one rule, that of `find_direction`.

    The size is what taking the defect away gains beyond half of the gap, in each replicate
    without − with − (sound − with) / 2.
    """
    sound = build_replicate_scores(results, setting.conditions[SOUND])
    numbers: dict[str, Any] = {}
    gains = excess = None
    parts = [without, -having / 2, -sound / 2]
    if contrast.independent:
        gains = without - having
        excess = gains - (sound.mean() - having) / 2
        numbers = _test_signs(excess, ("replicates_above_half", "replicates_below_half", "p_half"))
        parts = [without - having / 2, -sound / 2]
    direction = find_direction(gains, contrast.test)
    size = find_direction(excess, build_sum_t_test(parts) if min(map(len, parts)) > 1 else None)
    if direction < 0:
        explains = WORSE
    elif direction > 0:
        explains = {1: MOST, 0: PART, -1: MINOR}[size]
    else:
        explains = LITTLE if size < 0 else UNDECIDED
    return numbers | {"explains": explains}


def find_direction(values: Accuracies | None, test: TTest | None) -> int:
    """1 if an effect is shown to be positive, -1 if negative, 0 if either may be; `values` (replicate,) are its own.

    From six independent replicates on by the sign test: a score that collapses in one of them, as those without their
    batch-norm layer do, stretches a t interval beyond use, and changes one sign. With fewer, or without independent
    replicates (None), by the 95% interval of the t-test.
    """
    positive, negative = (0, 0) if values is None else _count_signs(values)
    if positive + negative >= SIGN_TEST_FROM:
        return int(np.sign(positive - negative)) if run_sign_test(positive, negative) < 1 - LEVEL else 0
    if test is None or not test.standard_error:
        return 0
    low, high = test.interval
    return int(low > 0) - int(high < 0)


def _contrast(results: Results, first: Condition, second: Condition) -> Contrast | str:
    try:
        return build_contrast([(Side(results, first), Side(results, second))], "test_accuracy")
    except RefusedError as refusal:
        return str(refusal)


def build_waterfall(audit: pd.DataFrame) -> pd.DataFrame:
    """Steps from the protocol as reported to the sound one, for the audit's first setting, in percentage points.

    Columns step, points, ci95_low, ci95_high, kind (`total` or `change`); `attrs["setting"]` names the setting. Defects
    taken away one at a time need not add up to the whole: the rest of the way is a step of its own.
    """
    rows = audit[(audit["setting"] == audit["setting"].iloc[0]) & audit["cost"].notna()].to_dict("records")
    whole = next((row for row in rows if (row["defect"], row["way"]) == WHOLE), None)
    if whole is None:
        return pd.DataFrame()
    removed = [row for row in rows if row["way"] == REMOVED]
    rest = whole["cost"] - sum(row["cost"] for row in removed)
    steps = [
        ("as reported", whole["accuracy_with"], None, None, "total"),
        *((f"without {row['defect']}", row["cost"], row["ci95_low"], row["ci95_high"], "change") for row in removed),
        ("all the rest, and what they do together", rest, None, None, "change"),
        ("sound", whole["accuracy_without"], None, None, "total"),
    ]
    frame = pd.DataFrame(steps, columns=["step", "points", "ci95_low", "ci95_high", "kind"])
    frame[["points", "ci95_low", "ci95_high"]] = frame[["points", "ci95_low", "ci95_high"]].astype(float) * 100
    frame.attrs["setting"] = whole["setting"]
    return frame
