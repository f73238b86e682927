"""The headline of small studies whose effects are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tests.builders import (
    CARRY_OVER_GRID,
    CLAIM,
    build_effect_results,
    build_results,
    build_study,
    results_of,
    with_scores,
)
from tests.over_sets import build_over_sets
from tune_app.analysis.audit.costs import build_audit
from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.contrast_rows import build_contrasts
from tune_app.analysis.headline import build_verdict_rows, find_leading
from tune_app.export.headline import Headline, build_headline, spell_leading, spell_needs, spell_remark
from tune_app.records import RecordSet
from tune_app.records.results import Results
from tune_app.study import TrialSpec


def build_three(spread: float = 0.001, gains: tuple[float, ...] = (0.0, 0.05, -0.05), **changes: Any) -> Results:
    """No regularizer, dropout and batch normalisation, which add `gains`; held-out folds of three replicates."""
    by_name = dict(zip(("none", "dropout", "batchnorm"), gains, strict=True))
    grid = [{"model": "cnn", "width": 0.05, "regularizer": list(by_name), "folds": 4}]
    study = build_study(**({"grid": grid, "replicates": 3, "test": "none"} | changes))

    def score(spec: TrialSpec, fold: int) -> float:
        rng = np.random.default_rng([spec.replicate, fold, len(spec.regularizer)])
        return float(0.8 + by_name[spec.regularizer] + rng.normal(0, spread))

    return build_results(study, score, epochs=(1,))


def headline_of(results: Results, audit: pd.DataFrame | None = None) -> Headline:
    return build_headline(results, build_verdicts(results), build_contrasts(results), audit)


def spell(results: Results) -> str:
    return spell_leading(find_leading(results))


def test_a_condition_that_beats_all_others_is_the_best() -> None:
    text = spell(build_three())
    assert text.startswith("dropout has the highest test accuracy, 0.8")
    assert text.endswith("]: decided against both others.")


def test_conditions_that_are_not_told_from_the_leading_one_may_be_as_good() -> None:
    text = spell(build_three(gains=(0.05, 0.05, -0.05), spread=0.02))
    assert "but which is best is undecided: " in text
    assert text.endswith("no regularizer may be as good.") or text.endswith("dropout may be as good.")
    assert "batchnorm" not in text, "which is ruled out"


def test_where_no_difference_is_decided_none_is_ruled_out() -> None:
    results = build_three(gains=(0.0, 0.0, 0.0), spread=0.02)
    leading = find_leading(results)
    assert set(leading.undecided) == {rival.label for rival in leading.rivals}
    assert spell_leading(leading).endswith(" may be as good.")


def test_the_lowest_is_best_where_lower_is_better() -> None:
    results = build_three(metrics={"primary": "log_loss"})
    for key, record in results.records.folds.items():
        results.records.folds[key] = with_scores(record, test_log_loss=1 - record.scores["test_accuracy"])
    leading = find_leading(results)
    assert (leading.better, leading.label) == ("lower", "dropout"), "the one of the highest accuracy"
    assert "has the lowest test log loss, 0.1" in spell_leading(leading)
    assert all(rival.effect is not None and rival.effect < 0 and rival.is_decided for rival in leading.rivals)


def test_the_difference_from_the_baseline_follows() -> None:
    headline = headline_of(build_three(baseline={"regularizer": "none"}))
    assert headline.more[0].startswith("Its difference from the baseline, no regularizer, is +0.04")
    assert headline.more[0].endswith(": decided.")
    best = build_three(baseline={"regularizer": "dropout"})
    assert headline_of(best).more[0] == "It is the baseline."


def test_a_difference_over_the_fits_that_both_have_says_over_how_many() -> None:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": "dropout", "folds": 4, "replicates": 1}]
    grid.append(grid[0] | {"regularizer": "none", "replicates": 3})
    results = build_three(grid=grid, baseline={"regularizer": "none"}, test="auto")
    (rival,) = find_leading(results).rivals
    assert rival.shared == 4, "those of the first replicate"
    assert " over the 4 fits that both have: " in headline_of(results).more[0]
    equal = find_leading(build_three(baseline={"regularizer": "none"}))
    assert {rival.shared for rival in equal.rivals} == {None}


def test_the_largest_difference_that_is_decided_is_told_unless_it_is_the_leaders() -> None:
    told = headline_of(build_three(baseline={"regularizer": "none"}, gains=(0.0, 0.01, -0.05))).more
    assert told[1].startswith("2 of 2 differences from the baseline are decided; the largest: batchnorm is worse than")
    again = headline_of(build_three(baseline={"regularizer": "none"}, gains=(0.0, 0.05, -0.01))).more
    assert not any("differences from the baseline" in sentence for sentence in again)
    undecided = headline_of(build_three(baseline={"regularizer": "none"}, gains=(0.0, 0.0, 0.0), spread=0.02)).more
    assert not any("differences from the baseline" in sentence for sentence in undecided)


def test_two_conditions_are_the_higher_and_the_other() -> None:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": 4}]
    text = spell(build_three(grid=grid))
    assert "has the higher test accuracy" in text
    assert text.endswith(": decided against the other.")


def test_equal_means_share_the_place() -> None:
    results = build_three(spread=0.0, gains=(0.05, 0.05, 0.0))
    assert spell(results) == "no regularizer and dropout share the highest test accuracy, 0.8500."


def test_one_condition_has_nothing_to_be_compared_with() -> None:
    grid = [{"model": "cnn", "width": 0.05, "folds": 4}]
    assert spell(build_three(grid=grid)).endswith("and no other condition has one.")


def test_one_replicate_of_few_folds_decides_nothing() -> None:
    leading = find_leading(build_three(replicates=1))
    assert leading.label == "dropout"
    assert not any(rival.is_decided for rival in leading.rivals)
    assert all("too few for a p-value" in rival.reason for rival in leading.rivals)


def test_failed_fits_alone_give_no_mean_and_a_reason() -> None:
    results = results_of(build_study(), [None, None, None])
    text = spell(results)
    assert text.startswith("No condition has a mean test accuracy: no regularizer has fits 0/3")
    assert text.endswith("1 other condition has none either.")
    assert "test accuracy" in spell(replace(results, records=RecordSet()))


def test_a_condition_without_a_mean_does_not_compete() -> None:
    results = build_three()
    failing = next(spec for specs in results.study.conditions() for spec in specs if spec.regularizer == "dropout")
    del results.records.folds[failing.id, 0]
    headline = headline_of(results)
    assert headline.sentence.startswith("no regularizer has the higher test accuracy")
    assert "1 condition has no mean: not compared here." in headline.note


def test_conditions_with_defects_do_not_compete_with_sound_ones() -> None:
    def score(spec: TrialSpec, fold: int) -> float:
        noise = np.random.default_rng([spec.replicate, fold]).normal(0, 0.002)
        return float(0.8 + 0.1 * bool(spec.protocol) + noise)

    results = build_results(build_study(grid=CARRY_OVER_GRID, replicates=3), score, epochs=(1,))
    leading = find_leading(results)
    assert (leading.left_out, leading.rivals, round(leading.value, 1)) == (1, (), 0.8)


def test_a_study_mostly_of_defects_begins_with_what_they_cost() -> None:
    protocols = ["sound", "as-reported", "as-reported without test-skips-layers"]
    grid = [{"model": "cnn", "width": 0.05, "regularizer": "batchnorm", "folds": 3, "protocol": protocols}]

    def score(spec: TrialSpec, fold: int) -> float:
        noise = np.random.default_rng([spec.replicate, fold, len(spec.protocol)]).normal(0, 0.002)
        return float(0.9 - 0.3 * ("test-skips-layers" in spec.protocol) + noise)

    results = build_results(build_study(grid=grid, replicates=10), score, epochs=(1,))
    headline = headline_of(results, build_audit(results))
    assert headline.sentence.startswith("Run as reported, ")
    assert headline.sentence.endswith("What explains that gap: test-skips-layers more than half.")
    assert " has a test accuracy of 0.8" in headline.more[0]


def test_several_data_sets_are_judged_by_ranks() -> None:
    leading = find_leading(build_over_sets(8))
    assert (leading.label, leading.value, leading.data_sets) == ("dropout", 1.0, 8)
    text = spell_leading(leading)
    assert text.startswith("dropout has the best average rank by test accuracy over 8 data sets, 1 of 3")
    assert "no regularizer may be as good" in text, "Nemenyi's test of ranks 1 and 2 over 8 data sets"
    few = spell(build_over_sets(3))
    assert few.startswith("dropout has the best average rank by test accuracy over 3 data sets")
    assert "decided" not in few


def test_verdicts_are_counted() -> None:
    claims = [CLAIM | {"expect": expect} for expect in ("higher", "lower")]
    results = build_effect_results(claims=claims, replicates=3)
    headline = headline_of(results)
    assert headline.more[-1] == "Of 2 claims 1 is supported and 1 is refuted."
    assert str(headline).startswith(headline.sentence)
    one = build_effect_results(claims=claims[:1], replicates=3)
    assert headline_of(one).more[-1] == "The claim is supported."


def test_verdict_rows_have_the_effects_claimed_and_what_is_needed() -> None:
    claims = [CLAIM | {"expect": "higher", "by": 0.01}, CLAIM | {"expect": "between", "between": (0.1, 0.2)}]
    results = build_effect_results(claims=claims, replicates=3)
    first, second = build_verdict_rows(results.study, build_verdicts(results))
    assert (first.number, first.verdict, first.shape) == (1, "supported", "✓")
    assert first.region == (0.01, float("inf"))
    assert second.region == (0.1, 0.2)
    assert first.is_adjusted
    assert first.low < first.effect < first.high
    assert spell_needs(first) == ""


def test_a_negligible_effect_is_said_to_lie_within_its_margin() -> None:
    claim = CLAIM | {"expect": "lower", "by": 0.4}
    results = build_effect_results(claims=[claim], replicates=3)
    frame = build_verdicts(results)
    (row,) = build_verdict_rows(results.study, frame)
    assert (row.verdict, spell_remark(row)) == ("negligible", "within ±40 points")
    (open_one,) = build_verdict_rows(results.study, frame.assign(verdict="undecided"))
    assert spell_remark(open_one) == ""


def test_an_undecided_claim_says_how_many_replicates_it_needs() -> None:
    claim = CLAIM | {"expect": "higher"}
    results = build_effect_results(claims=[claim], replicates=1, test="none")
    frame = build_verdicts(results)
    (row,) = build_verdict_rows(results.study, frame)
    assert row.verdict == "undecided" or row.needed is None
    for needed, most, words in (
        (None, 1000, "over 1,000 replicates"),
        (None, 30, "over 30 replicates"),
        (63, 1000, "63 replicates"),
        (3, None, "at least 3 replicates"),  # its spread is not known
        (None, None, "see the reason"),
    ):
        frame_of_one = frame.assign(verdict="undecided", needed_replicates=needed, most_replicates=most)
        assert spell_needs(build_verdict_rows(results.study, frame_of_one)[0]) == words
