"""The audit: costs, conclusions and places follow from the records alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.builders import build_results, build_study, with_scores
from tune_app.analysis.audit.conclusions import build_conclusions
from tune_app.analysis.audit.costs import build_audit
from tune_app.analysis.audit.reference_check import build_reference_check
from tune_app.analysis.conditions import build_conditions
from tune_app.records import pack_labels
from tune_app.records.results import Reported, Results
from tune_app.study import Study, TrialSpec

REMOVED, ADDED, SHARED = "taken away from as-reported", "put into sound", "share of the gap"
SKIPS, REPLICAS = "test-skips-layers", "replica-statistics"
PROTOCOLS = ["sound", "as-reported", SKIPS, REPLICAS, "carry-over"]
PROTOCOLS += [f"as-reported without {defect}" for defect in (SKIPS, REPLICAS, "carry-over")]


def build_audit_study(replicates: int = 3) -> Study:
    grid = [{"model": "cnn", "regularizer": "batchnorm", "folds": 4, "protocol": PROTOCOLS}]
    return build_study(grid=grid, replicates=replicates, baseline={"protocol": "sound"}, data={"name": "digits"})


def costing(costs: dict[str, float]) -> Callable[[TrialSpec, int], float]:
    """Test accuracies: 0.98 less what each defect costs, with a small scatter over folds and replicates."""

    def score(spec: TrialSpec, fold: int) -> float:
        scatter = ((7 * fold + 3 * spec.replicate + 2 * len(spec.protocol)) % 5 - 2) * 1e-3
        return 0.98 + scatter - sum(costs.get(defect, 0) for defect in spec.protocol)

    return score


def accuracy_of(results: Results, spec: TrialSpec) -> float:
    """Under carry-over: of the network as it came out of the last fold."""
    return float(results.records.folds[spec.id, 3].scores["test_accuracy"])


def rows_of(results: Results) -> dict[tuple[str, str], dict[Any, Any]]:
    return {(row["defect"], row["way"]): row for row in build_audit(results).to_dict("records")}


def audit_of(costs: dict[str, float], replicates: int = 3) -> Results:
    return build_results(build_audit_study(replicates), costing(costs))


def test_a_defect_costs_what_it_takes_from_the_accuracy_both_ways() -> None:
    audit = rows_of(audit_of({SKIPS: 0.1, REPLICAS: 0.002}))
    assert audit["all", "all at once"]["cost"] == pytest.approx(0.102, abs=0.003)
    for way in (REMOVED, ADDED):
        row = audit[SKIPS, way]
        assert row["cost"] == pytest.approx(0.1, abs=0.003)
        assert row["ci95_low"] < row["cost"] < row["ci95_high"]
        assert (row["replicates_without"], row["replicates_with"]) == (3, 3)
    assert audit["carry-over", "put into sound"]["cost"] == pytest.approx(0, abs=0.003)


def test_the_conclusion_names_the_defect_that_the_records_blame() -> None:
    (blames_skipping,) = build_conclusions(build_audit(audit_of({SKIPS: 0.1})))
    (blames_replicas,) = build_conclusions(build_audit(audit_of({REPLICAS: 0.1})))
    assert "without its batch-norm layer, explains more than half of the gap: taking it away gains" in blames_skipping
    assert "batch is too small, is refuted" in blames_skipping
    assert "batch is too small, explains more than half of the gap: taking it away gains" in blames_replicas
    assert "without its batch-norm layer, is refuted" in blames_replicas


def test_a_change_in_the_records_changes_the_sentence() -> None:
    results = audit_of({SKIPS: 0.1})
    (before,) = build_conclusions(build_audit(results))
    trial = next(t.spec for t in results.study.grid_trials() if t.spec.condition["protocol"] == "as-reported")
    record = results.records.folds[trial.id, 3]
    results.records.add(with_scores(record, test_accuracy=0.5))
    (after,) = build_conclusions(build_audit(results))
    assert before != after


def test_two_defects_that_share_a_gap_explain_a_part_each() -> None:
    results = audit_of({SKIPS: 0.05, REPLICAS: 0.03, "carry-over": 0.06})
    (sentence,) = build_conclusions(build_audit(results))
    assert sentence.count("explains a part of the gap, less than half") == 2
    assert rows_of(results)[SKIPS, REMOVED]["explains"] == "a part of the gap, less than half"


def test_one_replicate_leaves_it_undecided() -> None:
    (sentence,) = build_conclusions(build_audit(audit_of({SKIPS: 0.1}, replicates=1)))
    assert "is undecided, for the gap itself is not shown" in sentence
    assert "explains" not in sentence


def test_one_collapsed_replicate_does_not_hide_what_all_of_them_show() -> None:
    """Its difference of 0.78 beside nine of 0.07 takes the t interval across zero."""
    results = audit_of({SKIPS: 0.07}, replicates=10)
    for trial in results.study.grid_trials():
        if trial.spec.replicate == 5 and {"carry-over", SKIPS} <= set(trial.spec.protocol):
            record = results.records.folds[trial.spec.id, 3]
            results.records.add(with_scores(record, test_accuracy=0.2))
    audit = build_audit(results)
    row = rows_of(results)[SKIPS, "taken away from as-reported"]
    assert row["ci95_low"] < 0 < row["ci95_high"]
    assert (row["replicates_lower_with"], row["replicates_higher_with"]) == (10, 0)
    assert row["p_cost"] == row["p_half"] == row["p_value"] == pytest.approx(2 * 0.5**10)
    assert (row["collapsed_with"], row["collapsed_without"]) == (1, 0)
    (sentence,) = build_conclusions(audit)
    assert "batch-norm layer, explains more than half of the gap" in sentence
    assert "1 of the 10 networks as reported collapsed" in sentence
    assert (
        "better in 10 of 10 replicates (sign-flip test, p = 0.002), by more than half of the gap in 10 of 10"
        in sentence
    )
    assert row["cost_median"] == pytest.approx(0.07, abs=0.005)


def test_signs_that_differ_decide_nothing() -> None:
    results = audit_of({SKIPS: 0.1}, replicates=10)
    for trial in results.study.grid_trials():
        if trial.spec.condition["protocol"] == "as-reported":
            record = results.records.folds[trial.spec.id, 3]
            results.records.add(with_scores(record, test_accuracy=0.2 if trial.spec.replicate % 2 else 0.99))
    (sentence,) = build_conclusions(build_audit(results))
    assert "batch-norm layer, is undecided" in sentence
    assert "better in 5 of 10 replicates" in sentence


def test_a_network_that_collapses_without_the_defect_leaves_it_undecided_and_is_counted() -> None:
    """It makes the mean gain negative where nine of ten gain the whole gap: the test is of the mean."""
    results = audit_of({SKIPS: 0.07}, replicates=10)
    for trial in results.study.grid_trials():
        if trial.spec.replicate == 5 and trial.spec.condition["protocol"] == f"as-reported without {SKIPS}":
            record = results.records.folds[trial.spec.id, 3]
            results.records.add(with_scores(record, test_accuracy=0.1))
    row = rows_of(results)[SKIPS, REMOVED]
    assert row["cost"] < 0 < row["cost_median"]
    assert (row["replicates_above_half"], row["replicates_below_half"]) == (9, 1)
    assert (row["collapsed_without"], row["collapsed_with"]) == (1, 0)
    assert row["explains"] == "undecided"


def test_a_defect_that_raises_the_score_is_refuted_and_ties_are_told() -> None:
    results = audit_of({SKIPS: 0.1, REPLICAS: -0.02}, replicates=10)
    with_all, without = (
        next(s for s in results.study.conditions() if s[0].condition["protocol"] == name)
        for name in ("as-reported", f"as-reported without {REPLICAS}")
    )
    for replicate in range(3):
        same = results.records.folds[with_all[replicate].id, 3].scores["test_accuracy"]
        record = results.records.folds[without[replicate].id, 3]
        results.records.add(with_scores(record, test_accuracy=same))
    row = rows_of(results)[REPLICAS, REMOVED]
    counts = [row[f"replicates_{name}"] for name in ("lower_with", "higher_with", "equal")]
    assert counts == [0, 7, 3]
    gains = [accuracy_of(results, without[r]) - accuracy_of(results, with_all[r]) for r in range(10)]
    found = stats.permutation_test((gains,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert row["p_cost"] == pytest.approx(found.pvalue)
    (sentence,) = build_conclusions(build_audit(results))
    assert "too small, is refuted: without the defect the score gets worse" in sentence
    assert "better in 0 of 10 replicates (sign-flip test, p = 0.016, 3 equal)" in sentence


def test_where_the_report_does_better_there_is_no_gap_to_explain() -> None:
    results = audit_of({"carry-over": -0.05}, replicates=10)
    row = rows_of(results)["all", "all at once"]
    assert row["cost"] < 0
    assert row["share_of_gap"] is None or row["share_of_gap"] != row["share_of_gap"]
    (sentence,) = build_conclusions(build_audit(results))
    assert sentence.count("is undecided, for the gap itself is not shown") == 2


def test_the_share_of_the_reported_gap_is_of_the_reported_figure() -> None:
    results = audit_of({SKIPS: 0.1})
    assert np.isnan(rows_of(results)[SKIPS, SHARED]["share_of_reported_gap"])
    reference = {("cnn", "batchnorm", 4): Reported("CNN+BN", 0.78, "")}
    row = rows_of(replace(results, reference=reference))[SKIPS, SHARED]
    assert row["share_of_reported_gap"] == pytest.approx(0.5, abs=0.02), "0.1 of 0.98 - 0.78"


def test_a_defect_that_changes_nothing_at_all_explains_next_to_nothing() -> None:
    def score(spec: TrialSpec, fold: int) -> float:
        return 0.9 + 0.001 * spec.replicate - 0.1 * (SKIPS in spec.protocol)

    row = rows_of(build_results(build_audit_study(), score))[REPLICAS, REMOVED]
    assert row["cost"] == 0
    assert row["explains"] == "less than half of the gap, if any"


def test_without_any_gap_there_is_a_sentence_and_no_share() -> None:
    results = build_results(build_audit_study(1), lambda spec, fold: 0.9)
    (sentence,) = build_conclusions(build_audit(results))
    assert "a gap of 0.00 points" in sentence
    assert "explains" not in sentence


def test_one_sound_replicate_is_enough_for_signs_and_equal_scores_decide_nothing() -> None:
    study = build_study(
        grid=[
            {"model": "cnn", "regularizer": "batchnorm", "folds": 4, "protocol": "sound"},
            {
                "model": "cnn",
                "regularizer": "batchnorm",
                "folds": 4,
                "replicates": 8,
                "protocol": PROTOCOLS[1:2] + PROTOCOLS[5:],
            },
        ],
        data={"name": "digits"},
    )
    row = rows_of(build_results(study, costing({SKIPS: 0.1})))[SKIPS, REMOVED]
    assert (row["replicates_above_half"], row["explains"]) == (8, "more than half of the gap")
    half = build_results(
        study, lambda spec, fold: 0.9 - (0.05 if SKIPS in spec.protocol else 0) - 0.05 * bool(spec.protocol)
    )
    row = rows_of(half)[SKIPS, REMOVED]
    assert row["explains"] == "a part of the gap", "it is exactly half"


def test_a_missing_fold_is_told_and_not_guessed() -> None:
    results = audit_of({SKIPS: 0.1})
    trial = next(t.spec for t in results.study.grid_trials() if t.spec.condition["protocol"] == "as-reported")
    del results.records.folds[trial.id, 3]
    (sentence,) = build_conclusions(build_audit(results))
    assert "undecided" in sentence
    assert "fits 11/12" in sentence


def test_carried_folds_are_one_observation() -> None:
    results = audit_of({"carry-over": 0.1})
    (carried,) = (row for row in build_conditions(results)[0].to_dict("records") if row["protocol"] == "carry-over")
    last = [
        record.scores["test_accuracy"]
        for (trial, fold), record in results.records.folds.items()
        if fold == 3 and "-carry-over-" in trial and "without" not in trial
    ]
    assert len(last) == 3
    assert carried["test_accuracy_mean"] == pytest.approx(sum(filter(None, last)) / 3)
    assert carried["fits_completed"] == 12
    assert rows_of(results)["carry-over", "put into sound"]["method"] == "Welch t-test over fits"


def test_a_study_without_protocols_has_no_audit() -> None:
    assert build_audit(build_results(build_study(), lambda spec, fold: 0.9)).empty


@pytest.mark.parametrize(
    ("figure", "replicates", "place"),
    [
        (0.88, 3, "inside"),
        (0.60, 3, "outside"),
        (0.8845, 3, "undecidable with 3 replicates"),
        (0.60, 1, "undecidable with 1 replicate"),
    ],
)
def test_a_reported_figure_has_its_place_among_the_replicates(figure: float, replicates: int, place: str) -> None:
    results = audit_of({SKIPS: 0.1}, replicates)
    reference = {("cnn", "batchnorm", 4): Reported("CNN+BN", figure, "")}
    (row,) = build_reference_check(replace(results, reference=reference)).to_dict("records")
    assert row["place"] == place, row
    assert row["sound_mean"] == pytest.approx(0.98, abs=0.003)
    assert row["as_reported_replicates"] == replicates
    assert row["range_coverage"] == pytest.approx((replicates - 1) / (replicates + 1))
    assert (0 < row["replicates_below"] < replicates) == (place == "inside")


def test_a_figure_without_runs_as_reported_has_no_place() -> None:
    results = build_results(build_study(), lambda spec, fold: 0.9)
    reference = {("cnn", "none", 3): Reported("CNN", 0.9, "")}
    study = build_study(grid=[{"model": "cnn", "folds": 3}], data={"name": "digits"})
    checked = replace(build_results(study, lambda spec, fold: 0.9), reference=reference)
    assert [row["place"] for row in build_reference_check(checked).to_dict("records")] == ["not run as reported"]
    trial = study.grid_trials()[0].spec.id
    stuck = replace(checked.records.folds[trial, 0], predictions=pack_labels(np.ones(60, dtype=np.uint8)))
    checked.records.add(stuck)
    (row,) = build_reference_check(checked).to_dict("records")
    assert "1 of the 3 networks" in row["reason"]
    assert build_reference_check(replace(results, reference=reference)).empty, "another width, and fewer images"
