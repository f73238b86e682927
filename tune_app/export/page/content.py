"""What the page says in words; the template only places it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tune_app.analysis.labels import build_rows
from tune_app.analysis.metrics import build_scores
from tune_app.errors import RefusedError
from tune_app.export.rounding import format_estimate, format_p_value, format_share
from tune_app.export.tables.claims import build_claim_reasons
from tune_app.export.tables.document import describe_samples
from tune_app.export.tables.model import list_records
from tune_app.export.tables.notes import number_claims
from tune_app.export.tables.scope import spell_estimand, spell_method
from tune_app.records.results import Results
from tune_app.study import Study, TrialSpec

SIGNS = {"supported": "✓", "refuted": "✗", "negligible": "≈", "undecided": "?"}


@dataclass(frozen=True)
class Verdict:
    """A claim with what became of it.

    `numbers` is one line of effect, interval, p and what they speak of, `source` another of method and n. `others` are
    sentences: the unadjusted verdict where it is another one, and what would be needed. `reason` is what this verdict
    has for a reason and no other has.
    """

    sentence: str
    verdict: str
    sign: str
    numbers: str
    source: str
    others: tuple[str, ...]
    reason: str


def build_verdicts(study: Study, claims: pd.DataFrame) -> tuple[list[Verdict], list[str]]:
    """The rows of claims.csv for reading, and the reasons that several of them share."""
    reasons = build_claim_reasons(claims)
    own = {number: reason.text for reason in reasons for number in reason.rows if len(reason.rows) == 1}
    verdicts = [
        Verdict(
            row["sentence"],
            row["verdict"],
            SIGNS[row["verdict"]],
            _spell_numbers(study, row),
            _spell_source(study, row),
            tuple(_list_others(row)),
            own.get(str(number), ""),
        )
        for number, row in enumerate(list_records(claims), start=1)
    ]
    return verdicts, [f"{number_claims(reason)}: {reason.text}" for reason in reasons if len(reason.rows) > 1]


def _spell_numbers(study: Study, row: Mapping[str, Any]) -> str:
    if pd.isna(row["effect"]):
        return ""
    is_adjusted = not pd.isna(row["adjusted_low"])
    ends = ("adjusted_low", "adjusted_high") if is_adjusted else ("ci95_low", "ci95_high")
    effect, interval = format_estimate(row["effect"], row[ends[0]], row[ends[1]], sign="+")
    text = " ".join(filter(None, (f"{row['metric']}:", effect, row["unit"])))
    if not pd.isna(row[ends[0]]):
        text += f", {'adjusted' if is_adjusted else '95%'} interval {interval}"
    text += f" ({100 * row['adjusted_level']:.4g}%), p (Holm) {format_p_value(row['p_holm'])}" if is_adjusted else ""
    estimand = spell_estimand(row["estimand"], study)
    return f"{text}; speaks of {estimand}" if estimand else text


def _spell_source(study: Study, row: Mapping[str, Any]) -> str:
    parts = [spell_method(row["method"], study)] if row["method"] else []
    parts += [f"{name} {row[key]:.0f}" for name, key in _COUNTS if not pd.isna(row[key])]
    return "; ".join(parts)


def _list_others(row: Mapping[str, Any]) -> Iterator[str]:
    if row["verdict_unadjusted"] != row["verdict"]:
        yield f"By itself, without the adjustment, it would be {row['verdict_unadjusted']}."
    if not pd.isna(row["power"]):
        yield f"The chance that this design decides it, if the effect is as observed: {format_share(row['power'])}."


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
