"""What each defect of a protocol costs: taken away from the protocol as reported, put into the sound one.

Every number is a contrast of test accuracy between two conditions of the study that differ in their protocol alone;
the sentences are made from the numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tune_app.analysis.contrasts import Condition, Contrast, Side, build_contrast
from tune_app.analysis.frames import build_row_label
from tune_app.analysis.metrics import RefusedError, build_scores
from tune_app.analysis.results import Reported, Results
from tune_app.analysis.t_tests import LEVEL, run_sign_test
from tune_app.protocol import AS_REPORTED, SOUND, build_protocol, spell_protocol
from tune_app.study import TrialSpec

REMOVED, ADDED = "taken away from as-reported", "put into sound"
REPLICAS, SKIPS = "replica-statistics", "test-skips-layers"
WHOLE = "all", "all at once"
SIGN_TEST_FROM = 6  # replicates: the sign test of fewer cannot reach 5%
NUMBERS = (
    "accuracy_without",
    "accuracy_with",
    "cost",
    "ci95_low",
    "ci95_high",
    "share_of_gap",
    "replicates_lower_with",
    "replicates_higher_with",
    "p_sign",
)
Rows = dict[tuple[str, str], dict[Any, Any]]  # (defect, way) → the audit's row


@dataclass(frozen=True)
class Setting:
    """The conditions of a study that differ in their protocol alone, by its name."""

    conditions: dict[str, Condition]

    @property
    def spec(self) -> TrialSpec:
        return next(iter(self.conditions.values()))[0]


def find_settings(results: Results) -> list[Setting]:
    """The settings that hold both the sound protocol and others, in the order of the study."""
    groups: dict[tuple[Any, ...], dict[str, Condition]] = {}
    for specs in results.study.conditions():
        levels = specs[0].condition
        protocol = levels.pop("protocol")
        groups.setdefault(tuple(levels.values()), {})[protocol] = specs
    return [Setting(group) for group in groups.values() if SOUND in group and len(group) > 1]


def build_audit(results: Results) -> pd.DataFrame:
    """One row per setting and defect, each way of isolating it; the columns are in docs/results.md.

    `cost` is how much test accuracy the defect takes (positive: it makes the score worse).
    """
    rows = [
        _build_row(results, setting, defect, way, pair)
        for setting in find_settings(results)
        for defect, way, pair in _find_pairs(setting)
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({"replicates_lower_with": "Int64", "replicates_higher_with": "Int64"}) if rows else frame


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
    results: Results, setting: Setting, defect: str, way: str, pair: tuple[Condition, Condition]
) -> dict[str, Any]:
    spec = setting.spec
    row: dict[str, Any] = {
        "setting": _label(results, spec),
        "model": spec.model,
        "regularizer": spec.regularizer,
        "folds": spec.folds,
        "train_images": spec.train_images,
        "batch_size": spec.recipe.batch_size,
        "replicates": len(pair[0]),
        "defect": defect,
        "way": way,
    }
    contrast = _contrast(results, *pair)
    row |= dict.fromkeys(NUMBERS)
    if isinstance(contrast, str):
        return row | {"method": "", "reason": contrast}
    row |= {"accuracy_without": contrast.means[0], "accuracy_with": contrast.means[1], "cost": contrast.effect}
    if contrast.test:
        row["ci95_low"], row["ci95_high"] = contrast.test.interval
    if contrast.signs:
        row["replicates_lower_with"], row["replicates_higher_with"] = contrast.signs
        row["p_sign"] = run_sign_test(*contrast.signs)
    whole = setting.conditions.get(AS_REPORTED)
    gap = _contrast(results, setting.conditions[SOUND], whole) if whole else None
    if isinstance(gap, Contrast) and gap.effect:
        row["share_of_gap"] = contrast.effect / gap.effect
    return row | {"method": contrast.method, "reason": contrast.reason}


def _contrast(results: Results, first: Condition, second: Condition) -> Contrast | str:
    try:
        return build_contrast([(Side(results, first), Side(results, second))], "test_accuracy")
    except RefusedError as refusal:
        return str(refusal)


def _label(results: Results, spec: TrialSpec) -> str:
    label = build_row_label(spec.model_copy(update={"protocol": ()}), results.study, results.reference)
    return label.replace(f", {SOUND}", "")


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


def build_conclusions(audit: pd.DataFrame) -> list[str]:
    """A sentence for each setting on the report's hypothesis and on the alternative, made from the audit's numbers."""
    if audit.empty:
        return []
    settings: dict[str, Rows] = {}
    for row in audit.to_dict("records"):
        settings.setdefault(row["setting"], {})[row["defect"], row["way"]] = row
    return [sentence for setting, rows in settings.items() if (sentence := _conclude(setting, rows))]


def _conclude(setting: str, rows: Rows) -> str:
    if WHOLE not in rows or (REPLICAS, REMOVED) not in rows:
        return ""
    whole = rows[WHOLE]
    if pd.isna(whole["cost"]):
        return f"{setting}: undecided, {whole['reason']}"
    verdicts = " ".join(
        _judge(rows, defect, hypothesis)
        for defect, hypothesis in (
            (REPLICAS, "The report's hypothesis, that each replica's batch is too small,"),
            (SKIPS, "The alternative, that the test runs the network without its batch-norm layer,"),
        )
        if (defect, REMOVED) in rows
    )
    return (
        f"{setting}: run as reported, the test accuracy is {whole['accuracy_with']:.4f}, by sound protocol "
        f"{whole['accuracy_without']:.4f}, a gap of {_points(whole['cost'])} {_spell_interval(whole)}. {verdicts}"
    )


def _judge(rows: Rows, defect: str, hypothesis: str) -> str:
    removed = rows[defect, REMOVED]
    if pd.isna(removed["cost"]):
        return f"{hypothesis} is undecided: {removed['reason']}"
    known = not pd.isna(removed["ci95_low"])
    direction = _find_direction(removed)
    if direction > 0:
        verdict = "explains the gap" if removed["share_of_gap"] > 0.5 else "explains a part of the gap"
    elif direction < 0:
        verdict = "is refuted: without the defect the figure gets worse"
    else:
        share = removed["share_of_gap"]
        small = known and max(abs(removed["ci95_low"]), abs(removed["ci95_high"])) < 0.5 * abs(rows[WHOLE]["cost"])
        verdict = "is refuted: it explains less than half of the gap" if small else "is undecided"
        if not small and not known and not pd.isna(share):
            verdict += f" ({share:.0%} of the gap, with no interval)"
    told = f"taking it away gains {_points(removed['cost'])} {_spell_interval(removed)}"
    if _has_signs(removed):
        pairs = removed["replicates_lower_with"] + removed["replicates_higher_with"]
        told += (
            f" and makes the score better in {removed['replicates_lower_with']} of {pairs} replicates (sign test, "
            f"p = {removed['p_sign']:.2g})"
        )
    added = rows.get((defect, ADDED))
    if added and not pd.isna(added["cost"]):
        told += f", putting it into the sound protocol costs {_points(added['cost'])} {_spell_interval(added)}"
    return f"{hypothesis} {verdict}: {told}."


def _find_direction(row: dict[Any, Any]) -> int:
    """1 if the defect lowers the score, -1 if it raises it, 0 if either may be.

    From six independent replicates on by the sign test: a score that collapses in one of them, as those without their
    batch-norm layer do, stretches a t interval beyond use, and changes one sign. With fewer, by the t interval.
    """
    if _has_signs(row):
        if row["p_sign"] >= 1 - LEVEL:
            return 0
        return 1 if row["replicates_lower_with"] > row["replicates_higher_with"] else -1
    if pd.isna(row["ci95_low"]):
        return 0
    return int(row["ci95_low"] > 0) - int(row["ci95_high"] < 0)


def _has_signs(row: dict[Any, Any]) -> bool:
    lower, higher = row["replicates_lower_with"], row["replicates_higher_with"]
    return not pd.isna(lower) and lower + higher >= SIGN_TEST_FROM


def _points(share: float) -> str:
    return f"{share * 100:.2f} points"


def _spell_interval(row: dict[Any, Any]) -> str:
    if pd.isna(row["ci95_low"]):
        return "(no interval)"
    return f"[{row['ci95_low'] * 100:.2f}, {row['ci95_high'] * 100:.2f}]"


def build_reference_check(results: Results) -> pd.DataFrame:
    """One row per reported figure and setting of the same network; the columns are in docs/results.md.

    `place` tells where the figure lies among the replicates run as reported: inside their range, outside the 95%
    prediction interval for one more of them (normal, so a rough one with few replicates), or else undecidable.
    """
    rows = []
    for (model, regularizer, folds), reported in results.reference.items():
        groups: dict[tuple[Any, ...], dict[str, Condition]] = {}
        for specs in results.study.conditions():
            levels = specs[0].condition
            protocol = levels.pop("protocol")
            same = (levels["model"], levels["regularizer"], levels["folds"]) == (model, regularizer, folds)
            if same and levels["width"] == 1:
                groups.setdefault(tuple(levels.values()), {})[protocol] = specs
        # Fewer images are another experiment.
        comparable = [group for group in groups.values() if next(iter(group.values()))[0].train_images is None]
        rows += [_check(results, reported, group) for group in comparable]
    return pd.DataFrame(rows)


def _check(results: Results, reported: Reported, group: dict[str, Condition]) -> dict[str, Any]:
    spec = next(iter(group.values()))[0]
    row: dict[str, Any] = {
        "row": reported.row,
        "reported_test_accuracy": reported.test_accuracy,
        "train_images": spec.train_images,
        "batch_size": spec.recipe.batch_size,
    }
    for name, protocol in (("as_reported", AS_REPORTED), ("sound", SOUND)):
        scores = _replicate_scores(results, group.get(protocol))
        row |= {f"{name}_replicates": len(scores)}
        row |= {f"{name}_{what}": value for what, value in _describe(scores).items()}
    return row | {"place": _place(reported.test_accuracy, _replicate_scores(results, group.get(AS_REPORTED)))}


def _replicate_scores(results: Results, specs: Condition | None) -> NDArray[np.float64]:
    """The test accuracy of each replicate (the mean over its folds, or its last fold's); empty if refused."""
    try:
        return build_scores(results, specs, "test_accuracy").mean(axis=1) if specs else np.empty(0)
    except RefusedError:
        return np.empty(0)


def _describe(scores: NDArray[np.float64]) -> dict[str, float | None]:
    if not len(scores):
        return dict.fromkeys(("mean", "min", "max"))
    return {"mean": float(scores.mean()), "min": float(scores.min()), "max": float(scores.max())}


def _place(figure: float, scores: NDArray[np.float64]) -> str:
    if not len(scores):
        return "not run as reported"
    if scores.min() <= figure <= scores.max():
        return "inside"
    count = len(scores)
    if count > 1:
        half = float(stats.t.ppf(0.975, count - 1)) * scores.std(ddof=1) * (1 + 1 / count) ** 0.5
        if abs(figure - scores.mean()) > half:
            return "outside"
    return f"undecidable with {count} replicate{'s' * (count > 1)}"
