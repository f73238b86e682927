"""Contrasts and claims: what is paired, what is refused, and when a sentence holds."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.builders import build_results, build_study, write_study_file
from tune_app.analysis.claims import build_verdicts, find_undecidable
from tune_app.analysis.comparison import build_changes, build_comparison
from tune_app.analysis.conditions import build_condition_scores
from tune_app.analysis.contrasts import PAIRED, UNPAIRED, Side, build_contrast, build_contrasts, find_contrasts
from tune_app.analysis.intervals import corrected_interval
from tune_app.analysis.metrics import METRICS, SUMMARISED, build_scores
from tune_app.analysis.networks import build_networks
from tune_app.analysis.t_tests import adjust_by_holm, build_corrected_t_test, build_welch_t_test
from tune_app.errors import RefusedError, StudyError
from tune_app.export.tables.comparison import build_comparison_tables
from tune_app.parts.catalog import build_catalog
from tune_app.records import pack_labels
from tune_app.records.results import Results
from tune_app.study import Metric, Study, TrialSpec
from tune_app.study.file import build_yaml, find_study_file, read_study

GRID = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout", "batchnorm"], "folds": [4, 10]}]
GAIN = {"none": 0.0, "dropout": 0.03, "batchnorm": -0.05}


def study_of(**changes: Any) -> Study:
    recipe = {"epochs": 2, "batch_size": 20}
    return build_study(**({"recipe": recipe, "grid": GRID, "baseline": {"regularizer": "none", "folds": 4}} | changes))


def score(spec: TrialSpec, fold: int) -> float:
    """An accuracy with noise of its own for each fit, the same in every run."""
    noise = np.random.default_rng([spec.replicate, fold, spec.folds, len(spec.regularizer)]).normal(0, 0.004)
    return float(0.9 + GAIN[spec.regularizer] + 0.01 * (spec.folds == 10) + noise)


def results_of(**changes: Any) -> Results:
    return build_results(study_of(**changes), score)


def pick(frame: pd.DataFrame, metric: str, regularizer: str, folds: int) -> dict[Any, Any]:
    chosen = frame[(frame["metric"] == metric) & (frame["regularizer"] == regularizer) & (frame["folds"] == folds)]
    (row,) = chosen.to_dict("records")
    return row


def test_each_condition_is_held_against_the_baseline_of_its_own_k_and_that_against_the_baseline() -> None:
    pairs = {tuple((specs[0].regularizer, specs[0].folds) for specs in pair) for pair in find_contrasts(study_of())}
    assert pairs == {
        (("dropout", 4), ("none", 4)),
        (("batchnorm", 4), ("none", 4)),
        (("dropout", 10), ("none", 10)),
        (("batchnorm", 10), ("none", 10)),
        (("none", 10), ("none", 4)),
    }


def test_without_a_baseline_the_first_condition_is_the_reference() -> None:
    assert find_contrasts(study_of(baseline={})) == find_contrasts(study_of())


def test_a_network_of_another_family_is_held_against_the_baseline() -> None:
    study = read_study(find_study_file("report"))
    pairs = find_contrasts(study)
    vggs = [(a[0].model, b[0]) for a, b in pairs if a[0].model != "cnn"]
    assert [name for name, _ in vggs] == ["vgg10", "vgg12", "vgg15", "vgg18"]
    assert {(spec.model, spec.regularizer, spec.folds) for _, spec in vggs} == {("cnn", "none", 4)}
    assert len(pairs) == len(study.conditions()) - 1, "every condition but the baseline"


def test_a_paired_contrast_is_the_corrected_test_of_the_differences_by_replicate_and_fold() -> None:
    results = results_of(replicates=2)
    row = pick(build_contrasts(results), "test_accuracy", "dropout", 4)
    specs = {(s.regularizer, s.replicate): s for s in (t.spec for t in results.study.grid_trials()) if s.folds == 4}
    differences = [
        score(specs["dropout", replicate], fold) - score(specs["none", replicate], fold)
        for replicate in (0, 1)
        for fold in range(4)
    ]
    test = build_corrected_t_test(differences, 4)
    assert (row["status"], row["method"], row["n_pairs"]) == ("tested", PAIRED, 8)
    assert row["effect"] == pytest.approx(np.mean(differences), abs=1e-12)
    assert (row["ci95_low"], row["ci95_high"]) == pytest.approx(test.interval, abs=1e-12)
    assert row["p_value"] == pytest.approx(test.p_value, abs=1e-12)
    assert row["p_worse"] + row["p_equivalent"] + row["p_better"] == pytest.approx(1)
    assert row["p_better"] > 0.9


def test_better_follows_the_metric_and_not_the_sign() -> None:
    row = pick(build_contrasts(results_of(replicates=2)), "test_loss", "dropout", 4)
    assert row["effect"] < 0
    assert row["p_better"] > 0.9


def test_holm_takes_the_contrasts_of_one_metric_as_its_family() -> None:
    frame = build_contrasts(results_of(replicates=3))
    family = frame[frame["metric"] == "test_accuracy"]
    assert len(family) == 5
    assert family["p_holm"].tolist() == pytest.approx(adjust_by_holm(family["p_value"].tolist()), abs=1e-12)


def test_different_k_is_compared_unpaired_over_replicates() -> None:
    results = results_of(replicates=3)
    row = pick(build_contrasts(results), "test_accuracy", "none", 10)
    specs = [s for s in (t.spec for t in results.study.grid_trials()) if s.regularizer == "none"]
    means = {k: np.array([np.mean([score(s, f) for f in range(k)]) for s in specs if s.folds == k]) for k in (4, 10)}
    test = build_welch_t_test(means[10], means[4])
    assert row["method"] == UNPAIRED
    assert pd.isna(row["n_pairs"])
    assert (row["n_replicates"], row["n_replicates_baseline"]) == (3, 3)
    assert (row["effect"], row["p_value"]) == pytest.approx((test.effect, test.p_value), abs=1e-12)


def test_four_folds_of_one_replicate_get_an_interval_and_the_power_but_no_p_value() -> None:
    frame = build_contrasts(results_of())
    row = pick(frame, "test_accuracy", "dropout", 4)
    assert row["status"] == "interval only"
    assert pd.isna(row["p_value"])
    assert pd.isna(row["p_better"])
    assert row["ci95_low"] < row["effect"] < row["ci95_high"]
    assert row["smallest_detectable"] > 0
    assert "at least 8: 2 replicates of 4 folds" in row["reason"]
    assert pick(frame, "test_accuracy", "dropout", 10)["status"] == "tested"


def test_different_k_with_one_replicate_is_refused_with_a_sentence() -> None:
    row = pick(build_contrasts(results_of()), "test_accuracy", "none", 10)
    assert row["status"] == "refused"
    assert "over replicates, unpaired, each side needs 3 or more" in row["reason"]
    assert row["effect"] == pytest.approx(row["mean"] - row["baseline_mean"])


def test_a_missing_fold_refuses_the_contrast() -> None:
    results = results_of()
    spec = next(t.spec for t in results.study.grid_trials() if (t.spec.regularizer, t.spec.folds) == ("dropout", 4))
    del results.records.folds[spec.id, 2]
    row = pick(build_contrasts(results), "test_accuracy", "dropout", 4)
    assert row["status"] == "refused"
    assert "has fits 3/4" in row["reason"]
    assert pd.isna(row["effect"])
    assert pick(build_contrasts(results), "test_accuracy", "batchnorm", 4)["status"] == "interval only"


def test_a_fold_stuck_on_one_class_refuses_the_contrast() -> None:
    results = results_of()
    spec = next(t.spec for t in results.study.grid_trials() if (t.spec.regularizer, t.spec.folds) == ("dropout", 10))
    stuck = replace(results.records.folds[spec.id, 0], predictions=pack_labels(np.ones(60, dtype=np.uint8)))
    results.records.add(stuck)
    row = pick(build_contrasts(results), "test_accuracy", "dropout", 10)
    assert row["status"] == "refused"
    assert "1 of the 10 networks" in row["reason"]
    assert "the same label" in row["reason"]


def test_replicates_without_counterpart_are_refused() -> None:
    grid = [
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 4, "replicates": 2},
        {"model": "cnn", "width": 0.05, "regularizer": "dropout", "folds": 4, "replicates": 3},
    ]
    row = pick(build_contrasts(results_of(grid=grid)), "test_accuracy", "dropout", 4)
    assert row["status"] == "refused"
    assert "3 and" in row["reason"]
    assert "2 replicates" in row["reason"]


def test_a_number_of_epochs_that_some_folds_never_reach_is_refused() -> None:
    row = pick(build_contrasts(results_of(replicates=2, target_accuracy=0.9)), "epochs_to_target", "batchnorm", 4)
    assert row["status"] == "refused"
    assert "never reach a validation accuracy of 0.9" in row["reason"]


def test_differences_without_spread_are_refused() -> None:
    results = build_results(study_of(replicates=2), lambda spec, fold: 0.9 + GAIN[spec.regularizer])
    row = pick(build_contrasts(results), "test_accuracy", "dropout", 4)
    assert row["status"] == "refused"
    assert "without a spread" in row["reason"]
    assert row["effect"] == pytest.approx(0.03)


def test_times_of_different_devices_are_refused() -> None:
    results = results_of(replicates=2)
    spec = next(t.spec for t in results.study.grid_trials() if (t.spec.regularizer, t.spec.folds) == ("dropout", 4))
    results.records.add(replace(results.records.folds[spec.id, 0], device="NVIDIA V100"))
    frame = build_contrasts(results)
    reason = pick(frame, "fit_seconds", "dropout", 4)["reason"]
    assert "different devices or engines: NVIDIA V100 of h (eager), cpu of h (eager)" in reason
    assert pick(frame, "test_accuracy", "dropout", 4)["status"] == "tested"


def test_a_contrast_turned_around_changes_its_sign_alone() -> None:
    results = results_of(replicates=2)
    ((first, second), *_) = find_contrasts(results.study)
    there = build_contrast([(Side(results, first), Side(results, second))], "test_accuracy").test
    back = build_contrast([(Side(results, second), Side(results, first))], "test_accuracy").test
    assert there
    assert back
    assert there.effect == pytest.approx(-back.effect)
    assert there.p_value == pytest.approx(back.p_value)


def test_windows_average_their_epochs() -> None:
    results = build_results(study_of(), score, epochs=(0.5, 0.75))
    specs = results.study.conditions()[0]
    both, last = (build_scores(results, specs, "train_accuracy", window) for window in ((1, 2), None))
    assert both == pytest.approx(last * (0.5 + 0.75) / 2 / 0.75)
    assert build_scores(results, specs, "validation_accuracy_auc") == pytest.approx(both)


def test_condition_means_have_the_corrected_interval_for_every_metric() -> None:
    results = results_of(replicates=2)
    frame = build_condition_scores(results)
    assert set(frame["metric"]) == set(SUMMARISED)
    row = pick(frame, "test_accuracy", "dropout", 4)
    scores = [score(spec, fold) for spec in results.study.conditions()[2] for fold in range(4)]
    assert row["n"] == 8
    assert (row["ci95_low"], row["ci95_high"]) == pytest.approx(corrected_interval(scores, 4), abs=1e-12)


def test_every_metric_that_a_claim_can_name_is_known_to_the_analysis() -> None:
    from typing import get_args

    assert set(METRICS) == set(get_args(Metric))


def test_single_networks_are_compared_on_the_images_both_saw() -> None:
    results = results_of()
    labels = np.arange(60, dtype=np.uint8) % 10
    frame = build_networks(results, labels)
    assert len(frame) == 5
    assert set(frame["p_value"]) == {1.0}
    wrong = labels.copy()
    wrong[:30] = (wrong[:30] + 1) % 10
    spec = results.study.conditions()[0][0]
    results.records.add(replace(results.records.folds[spec.id, 0], predictions=pack_labels(wrong)))
    row = build_networks(results, labels).to_dict("records")[-1]
    assert (row["only_condition_right"], row["only_baseline_right"], row["effect"]) == (0, 0, 0.0)
    first = build_networks(results, labels).to_dict("records")[1]
    assert first["effect"] == 0.5
    assert first["p_value"] < 1e-6


CLAIM = {
    "sentence": "Dropout helps.",
    "levels": {"regularizer": "dropout", "folds": 10},
    "against": {"regularizer": "none"},
}


def verdict_of(replicates: int = 2, **changes: Any) -> dict[Any, Any]:
    claim = CLAIM | {"expect": "higher"} | changes
    (row,) = build_verdicts(results_of(replicates=replicates, claims=[claim])).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "supported"),
        ({"expect": "lower"}, "refuted"),
        ({"expect": "equal"}, "refuted"),
        ({"expect": "equal", "by": 0.06}, "supported"),
        ({"by": 0.06}, "refuted"),
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
    row = verdict_of(replicates=1, by=0.025)
    assert row["verdict"] == "undecided"
    assert row["needed_replicates"] > 1
    assert f"{row['needed_replicates']} replicates would decide it" in row["reason"].lower()


def test_a_claim_on_too_few_pairs_is_undecided_however_clear_and_asks_for_enough() -> None:
    row = verdict_of(replicates=1, levels={"regularizer": "batchnorm", "folds": 4}, expect="lower")
    assert row["ci95_high"] < -0.001
    assert (row["verdict"], row["n_pairs"], row["needed_replicates"]) == ("undecided", 4, 2)


def test_a_claim_that_no_number_of_replicates_decides_says_so() -> None:
    row = verdict_of(by=verdict_of()["effect"] + 1e-5)
    assert row["verdict"] == "undecided"
    assert pd.isna(row["needed_replicates"])
    assert "not even 1000 replicates" in row["reason"].lower()


def test_a_claim_over_several_conditions_averages_their_pairs() -> None:
    claim = {"sentence": "Ten folds do better.", "levels": {"folds": 10}, "against": {"folds": 4}, "expect": "higher"}
    results = results_of(replicates=3, claims=[claim])
    (row,) = build_verdicts(results).to_dict("records")
    assert row["n_conditions"] == 3
    assert row["method"] == UNPAIRED
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
    (row,) = build_verdicts(results_of(claims=[claim])).to_dict("records")
    assert (row["epochs"], row["n_pairs"], row["verdict"]) == ("2 against 1", 10, "supported")


def test_a_claim_on_a_missing_fold_is_undecided_with_the_reason() -> None:
    results = results_of(claims=[CLAIM | {"expect": "higher"}])
    results.records.folds.clear()
    (row,) = build_verdicts(results).to_dict("records")
    assert row["verdict"] == "undecided"
    assert "has fits 0/10" in row["reason"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"levels": {"regulariser": "dropout"}},
            "claims, entry 1: levels: unknown factor 'regulariser'; did you mean 'regularizer'",
        ),
        (
            {"levels": {"regularizer": "dropuot"}},
            "claims, entry 1: regularizer dropuot is not in the grid; choose from none,",
        ),
        ({"metric": "accuracy"}, "claims, entry 1: unknown metric 'accuracy'; did you mean"),
        ({"against": {}}, "claims, entry 1: it is compared with nothing; add against"),
        ({"epochs": [1, 2]}, "test_accuracy has no epochs; leave the window out"),
        ({"metric": "train_loss", "epochs": [2, 1]}, "the window [2, 1] ends before it begins"),
        ({"metric": "train_loss", "epochs": [1, 3]}, "the window [1, 3] goes beyond the last epoch, 2"),
        ({"metric": "fit_seconds", "expect": "equal"}, "fit_seconds needs a margin; add by"),
        ({"levels": {"regularizer": "dropout"}}, "its conditions have 4 and 10 folds; name folds in levels"),
        ({"against": {"regularizer": "dropout"}}, "no condition with folds=10, regularizer=dropout has a counterpart"),
        ({"expects": "higher"}, "claims, entry 1: unknown key 'expects'; did you mean 'expect'?"),
    ],
)
def test_bad_claims_are_refused_with_place_and_remedy(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    claim = CLAIM | {"expect": "higher"} | changes
    recipe = {"epochs": 2, "batch_size": 20}
    path = write_study_file(tmp_path, grid=GRID, recipe=recipe, claims=[claim])
    with pytest.raises(StudyError) as caught:
        read_study(path, catalog=build_catalog())
    assert message in "\n".join(caught.value.problems)


def test_a_baseline_that_no_condition_has_is_refused(tmp_path: Path) -> None:
    grid = [{"model": "cnn", "folds": 3}, {"model": "vgg10", "regularizer": "dropout", "folds": 3}]
    path = write_study_file(tmp_path, grid=grid, baseline={"model": "vgg10", "regularizer": "none"})
    with pytest.raises(StudyError, match=r"no condition of the grid has model=vgg10, regularizer=none"):
        read_study(path)


def test_claims_and_rope_leave_the_ids_and_survive_being_written(tmp_path: Path) -> None:
    study = study_of(claims=[CLAIM | {"expect": "higher"}], rope=0.01, target_accuracy=0.5)
    assert [t.spec.id for t in study.grid_trials()] == [t.spec.id for t in study_of().grid_trials()]
    (tmp_path / "again.yaml").write_text(build_yaml(study))
    assert read_study(tmp_path / "again.yaml") == study


def test_the_report_ships_with_its_conclusions_as_claims() -> None:
    claims = read_study(find_study_file("report"), catalog=build_catalog()).claims
    assert {claim.sentence.split(":")[0] for claim in claims} == {f"Conclusion {number}" for number in range(1, 7)}


def test_a_study_compared_with_itself_differs_in_nothing() -> None:
    results = results_of(replicates=2)
    frame = build_comparison(results, results)
    assert set(frame["effect"]) == {0.0}
    assert frame["reason"].str.contains("the difference is 0").all()
    study = results.study.model_dump(mode="json")
    assert build_changes(study, study).empty


def test_studies_compared_show_effects_settings_and_what_only_one_has() -> None:
    first = results_of()
    other_grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": [4, 10]}]
    second_study = study_of(grid=other_grid, recipe={"epochs": 2, "batch_size": 10})
    second = build_results(second_study, lambda spec, fold: score(spec, fold) + 0.02 + 0.0001 * fold)
    frame = build_comparison(first, second)
    frame = frame[frame["metric"] == "test_accuracy"]
    assert frame["reason"].str.contains("it is in study A alone").sum() == 2
    tested = frame[frame["status"] == "tested"]
    assert tested["effect"].tolist() == pytest.approx([0.02045] * len(tested))
    assert len(tested) == 2
    changes = build_changes(first.study.model_dump(mode="json"), second.study.model_dump(mode="json"))
    rows = list(changes.itertuples(index=False, name=None))
    assert ("recipe.batch_size", "20", "10") in rows
    assert not [row for row in rows if "None" in row], "what is left out on both sides is no change"


def test_other_data_sets_are_not_compared() -> None:
    other = study_of(data={"name": "mnist", "train_images": 120, "test_images": 60})
    frame = build_comparison(results_of(), build_results(other, score))
    assert frame["reason"].str.contains("different data sets").all()


def test_a_side_without_folds_has_no_scores() -> None:
    results = results_of()
    results.records.epochs.clear()
    assert not math.isnan(build_scores(results, results.study.conditions()[0], "test_accuracy").mean())
    with pytest.raises(RefusedError, match="lacks epochs"):
        build_scores(results, results.study.conditions()[0], "validation_accuracy")


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"splitter": "stratified"}, {"data": {"name": "digits", "train_images": 110, "test_images": 60}}],
)
def test_other_splits_are_never_paired(changes: dict[str, Any]) -> None:
    frame = build_comparison(results_of(replicates=3), build_results(study_of(replicates=3, **changes), score))
    assert set(frame[frame["metric"] == "test_accuracy"]["method"]) <= {UNPAIRED, ""}
    assert frame["n_pairs"].isna().all()


def test_scores_of_other_test_images_are_not_compared() -> None:
    other = study_of(replicates=3, data={"name": "digits", "train_images": 120, "test_images": 50})
    frame = build_comparison(results_of(replicates=3), build_results(other, score))
    tests = frame[frame["metric"] != "fit_seconds"]
    assert tests["reason"].str.contains("tested on different numbers of images").all()


def test_unpaired_sides_may_have_different_numbers_of_replicates() -> None:
    grid = [
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 4, "replicates": 5},
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 10, "replicates": 3},
    ]
    results = results_of(grid=grid)
    row = pick(build_contrasts(results), "test_accuracy", "none", 10)
    five, three = (
        np.array([np.mean([score(spec, fold) for fold in range(spec.folds)]) for spec in specs])
        for specs in results.study.conditions()
    )
    assert (row["n_replicates"], row["n_replicates_baseline"], row["status"]) == (3, 5, "tested")
    assert row["p_value"] == pytest.approx(build_welch_t_test(three, five).p_value, abs=1e-12)


def test_two_replicates_unpaired_get_an_interval_and_no_p_value() -> None:
    row = pick(build_contrasts(results_of(replicates=2)), "test_accuracy", "none", 10)
    assert (row["status"], row["method"]) == ("interval only", UNPAIRED)
    assert "2 replicates are too few for a p-value (at least 3 on each side)" in row["reason"]
    assert pd.isna(row["p_value"])


def test_a_claim_on_too_few_pairs_is_not_refuted_either() -> None:
    row = verdict_of(replicates=1, levels={"regularizer": "batchnorm", "folds": 4}, expect="higher")
    assert row["ci95_high"] < 0
    assert row["verdict"] == "undecided"


PROTOCOLS = [{"model": "cnn", "regularizer": "batchnorm", "folds": 4, "protocol": ["sound", "carry-over"]}]


@pytest.mark.parametrize(("replicates", "status"), [(2, "interval only"), (3, "tested")])
def test_carried_replicates_are_paired_as_independent_observations(replicates: int, status: str) -> None:
    grid = [PROTOCOLS[0] | {"protocol": ["carry-over", "as-reported"]}]
    study = study_of(grid=grid, replicates=replicates, baseline={"protocol": "carry-over"})
    results = build_results(study, lambda spec, fold: score(replace_regularizer(spec), fold))
    row = pick(build_contrasts(results), "test_accuracy", "batchnorm", 4)
    carried, reported = (
        [score(replace_regularizer(spec), 3) for spec in specs] for specs in reversed(study.conditions())
    )
    assert (row["method"], row["n_pairs"], row["status"]) == ("paired t-test over replicates", replicates, status)
    if status == "tested":
        theirs = stats.ttest_rel(carried, reported)
        assert row["p_value"] == pytest.approx(theirs.pvalue, abs=1e-9)
    else:
        assert "2 pairs are too few for a p-value (at least 3 replicates)" in row["reason"]


def replace_regularizer(spec: TrialSpec) -> TrialSpec:
    """A spec whose score differs by its protocol."""
    return spec.model_copy(update={"regularizer": "none" if len(spec.protocol) > 1 else "dropout"})


@pytest.mark.parametrize(
    ("protocol", "metrics"),
    [
        ("carry-over", {"validation_accuracy", "validation_accuracy_auc", "epochs_to_target"}),
        ("train-mode-validation", {"validation_accuracy", "validation_accuracy_auc", "epochs_to_target"}),
        ("last-batch-accuracy", {"train_accuracy"}),
        ("test-skips-layers", set()),
    ],
)
def test_what_a_defect_makes_another_quantity_is_not_compared(protocol: str, metrics: set[str]) -> None:
    grid = [PROTOCOLS[0] | {"protocol": ["sound", protocol]}]
    results = results_of(grid=grid, replicates=3, baseline={"protocol": "sound"}, target_accuracy=0.1)
    frame = build_contrasts(results)
    refused = frame[frame["reason"].str.contains("another quantity")]
    assert set(refused["metric"]) == metrics


def test_a_training_that_trials_share_is_no_time_of_each() -> None:
    grid = [PROTOCOLS[0] | {"protocol": ["sound", "test-skips-layers", "carry-over"]}]
    results = results_of(grid=grid, replicates=3, baseline={"protocol": "sound"})
    frame = build_condition_scores(results).query("metric == 'fit_seconds'").set_index("protocol")
    assert frame["reason"].str.contains("shares its training with").to_dict() == {
        "sound": True,
        "test-skips-layers": True,
        "carry-over": False,
    }


def test_a_baseline_that_names_folds_which_its_other_levels_lack_finds_the_nearest() -> None:
    grid = [
        {"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 10},
        {"model": "cnn", "width": 0.05, "regularizer": "dropout", "folds": 4},
    ]
    study = study_of(grid=grid, baseline={"folds": 4})
    assert [(a[0].regularizer, b[0].regularizer) for a, b in find_contrasts(study)] == [("dropout", "none")]


def test_networks_tested_on_other_images_are_left_out() -> None:
    results = results_of()
    spec = results.study.conditions()[2][0]
    other = replace(results.records.folds[spec.id, 0], predictions=pack_labels(np.ones(59, dtype=np.uint8)))
    results.records.add(other)
    assert len(build_networks(results, np.arange(60, dtype=np.uint8) % 10)) == 4


def test_a_carried_network_is_the_one_of_the_last_fold() -> None:
    results = results_of(grid=PROTOCOLS, baseline={"protocol": "sound"})
    labels = np.arange(60, dtype=np.uint8) % 10
    (carried,) = (s[0] for s in results.study.conditions() if s[0].has_dependent_folds)
    wrong = pack_labels((labels + 1) % 10)
    results.records.add(replace(results.records.folds[carried.id, 3], predictions=wrong))
    (row,) = build_networks(results, labels).to_dict("records")
    assert (row["fold"], row["baseline_fold"], row["accuracy"]) == (4, 1, 0)
    assert pd.isna(row["ci95_low"]), "every resample of the images is the same"


def test_the_rope_is_of_accuracies_alone() -> None:
    frame = build_contrasts(results_of(replicates=2, rope=0.02))
    ropes = frame.groupby("metric")["rope"].unique().map(list).to_dict()
    assert ropes["test_accuracy"] == ropes["validation_accuracy_auc"] == [0.02]
    assert ropes["test_loss"] == ropes["fit_seconds"] == ropes["epochs_to_target"] == [0.0]


def test_studies_with_nothing_in_common_are_compared_in_rows_that_say_so() -> None:
    other = study_of(grid=[{"model": "cnn", "width": 0.05, "regularizer": "none", "folds": 3}], baseline={})
    frame = build_comparison(results_of(), build_results(other, score))
    assert frame["effect"].isna().all()
    assert frame["reason"].str.contains("alone").all()
    assert build_comparison_tables(frame, build_changes({}, {}))


@pytest.mark.parametrize(
    ("changes", "replicates", "message"),
    [
        ({}, 1, ""),
        ({"levels": {"regularizer": "dropout", "folds": 4}}, 1, "It needs 2 replicates on either side and has 1."),
        ({"levels": {"regularizer": "dropout", "folds": 4}}, 2, ""),
        ({"levels": {"folds": 10}, "against": {"folds": 4}}, 2, "It needs 3 replicates on either side and has 2."),
        ({"levels": {"folds": 10}, "against": {"folds": 4}}, 3, ""),
    ],
)
def test_a_claim_that_the_design_cannot_decide_is_told_before_the_run(
    changes: dict[str, Any], replicates: int, message: str
) -> None:
    study = study_of(replicates=replicates, claims=[CLAIM | {"expect": "higher"} | changes])
    assert find_undecidable(study) == ([f"Dropout helps. {message}"] if message else [])
    verdicts = build_verdicts(build_results(study, score))
    assert not message or set(verdicts["verdict"]) == {"undecided"}, "what is told before holds after"
