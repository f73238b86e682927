"""What the page says in words; the template only places it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.labels import build_rows
from tune_app.analysis.metrics import build_scores
from tune_app.errors import RefusedError
from tune_app.export.rounding import format_estimate
from tune_app.export.tables.claims import build_claim_reasons
from tune_app.export.tables.document import describe_samples
from tune_app.export.tables.notes import number_claims
from tune_app.records.results import Results
from tune_app.study import TrialSpec

SIGNS = {"supported": "✓", "refuted": "✗", "undecided": "?"}


@dataclass(frozen=True)
class Verdict:
    """A claim with what became of it; `numbers` is one line of effect, interval, method and n.

    `reason` is what this verdict has for a reason and no other has.
    """

    sentence: str
    verdict: str
    sign: str
    numbers: str
    reason: str


def build_verdicts(claims: pd.DataFrame) -> tuple[list[Verdict], list[str]]:
    """The rows of claims.csv for reading, and the reasons that several of them share."""
    reasons = build_claim_reasons(claims)
    own = {number: reason.text for reason in reasons for number in reason.rows if len(reason.rows) == 1}
    verdicts = [
        Verdict(row["sentence"], row["verdict"], SIGNS[row["verdict"]], _spell_numbers(row), own.get(str(number), ""))
        for number, row in enumerate(claims.to_dict("records"), start=1)
    ]
    return verdicts, [f"{number_claims(reason)}: {reason.text}" for reason in reasons if len(reason.rows) > 1]


def _spell_numbers(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["effect"]):
        return ""
    effect, interval = format_estimate(row["effect"], row["ci95_low"], row["ci95_high"], sign="+")
    parts = [f"{row['metric']}: {effect} {row['unit']}"]
    if not pd.isna(row["ci95_low"]):
        parts[0] += f", 95% interval {interval}"
    parts += [row["method"]] if row["method"] else []
    parts += [f"{name} {row[key]:.0f}" for name, key in _COUNTS if not pd.isna(row[key])]
    return "; ".join(parts)


_COUNTS = (
    ("pairs", "n_pairs"),
    ("replicates", "n_replicates"),
    ("against", "n_replicates_against"),
    ("conditions", "n_conditions"),
)


def build_facts(results: Results) -> str:
    """What was trained on what, in a sentence or two."""
    study, recipe = results.study, results.study.recipe
    trials = study.grid_trials()
    keys = [(trial.spec.id, fold) for trial in trials for fold in range(trial.spec.folds)]
    done = sum(results.records.is_completed(*key) for key in keys)
    return (
        f"{len(build_rows(results.study))} conditions, {len(trials)} trials, {done} of {len(keys)} fits completed. "
        f"{describe_samples(study, ',')} {recipe.epochs} epochs a fold, batch "
        f"size {recipe.batch_size}, {recipe.optimizer} at {recipe.learning_rate:g}, {recipe.precision}; splitter "
        f"{study.splitter}, seed {study.seed}."
    )


def build_trial_summary(results: Results, spec: TrialSpec) -> str:
    """One line: fits, mean test accuracy; under carry-over that of the network as it came out of the last fold."""
    done = sum(results.records.is_completed(spec.id, fold) for fold in range(spec.folds))
    metric = results.study.primary.replace("_", " ")
    what = f"{metric} after the last fold" if spec.has_dependent_folds else f"mean {metric}"
    try:
        mean = f", {what} {build_scores(results, [spec], results.study.primary).mean():.4f}"
    except RefusedError:
        mean = ""
    return f"{done} of {spec.folds} fits{mean}"
