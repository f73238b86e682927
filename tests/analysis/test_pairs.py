"""Who is better than whom: all pairs against other packages, and a ranking that says no more than is decided."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tests.builders import build_effect_results, build_effect_study, build_results, build_study, score_with_effect
from tune_app.analysis import pairs as pairs_module
from tune_app.analysis.pairs import build_pairs, build_ranking, find_beaten, find_best
from tune_app.export.tables.conditions import build_condition_table
from tune_app.records.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    """Six conditions, three replicates: those of four folds are pairs, and those of ten."""
    return build_effect_results(replicates=3)


def collect(results: Results) -> dict[str, np.ndarray]:
    """The scores of the fits by the row's label, from the records alone."""
    found: dict[str, list[float]] = {}
    for specs in results.study.conditions():
        label = results.study.labelling.label(specs[0].condition)
        records = [results.records.folds[spec.id, fold] for spec in specs for fold in range(spec.folds)]
        found[label] = [record.scores["test_accuracy"] for record in records]
    return {label: np.array(values) for label, values in found.items()}


def test_all_pairs_are_those_of_other_packages(results: Results) -> None:
    scores, frame = collect(results), build_pairs(results)
    assert len(frame) == len(list(itertools.combinations(scores, 2))) == 15
    expected = []
    for row in frame.to_dict("records"):
        first, second = scores[row["row"]], scores[row["other_row"]]
        is_paired = len(first) == len(second)
        found = stats.ttest_rel(first, second) if is_paired else stats.ttest_ind(first, second, equal_var=False)
        assert row["p_value"] == pytest.approx(found.pvalue, rel=1e-9)
        low, high = found.confidence_interval(0.95)
        assert (row["ci95_low"], row["ci95_high"]) == pytest.approx((low, high))
        assert row["effect"] == pytest.approx(first.mean() - second.mean())
        expected.append(found.pvalue)
    adjusted = multipletests(expected, method="holm")[1]
    assert frame["p_holm"].tolist() == pytest.approx(adjusted.tolist())
    assert (frame["status"] == "decided").tolist() == (adjusted < 0.05).tolist()
    assert set(frame["family"]) == {"all 15 pairs of test_accuracy"}


def test_the_ranking_counts_the_decided_pairs_and_no_others(results: Results) -> None:
    ranking, frame = build_ranking(results).set_index("row"), build_pairs(results)
    means = {label: values.mean() for label, values in collect(results).items()}
    assert ranking.index.tolist() == sorted(means, key=lambda label: -means[label])
    assert ranking["place"].tolist() == [1, 2, 3, 4, 5, 6]
    decided = frame[frame["status"] == "decided"]
    for label, row in ranking.iterrows():
        assert row["n_better_than"] == (decided["row"] == label).sum()
        assert row["n_worse_than"] == (decided["other_row"] == label).sum()
    leader = ranking.index[0]
    behind = frame[frame["row"] == leader].set_index("other_row")["effect"]
    assert ranking["behind"].drop(leader).to_dict() == pytest.approx(behind.to_dict())
    p_values = frame[frame["row"] == leader].set_index("other_row")["p_value"]
    adjusted = dict(zip(p_values.index, multipletests(p_values, method="holm")[1], strict=True))
    assert ranking["p_holm"].drop(leader).to_dict() == pytest.approx(adjusted)
    assert ranking["family"].iloc[1] == "the best against the rest, 5 comparisons"


def test_pairs_are_over_the_replicates_that_both_have() -> None:
    grid = [
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 4, "replicates": 3},
        {"model": "cnn", "width": 0.05, "regularizer": "dropout", "folds": 4, "replicates": 2},
    ]
    results = build_effect_results(grid=grid)
    (row,) = build_pairs(results).to_dict("records")
    scores = collect(results)
    common = scores[row["row"]][:8] - scores[row["other_row"]][:8]
    assert (row["n_pairs"], row["effect"]) == (8, pytest.approx(common.mean()))


def test_where_less_is_better_the_least_leads() -> None:
    results = build_results(build_effect_study(replicates=3, metrics={"primary": "brier"}), score_with_effect)
    for key, record in results.records.folds.items():
        results.records.folds[key] = replace(record, scores={"test_brier": record.scores["test_loss"]})
    ranking, beaten = build_ranking(results), find_beaten(results)
    means = ranking.set_index("row")["mean"]
    assert means.is_monotonic_increasing
    assert ranking["behind"].dropna().lt(0).all()
    assert beaten
    assert all(means[winner] < means[loser] for winner, loser in beaten)


def test_of_many_conditions_the_leader_alone_is_compared_and_p_is_adjusted_over_all_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs_module, "MOST_PAIRED", 5)
    results = build_effect_results(replicates=3)
    frame = build_pairs(results)
    assert len(frame) == 5
    assert frame["row"].nunique() == 1
    assert frame["p_holm"].tolist() == pytest.approx([min(1, 15 * p) for p in frame["p_value"]])
    assert set(frame["family"]) == {"all 15 pairs of test_accuracy, by Bonferroni"}


def test_a_defect_that_raises_scores_does_not_compete(results: Results) -> None:
    grid = [{"model": "cnn", "regularizer": ["none", "batchnorm"], "folds": 4, "protocol": ["sound", "carry-over"]}]
    study = build_study(grid=grid, replicates=3)
    source = np.random.default_rng(0)
    found = build_results(study, lambda spec, _: float(0.9 + 0.05 * (len(str(spec.protocol)) > 9) * source.random()))
    ranking = build_ranking(found)
    assert len(ranking) == 2
    assert not ranking["row"].str.contains("carry-over").any()


@pytest.mark.parametrize("step", [0.0, 0.05])
def test_the_best_is_marked_only_where_it_beats_each_other_one(results: Results, step: float) -> None:
    source = np.random.default_rng(0)
    found = build_results(results.study, lambda spec, _: 0.5 + step * len(spec.regularizer) + 0.02 * source.random())
    table = build_condition_table(found)
    marked = [row for row in table.rows if row.best]
    assert len(marked) == (2 if step else 0), "of 4 and of 10 folds"
    assert any(note.startswith("Bold: " if step else "None is bold: ") for note in table.notes)
    for row in marked:
        (group,) = (group for group in table.groups if row in group.rows)
        others = [other.key for other in group.rows if other is not row]
        assert {(row.key, other) for other in others} <= find_beaten(found)
    assert find_best(found, []) == ""


def test_what_cannot_be_compared_is_a_row_with_the_reason() -> None:
    results = build_effect_results(replicates=3)
    del results.records.folds[next(iter(results.records.folds))]
    ranking = build_ranking(results)
    (row,) = ranking[ranking["mean"].isna()].to_dict("records")
    assert row["status"] == "refused"
    assert "has fits 11/12" in row["reason"]
    assert pd.isna(row["place"])
    assert len(build_pairs(results)) == 10
