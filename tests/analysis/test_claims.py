"""Claims: when a sentence is supported, refuted or undecided."""

from typing import Any

import pandas as pd
import pytest

from tests.builders import CLAIM, build_effect_results, build_effect_study, build_results, score_with_effect
from tune_app.analysis.claims import build_verdicts, find_undecidable
from tune_app.analysis.estimands import METHODS


def verdict_of(replicates: int = 2, **changes: Any) -> dict[Any, Any]:
    claim = CLAIM | {"expect": "higher"} | changes
    (row,) = build_verdicts(build_effect_results(replicates=replicates, claims=[claim])).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "supported"),
        ({"expect": "lower"}, "refuted"),
        ({"expect": "equal"}, "refuted"),
        ({"expect": "equal", "by": 0.06}, "supported"),
        ({"by": 0.06}, "negligible"),
        ({"expect": "lower", "by": 0.06}, "negligible"),
        ({"expect": "between", "between": [0.02, 0.04]}, "supported"),
        ({"expect": "between", "between": [0.05, 0.07]}, "refuted"),
        ({"by": 0.03}, "undecided"),
        ({"metric": "test_loss", "expect": "lower"}, "supported"),
        ({"metric": "train_accuracy", "epochs": [1, 1]}, "supported"),
    ],
)
def test_a_claim_is_judged_by_where_its_interval_lies(changes: dict[str, Any], verdict: str) -> None:
    row = verdict_of(**changes)
    assert row["verdict"] == verdict, row["reason"]
    assert row["effect"] == pytest.approx(row["mean"] - row["mean_against"])


def test_an_undecided_claim_says_how_many_replicates_would_decide_it() -> None:
    row = verdict_of(replicates=1, by=0.028)
    assert row["verdict"] == "undecided"
    assert row["needed_replicates_90"] > row["needed_replicates"] > 1
    assert f"{row['needed_replicates']} replicates would decide it four times in five" in row["reason"]


def test_a_claim_on_too_few_pairs_is_undecided_however_clear_and_asks_for_enough() -> None:
    few = {"metric": "validation_accuracy", "levels": {"regularizer": "batchnorm", "folds": 4}}
    row = verdict_of(replicates=1, expect="lower", **few)
    assert row["ci95_high"] < -0.001
    assert (row["verdict"], row["n_pairs"], row["needed_replicates"]) == ("undecided", 4, 2)


def test_a_claim_that_no_number_of_replicates_decides_says_so() -> None:
    row = verdict_of(by=verdict_of()["effect"] + 1e-6)
    assert row["verdict"] == "undecided"
    assert pd.isna(row["needed_replicates"])
    assert "not even 1000 replicates" in row["reason"].lower()


def test_a_claim_over_several_conditions_averages_their_pairs() -> None:
    claim = {"sentence": "Ten folds do better.", "levels": {"folds": 10}, "against": {"folds": 4}, "expect": "higher"}
    results = build_effect_results(replicates=3, claims=[claim])
    (row,) = build_verdicts(results).to_dict("records")
    assert row["n_conditions"] == 3
    assert row["method"] == METHODS["fits", "unpaired"]
    assert row["effect"] == pytest.approx(0.01, abs=0.003)
    assert row["verdict"] == "supported"


def test_a_claim_about_two_epochs_of_one_condition_is_paired_with_itself() -> None:
    claim = {
        "sentence": "It still learns.",
        "metric": "validation_accuracy",
        "levels": {"regularizer": "none", "folds": 10},
        "epochs": [2, 2],
        "against_epochs": [1, 1],
        "expect": "higher",
    }
    (row,) = build_verdicts(build_effect_results(claims=[claim])).to_dict("records")
    assert (row["epochs"], row["n_pairs"], row["verdict"]) == ("2 against 1", 10, "supported")


def test_a_claim_on_a_missing_fold_is_undecided_with_the_reason() -> None:
    results = build_effect_results(claims=[CLAIM | {"expect": "higher"}])
    results.records.folds.clear()
    (row,) = build_verdicts(results).to_dict("records")
    assert row["verdict"] == "undecided"
    assert "has fits 0/10" in row["reason"]


def test_a_claim_on_too_few_pairs_is_not_refuted_either() -> None:
    few = {"metric": "validation_accuracy", "levels": {"regularizer": "batchnorm", "folds": 4}}
    row = verdict_of(replicates=1, expect="higher", **few)
    assert row["ci95_high"] < 0
    assert row["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("changes", "replicates", "message"),
    [
        ({}, 1, ""),
        (
            {"levels": {"regularizer": "dropout", "folds": 4}},
            1,
            "For a verdict it needs at least 2 replicates on either side; it has 1.",
        ),
        ({"levels": {"regularizer": "dropout", "folds": 4}}, 2, ""),
        (
            {"levels": {"folds": 10}, "against": {"folds": 4}},
            2,
            "For a verdict it needs at least 3 replicates on either side; it has 2.",
        ),
        ({"levels": {"folds": 10}, "against": {"folds": 4}}, 3, ""),
    ],
)
def test_a_claim_that_the_design_cannot_decide_is_told_before_the_run(
    changes: dict[str, Any], replicates: int, message: str
) -> None:
    held_out = {"metric": "validation_accuracy", "expect": "higher"}
    study = build_effect_study(replicates=replicates, claims=[CLAIM | held_out | changes])
    assert find_undecidable(study) == ([f"Dropout helps. {message}"] if message else [])
    verdicts = build_verdicts(build_results(study, score_with_effect))
    assert not message or set(verdicts["verdict"]) == {"undecided"}, "what is told before holds after"
